package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestDirectPlatformThatNeitherTellsNorHangsUp: the task ends by the clock, bounded.
func TestDirectPlatformThatNeitherTellsNorHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := eventsOnly(providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour}))
		p.end = func(context.Context, provider.CallID) error { return provider.ErrUnsupported }
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		res := o.wait()
		require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
		require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
		require.InDelta(t, (16 * time.Minute).Seconds(), o.now().Sub(start).Seconds(), 10)
		require.Equal(t, store.AttemptEnded, rowOf(t, o.store, "t1").Attempts[0].State)
	})
}

// TestDirectHangUpKeepsTheAnswer of a platform that forgets it.
func TestDirectHangUpKeepsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 5 * time.Minute})
		p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			c, err := p.Fake.Get(ctx, id)
			c.AnsweredAt = time.Time{}
			return c, err
		}
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(100 * time.Second)
		require.NoError(t, o.Deliver(t.Context(), p.Event("t1/1"))) // answered after a minute
		require.NoError(t, o.Cancel(t.Context(), "t1"))
		res := o.wait()
		require.Equal(t, provider.OutcomeCancelled, res.Outcome)
		require.InDelta(t, 40, float64(res.Data.Duration), 3)
	})
}

// TestDirectDeadlineOfACallWithoutATime counts from the send.
func TestDirectDeadlineOfACallWithoutATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{LoseReply: true, Hidden: time.Hour, Lasts: time.Hour})
		o := newOffice(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: 5 * time.Minute}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(30 * time.Second)
		require.NoError(t, o.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusRinging}}))
		require.Equal(t, provider.OutcomeTimedOut, o.wait().Outcome)
		require.InDelta(t, (5 * time.Minute).Seconds(), o.now().Sub(start).Seconds(), 10)
		require.Equal(t, []provider.CallID{"call-1"}, p.hungUp())
	})
}

// TestDirectEventWhileAStepIsInHand is not put off until the next poll.
func TestDirectEventWhileAStepIsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		p.traits = &provider.Traits{}
		var o *office
		p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			stale, err := p.Fake.Get(ctx, id)
			p.Finish(id, provider.OutcomeCompleted)
			require.NoError(t, o.Deliver(ctx, p.Event("t1/1")))
			return stale, err
		}
		o = newOffice(t, voicetask.Config{Policy: voicetask.Policy{PollInterval: 10 * time.Minute}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		p.Next(providertest.Step{Lasts: time.Hour})
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Less(t, o.now().Sub(start), 11*time.Minute)
	})
}

// TestDirectEndThatFailsIsTriedAgain.
func TestDirectEndThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, tries := fakeHook(providertest.Step{Lasts: time.Hour}), 0
		p.end = func(ctx context.Context, id provider.CallID) error {
			if tries++; tries < 4 {
				return errors.New("503")
			}
			return p.Fake.End(ctx, id)
		}
		o := newOffice(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: time.Minute}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeTimedOut, o.wait().Outcome)
		require.Equal(t, 4, tries)
	})
}

// TestDirectGetUnsupportedWaitsForEvents.
func TestDirectGetUnsupportedWaitsForEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := eventsOnly(providertest.NewFake("vapi", providertest.Step{Lasts: 10 * time.Minute}))
		p.traits = &provider.Traits{}
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(601 * time.Second)
		require.Equal(t, 1, p.polls(), "asked once and never again")
		require.NoError(t, o.Deliver(t.Context(), p.Event("t1/1")))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
	})
}

// TestDirectGetThatFailsForAWhile.
func TestDirectGetThatFailsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		var o *office
		p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			if o.now().Sub(start) < 10*time.Minute {
				return provider.Call{}, provider.ErrNotFound
			}
			return p.Fake.Get(ctx, id)
		}
		o = newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.GreaterOrEqual(t, o.now().Sub(start), 10*time.Minute)
	})
}

// TestDirectSettleAndErase work on the row alone.
func TestDirectSettleAndErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{LoseReply: true, Hidden: time.Hour})
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.ErrorContains(t, o.Erase(t.Context(), "t1"), "cancel it or wait")
		require.Equal(t, provider.OutcomeUnknown, o.wait().Outcome)
		require.Equal(t, []string{provider.NoticeUnknownOutcome}, o.notices.kinds())
		require.NoError(t, o.Settle(t.Context(), "t1/1", provider.Call{Outcome: provider.OutcomeNoAnswer}))
		require.Equal(t, provider.OutcomeNoAnswer, o.wait().Outcome)
		require.NoError(t, o.Erase(t.Context(), "t1"))
		require.Empty(t, rowOf(t, o.store, "t1").To)
		require.NoError(t, o.Cancel(t.Context(), "t1"), "a task that has ended stays as it is")
		require.Equal(t, provider.OutcomeNoAnswer, o.wait().Outcome)
	})
}

// TestDirectWrap: the decoration of the activities holds here too.
func TestDirectWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &callback{fails: 2}
		o := newOffice(t, voicetask.Config{Wrap: func(a voicetask.Activity) voicetask.Activity { c.Activity = a; return c }}, fakeHook())
		defer o.close()
		in := task()
		in.Data.Extra = raws("metadata", `{"k":1}`)
		require.NoError(t, o.Submit(t.Context(), in))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		time.Sleep(time.Minute)
		require.Len(t, c.told(), 1)
		require.JSONEq(t, `{"k":1}`, string(c.told()[0].Result.Data.Metadata))
	})
}

// TestDirectRemembersThatNobodySpoke: the step that finds the end and the one that
// dials again read the same row, which must tell a silent fault from one in
// mid-conversation.
func TestDirectRemembersThatNobodySpoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Outcome: provider.OutcomeProviderFault, Answered: true}, providertest.Step{})
		p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			c, err := p.Fake.Get(ctx, id)
			c.NoSpeech = c.Outcome == provider.OutcomeProviderFault
			return c, err
		}
		o := newOffice(t, voicetask.Config{Policy: voicetask.Policy{EventGrace: time.Second, PollInterval: time.Second}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Len(t, p.Requests(), 2)
		require.True(t, rowOf(t, o.store, "t1").Attempts[0].NoSpeech)
	})
}

// TestDirectCancelWhereThePlatformCannotHangUp: the task ends with its call.
func TestDirectCancelWhereThePlatformCannotHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 10 * time.Minute})
		p.end = func(context.Context, provider.CallID) error { return provider.ErrUnsupported }
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(time.Minute)
		require.NoError(t, o.Cancel(t.Context(), "t1"))
		res := o.wait()
		require.Equal(t, provider.OutcomeCancelled, res.Outcome)
		require.GreaterOrEqual(t, o.now().Sub(start), 10*time.Minute)
		require.Less(t, o.now().Sub(start), 10*time.Minute+30*time.Second)
	})
}

// TestDirectCallThatWasHungUpAtItsDeadline: the platform's word is in the row, as a
// cancellation, before whoever hung up can say why; it may be dead by then.
func TestDirectCallThatWasHungUpAtItsDeadline(t *testing.T) {
	for by, want := range map[time.Duration]provider.Outcome{
		15 * time.Minute: provider.OutcomeTimedOut,
		10 * time.Minute: provider.OutcomeCancelled, // by somebody at the platform
	} {
		synctest.Test(t, func(t *testing.T) {
			p := fakeHook(providertest.Step{Lasts: time.Hour})
			var o *office
			ended := func(ctx context.Context, id provider.CallID) {
				p.Finish(id, provider.OutcomeCancelled)
				require.NoError(t, o.Deliver(ctx, p.Event("t1/1")))
			}
			p.end = func(ctx context.Context, id provider.CallID) error {
				ended(ctx, id)
				return errors.New("the answer is lost")
			}
			o = newOffice(t, voicetask.Config{}, p)
			defer o.close()
			require.NoError(t, o.Submit(t.Context(), task()))
			if time.Sleep(10 * time.Minute); by == 10*time.Minute {
				ended(t.Context(), rowOf(t, o.store, "t1").Attempts[0].CallID)
			}
			res := o.wait()
			require.Equal(t, want, res.Outcome)
			require.Equal(t, want == provider.OutcomeTimedOut, rule(res.Reason) == voicetask.RuleDeadline, res.Reason)
			require.WithinDuration(t, start.Add(by), res.Data.EndTime, 10*time.Second)
		})
	}
}
