package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// always redials whatever may be redialled.
func always() voicetask.Policy {
	redial := map[provider.Outcome]voicetask.Redial{}
	for _, o := range []provider.Outcome{
		provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeNoAnswer, provider.OutcomeBusy, provider.OutcomeDeclined,
		provider.OutcomeInvalidNumber, provider.OutcomeCancelled, provider.OutcomeTimedOut, provider.OutcomeRateLimited,
		provider.OutcomeProviderFault, provider.OutcomeConfigError,
	} {
		redial[o] = voicetask.Redial{}
	}
	return voicetask.Policy{Redial: redial}
}

func TestLostReplyIsFound(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{LoseReply: true, Outcome: provider.OutcomeBusy})
	res := w.run(task())
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.Equal(t, 1, res.Dials)
	require.Equal(t, 1, w.fake.Dials())
	require.Len(t, w.fake.Requests(), 1)
	a := w.row().Attempts[0]
	require.Equal(t, store.AttemptEnded, a.State)
	require.Equal(t, provider.CallID("call-1"), a.CallID)
	require.Empty(t, w.notices.kinds())
}

// TestLostReplyFoundLate: it stays invisible for most of the window.
func TestLostReplyFoundLate(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{LoseReply: true, Hidden: 110 * time.Second, Lasts: 3 * time.Minute})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, w.fake.Dials())
}

// TestLostReplyNeverFound ends unknown: visible, counted, never dialled again.
func TestLostReplyNeverFound(t *testing.T) {
	w := newWorld(t, voicetask.Config{Policy: always()}, providertest.Step{LoseReply: true, Hidden: time.Hour, Lasts: 2 * time.Hour})
	res := w.run(task())
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)
	require.Equal(t, store.StatusFailed, res.Status)
	require.Equal(t, 1, res.Dials)
	require.Len(t, w.fake.Requests(), 1)
	require.Equal(t, store.AttemptUnknown, w.row().Attempts[0].State)
	require.Equal(t, voicetask.RuleUnknown, rule(res.Reason))
	require.Contains(t, res.Reason, "the reply was lost", "the first words of the platform are kept")
	require.Equal(t, []provider.Notice{{Kind: provider.NoticeUnknownOutcome, Provider: "vapi", TaskID: "t1", Key: "t1/1", N: 1}}, w.notices.seen)
	require.GreaterOrEqual(t, w.Now().Sub(start), 2*time.Minute, "not before the window has passed")
	require.Less(t, w.Now().Sub(start), 3*time.Minute)
}

// TestUnknownIsToldLate: the evidence comes after the task has ended.
func TestUnknownIsToldLate(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{LoseReply: true, Hidden: time.Hour})
	require.Equal(t, provider.OutcomeUnknown, w.run(task()).Outcome)
	w.deliver("t1/1")
	row := w.row()
	require.Equal(t, provider.OutcomeCompleted, row.Outcome)
	require.Equal(t, store.StatusCompleted, row.Status)
	require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
	res := storedResult(t, row)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.NotEmpty(t, res.Data.Transcript, "what the event brought is kept")
	require.NotEmpty(t, res.Data.CallSummary)
	require.InDelta(t, 0.05, res.Data.CostUSD, 0)
	require.Equal(t, "Ada Example", res.Data.Customer)
	require.Equal(t, 1, w.fake.Dials())
}

// TestLostReplyAndTheEventArrives: the platform's word comes before Find sees it.
func TestLostReplyAndTheEventArrives(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{LoseReply: true, Hidden: time.Hour, Lasts: 90 * time.Second})
	w.after(60*time.Second, func() { w.deliver("t1/1") })
	w.after(91*time.Second, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.Equal(t, 1, w.fake.Dials())
	require.Empty(t, w.notices.kinds())
}

// TestLostReplyWithNothingToLookWith: no Finder and no events, so nothing can ever
// be known.
func TestLostReplyWithNothingToLookWith(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{LoseReply: true})
	w := newWorldOn(t, voicetask.Config{}, fake, plain{fake})
	res := w.run(task())
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)
	require.Equal(t, start, w.Now().UTC(), "waiting would not help")
	require.Len(t, fake.Requests(), 1)
	require.Equal(t, []string{provider.NoticeUnknownOutcome}, w.notices.kinds())
}

// TestWhatCountsAsALostReply: everything that does not prove that nobody rang.
func TestWhatCountsAsALostReply(t *testing.T) {
	for name, place := range map[string]func() (provider.Call, error){
		"an untyped error":          func() (provider.Call, error) { return provider.Call{}, errors.New("boom") },
		"the context's error":       func() (provider.Call, error) { return provider.Call{}, context.DeadlineExceeded },
		"an error of unknown kind":  func() (provider.Call, error) { return provider.Call{}, &provider.Error{Kind: "new_kind"} },
		"an error without a kind":   func() (provider.Call, error) { return provider.Call{}, &provider.Error{} },
		"a live call without an id": func() (provider.Call, error) { return provider.Call{Status: provider.StatusRinging}, nil },
		"no call and no error":      func() (provider.Call, error) { return provider.Call{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			fake, places := providertest.NewFake("vapi"), 0
			w := newWorldOn(t, voicetask.Config{Policy: always()}, fake, &hooked{Fake: fake, place: func(context.Context, provider.Request) (provider.Call, error) {
				places++
				return place()
			}})
			require.Equal(t, provider.OutcomeUnknown, w.run(task()).Outcome)
			require.Equal(t, 1, places)
			require.Equal(t, store.AttemptUnknown, w.row().Attempts[0].State)
		})
	}
}

// TestLostReplyIsNeverSentAgain, not even where the platform would refuse a second
// dial: whether it does is the platform's word, and the call is found anyway.
func TestLostReplyIsNeverSentAgain(t *testing.T) {
	fake, places := providertest.NewFake("vapi", providertest.Step{}), 0
	p := &hooked{Fake: fake, traits: &provider.Traits{Events: true, IdempotentPlace: true}}
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		places++
		_, _ = fake.Place(ctx, req)
		return provider.Call{}, fails(provider.KindOutcomeUnknown)
	}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Equal(t, 1, places)
	require.Equal(t, 1, w.row().Attempts[0].Sends)
}

// TestEventFasterThanUnknown: the evidence is in the row before the workflow writes
// that it does not know.
func TestEventFasterThanUnknown(t *testing.T) {
	var w *world
	cfg := voicetask.Config{Wrap: func(a voicetask.Activity) voicetask.Activity { return beforeRecord{a, func() { w.deliver("t1/1") }} }}
	w = newWorld(t, cfg, providertest.Step{LoseReply: true, Hidden: time.Hour})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, store.StatusCompleted, w.row().Status)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.NotEmpty(t, res.Data.Transcript)
}

// beforeRecord does something just before the result is recorded.
type beforeRecord struct {
	voicetask.Activity
	do func()
}

func (b beforeRecord) RecordResult(ctx context.Context, in voicetask.ResultInput) error {
	b.do()
	return b.Activity.RecordResult(ctx, in)
}
