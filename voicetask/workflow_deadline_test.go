package voicetask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func TestDeadlineHangsUp(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour})
	p := &hooked{Fake: fake}
	w := newWorldOn(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: 5 * time.Minute}}, fake, p)
	res := w.run(task())
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, store.StatusFailed, res.Status)
	require.Equal(t, voicetask.RuleDeadline, rule(res.Reason))
	require.Equal(t, []provider.CallID{"call-1"}, p.hungUp())
	require.Equal(t, 5*time.Minute, since(res.Data.EndTime))
	require.Equal(t, store.AttemptEnded, w.row().Attempts[0].State)
	require.Equal(t, 1, fake.Dials())
}

// TestDeadlineWithEventsOnly: no polling at all, and the timer still ends it.
func TestDeadlineWithEventsOnly(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour})
	p := &hooked{Fake: fake}
	w := newWorldOn(t, voicetask.Config{Policy: voicetask.Policy{PollInterval: -1}}, fake, p)
	res := w.run(task())
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, 15*time.Minute, since(res.Data.EndTime))
	require.Equal(t, 1, p.polls(), "asked once, after it was hung up")
}

// TestCallThatEndedBeforeTheDeadlineKeepsItsOutcome: nobody told, and hanging up
// finds out.
func TestCallThatEndedBeforeTheDeadlineKeepsItsOutcome(t *testing.T) {
	w := newWorld(t, voicetask.Config{Policy: voicetask.Policy{PollInterval: -1}}, providertest.Step{Lasts: time.Minute})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, time.Minute, since(res.Data.EndTime))
	require.NotEmpty(t, res.Data.Transcript)
}

// TestPlatformThatNeitherTellsNorHangsUp: the task ends by the clock, bounded.
func TestPlatformThatNeitherTellsNorHangsUp(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour})
	p := &hooked{Fake: fake,
		get: func(context.Context, provider.CallID) (provider.Call, error) {
			return provider.Call{}, provider.ErrUnsupported
		},
		end: func(context.Context, provider.CallID) error { return provider.ErrUnsupported },
	}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	res := w.run(task())
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, 16*time.Minute, w.Now().Sub(start), "the deadline and a minute's grace")
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.Equal(t, store.AttemptEnded, w.row().Attempts[0].State)
}

// TestEndUnsupportedWaitsForTheCallsOwnEnd, within the grace.
func TestEndUnsupportedWaitsForTheCallsOwnEnd(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 5*time.Minute + 20*time.Second})
	p := &hooked{Fake: fake, end: func(context.Context, provider.CallID) error { return provider.ErrUnsupported }}
	w := newWorldOn(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: 5 * time.Minute}}, fake, p)
	res := w.run(task())
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, 5*time.Minute+20*time.Second, since(res.Data.EndTime))
	require.NotEmpty(t, res.Data.Transcript)
}

// TestEndThatFailsIsTriedAgain.
func TestEndThatFailsIsTriedAgain(t *testing.T) {
	fake, tries := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour}), 0
	p := &hooked{Fake: fake}
	p.end = func(ctx context.Context, id provider.CallID) error {
		if tries++; tries < 4 {
			return &provider.Error{Provider: "vapi", Op: "end", Kind: provider.KindUnavailable}
		}
		return fake.End(ctx, id)
	}
	w := newWorldOn(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: time.Minute}}, fake, p)
	res := w.run(task())
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, 4, tries)
	require.Equal(t, time.Minute+7*time.Second, since(res.Data.EndTime), "after 1, 2 and 4 s")
}

// TestCallThatAnEarlierRunHungUp at its deadline: the platform says that it was cancelled,
// and the run that knew better was reset.
func TestCallThatAnEarlierRunHungUp(t *testing.T) {
	for lasted, want := range map[time.Duration]provider.Outcome{
		5*time.Minute + time.Second: provider.OutcomeTimedOut,
		5*time.Minute - time.Second: provider.OutcomeCancelled, // by somebody at the platform
	} {
		fake := providertest.NewFake("vapi")
		p := &hooked{Fake: fake, place: hungUpAfter(lasted)}
		w := newWorldOn(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: 5 * time.Minute}}, fake, p)
		res := w.run(task())
		require.Equal(t, want, res.Outcome, lasted)
		require.Equal(t, want == provider.OutcomeTimedOut, rule(res.Reason) == voicetask.RuleDeadline, res.Reason)
		require.Equal(t, "manually-canceled", res.Data.CallEndReason)
	}
}

// hungUpAfter is a Place that finds a call which has ended so, as one of before is found.
func hungUpAfter(lasted time.Duration) func(context.Context, provider.Request) (provider.Call, error) {
	return func(_ context.Context, req provider.Request) (provider.Call, error) {
		began := time.Now()
		return provider.Call{
			ID: "call-1", Key: req.Key, Status: provider.StatusEnded, Outcome: provider.OutcomeCancelled, Reason: "manually-canceled",
			CreatedAt: began, AnsweredAt: began.Add(2 * time.Second), EndedAt: began.Add(lasted),
		}, nil
	}
}
