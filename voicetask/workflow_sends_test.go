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

// TestRateLimitedIsSentAgainUnderTheSameKey once the platform's time has passed.
func TestRateLimitedIsSentAgainUnderTheSameKey(t *testing.T) {
	limited := fails(provider.KindRateLimited)
	limited.RetryAfter = 30 * time.Second
	w := newWorld(t, voicetask.Config{}, providertest.Step{Fail: limited}, providertest.Step{})
	w.after(time.Second, func() {
		a := rowOf(t, w.Store, "t1").Attempts[0]
		w.must(errIf(a.State != store.AttemptNotSent || a.Kind != provider.KindRateLimited, "the row says %+v", a))
		w.must(errIf(since(a.NotBefore) < 30*time.Second, "the row says %v", a.NotBefore))
	})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, res.Dials)
	require.Equal(t, []string{"t1/1", "t1/1"}, keys(w.fake))
	require.Equal(t, 1, w.fake.Dials())
	row := w.row()
	require.Len(t, row.Attempts, 1)
	require.Equal(t, 2, row.Attempts[0].Sends)
	require.Equal(t, 30*time.Second, since(row.Attempts[0].SentAt))
}

// TestSendsThatAreNotPlacedGrowApart: 10 s, then 20 s, then the end.
func TestUnavailableThreeTimesIsFinal(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Fail: fails(provider.KindUnavailable)})
	res := w.run(task())
	require.Equal(t, provider.OutcomeProviderFault, res.Outcome)
	require.Equal(t, store.StatusFailed, res.Status)
	require.Equal(t, voicetask.RuleSends, rule(res.Reason))
	require.Equal(t, 1, res.Dials)
	require.Equal(t, []string{"t1/1", "t1/1", "t1/1"}, keys(w.fake))
	require.Zero(t, w.fake.Dials())
	a := w.row().Attempts[0]
	require.Equal(t, store.AttemptEnded, a.State)
	require.Equal(t, provider.OutcomeProviderFault, a.Outcome)
	require.Equal(t, 3, a.Sends)
	require.Equal(t, 30*time.Second, since(a.SentAt), "sent at 0, 10 and 30 s")
}

// TestSpentDialIsDialledAgainIfTheHostSaysSo with a Redial of its own.
func TestSpentDialIsDialledAgainIfTheHostSaysSo(t *testing.T) {
	cfg := voicetask.Config{Policy: voicetask.Policy{MaxDials: 2, Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeProviderFault: {After: []time.Duration{time.Minute}}}}}
	down := providertest.Step{Fail: fails(provider.KindUnavailable)}
	w := newWorld(t, cfg, down, down, down, providertest.Step{})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
	require.Equal(t, []string{"t1/1", "t1/1", "t1/1", "t1/2"}, keys(w.fake))
	require.Equal(t, 90*time.Second, since(w.row().Attempts[1].SentAt))
}

// TestSpentDialStaysFinalWhenItsAnswerIsLost: the worker dies after the row was
// written and before Temporal heard of it; the next execution answers the same.
func TestSpentDialStaysFinalWhenItsAnswerIsLost(t *testing.T) {
	s := newFaultyStore()
	lost := false
	s.after = func(op string, r store.Record) error {
		if !lost && reaches(op, r, store.AttemptEnded) {
			lost = true
			return errStoreDown
		}
		return nil
	}
	answers := 0
	cfg := voicetask.Config{Store: s, Wrap: func(a voicetask.Activity) voicetask.Activity { return &forgetful{Activity: a, answers: &answers} }}
	w := newWorld(t, cfg, providertest.Step{Fail: fails(provider.KindUnavailable)})
	res := w.run(task())
	require.Equal(t, provider.OutcomeProviderFault, res.Outcome)
	require.Equal(t, voicetask.RuleSends, rule(res.Reason))
	require.Equal(t, 1, res.Dials)
	require.Len(t, w.fake.Requests(), 3)
	require.Equal(t, 2, answers, "the second answer is told from the row")
}

// TestConfigKindsStopAtOnce: nothing but a change of settings helps.
func TestConfigKindsStopAtOnce(t *testing.T) {
	for _, kind := range []provider.Kind{
		provider.KindInvalidRequest, provider.KindUnauthenticated, provider.KindNotFound, provider.KindRejected, provider.KindUnsupported,
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, voicetask.Config{}, providertest.Step{Fail: fails(kind)})
			res := w.run(task())
			require.Equal(t, provider.OutcomeConfigError, res.Outcome)
			require.Equal(t, store.StatusFailed, res.Status)
			require.Contains(t, res.Data.CallEndReason, string(kind))
			require.Len(t, w.fake.Requests(), 1)
			require.Zero(t, w.fake.Dials())
			a := w.row().Attempts[0]
			require.Equal(t, store.AttemptEnded, a.State)
			require.Equal(t, kind, a.Kind)
			require.Equal(t, provider.OutcomeConfigError, a.Outcome)
		})
	}
}

// TestEndedAtOnce: Place itself tells how the call ended.
func TestEndedAtOnce(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Blocking: true, Lasts: 7 * time.Second})
	res := w.run(task())
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Equal(t, start, w.Now().UTC(), "there is nothing to wait for")
	require.Equal(t, start.Add(7*time.Second), w.row().Attempts[0].EndedAt)
}

func TestEndedWithoutAnOutcomeIsUnknown(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, &hooked{Fake: fake, place: func(context.Context, provider.Request) (provider.Call, error) {
		return provider.Call{Status: provider.StatusEnded, Reason: "odd"}, nil
	}})
	res := w.run(task())
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)
	require.Equal(t, store.AttemptEnded, w.row().Attempts[0].State)
}

// TestPlatformThatDoesNotSayWhen: the time of the dial is then ours.
func TestPlatformThatDoesNotSayWhen(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, &hooked{Fake: fake, place: func(context.Context, provider.Request) (provider.Call, error) {
		return provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer}, nil
	}})
	res := w.run(task())
	require.Equal(t, start, res.Data.StartTime)
	require.Equal(t, start, w.row().Attempts[0].DialledAt)
	require.Equal(t, start, w.row().Attempts[0].EndedAt)
}

// TestResultIsRecordedOnce: a task that has ended keeps the outcome it has, unless
// that was unknown.
func TestResultIsRecordedOnce(t *testing.T) {
	for first, want := range map[provider.Outcome]provider.Outcome{
		provider.OutcomeBusy: provider.OutcomeBusy, provider.OutcomeCancelled: provider.OutcomeCancelled, provider.OutcomeUnknown: provider.OutcomeCompleted,
	} {
		s := store.NewMemory()
		a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s})
		require.NoError(t, err)
		for _, o := range []provider.Outcome{first, provider.OutcomeCompleted, provider.OutcomeUnknown} {
			status := map[provider.Outcome]store.Status{provider.OutcomeCompleted: store.StatusCompleted, provider.OutcomeCancelled: store.StatusCancelled}[o]
			if status == "" {
				status = store.StatusFailed
			}
			require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: voicetask.Result{TaskID: "t1", Status: status, Outcome: o}}))
		}
		require.Equal(t, want, rowOf(t, s, "t1").Outcome)
		require.Equal(t, want, storedResult(t, rowOf(t, s, "t1")).Outcome)
	}
}

// forgetful loses the first answer of ExecuteCall that is not "later".
type forgetful struct {
	voicetask.Activity
	answers *int
}

func (f *forgetful) ExecuteCall(ctx context.Context, in voicetask.CallInput) (voicetask.Dialled, error) {
	d, err := f.Activity.ExecuteCall(ctx, in)
	if err != nil {
		return d, err
	}
	if *f.answers++; *f.answers == 1 {
		return voicetask.Dialled{}, errors.New("the worker died before it could answer")
	}
	return d, nil
}
