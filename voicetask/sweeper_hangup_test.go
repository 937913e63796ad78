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

// TestASecondCallOutlivesItsTaskOnlyForAMoment: the result is recorded before the
// sweeper has come to the second call of the last dial.
func TestASecondCallOutlivesItsTaskOnlyForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Second}, providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour})
		first, second := y.ring("t1/1"), y.ring("other/1")
		callUpWith(t, y, first, func(r *store.Record) {})
		require.NoError(t, y.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: second.ID, Status: provider.StatusRinging}}))
		time.Sleep(2 * time.Second)
		recordEnd(t, y, first.ID)
		y.sweepFor(time.Minute)
		require.Equal(t, []provider.CallID{second.ID}, y.p.hungUp())
		y.sweepFor(2 * time.Hour)
		require.True(t, y.row(t).DueAt.IsZero(), "not looked at for ever")
	})
}

// recordEnd is what the workflow of a task whose first call is completed writes.
func recordEnd(t *testing.T, y *yard, id provider.CallID) {
	t.Helper()
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, provider.Provider(y.p)), Store: y.store, Now: y.now})
	require.NoError(t, err)
	res := voicetask.Result{TaskID: "t1", Status: store.StatusCompleted, Outcome: provider.OutcomeCompleted, Dials: 1, Data: voicetask.CallResult{CallID: id}}
	require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: res}))
}

// callUpWith seeds a task whose call c is up, and whose workflow runs.
func callUpWith(t *testing.T, y *yard, c provider.Call, change func(r *store.Record)) {
	t.Helper()
	y.temporal.onStart()
	seed(t, y.store, func(r *store.Record) {
		r.Owner, r.Status, r.DueAt = "temporal", store.StatusInProgress, start.Add(17*time.Minute)
		r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.CallID, a.DialledAt = c.ID, start })}
		change(r)
	})
}

// TestCancelKeepsTheOutcomeOfACallThatWasOver: nothing follows the task, and its call
// had ended before.
func TestCancelKeepsTheOutcomeOfACallThatWasOver(t *testing.T) {
	for outcome, want := range map[provider.Outcome]store.Status{
		provider.OutcomeCompleted: store.StatusCompleted, provider.OutcomeBusy: store.StatusCancelled,
	} {
		t.Run(string(outcome), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{})
				y.temporal.cancelErr = errGone
				seed(t, y.store, func(r *store.Record) {
					r.Owner, r.Status, r.DueAt = "temporal", store.StatusInProgress, start.Add(time.Hour)
					r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
						a.CallID, a.DialledAt, a.EndedAt, a.Outcome = "c1", start, start.Add(time.Minute), outcome
					})}
				})
				time.Sleep(10 * time.Minute)
				require.NoError(t, y.Cancel(t.Context(), "t1"))
				require.Equal(t, want, y.row(t).Status)
				res, err := y.Wait(t.Context(), "t1")
				require.NoError(t, err)
				require.Equal(t, provider.CallID("c1"), res.Data.CallID)
				require.Equal(t, outcome, y.row(t).Attempts[0].Outcome)
			})
		})
	}
}

// TestAHangUpThatFailsIsTriedAgainSoon, and not only after another longest call.
func TestAHangUpThatFailsIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: 5 * time.Hour})
		c := callUp(t, y, nil)
		tried := 0
		y.p.end = func(ctx context.Context, id provider.CallID) error {
			if tried++; tried == 1 {
				return errors.New("unavailable")
			}
			return y.p.Fake.End(ctx, id)
		}
		y.sweepFor(25 * time.Minute)
		require.GreaterOrEqual(t, tried, 2)
		require.NotEmpty(t, c.ID)
		require.Equal(t, store.AttemptEnded, y.row(t).Attempts[0].State)
	})
}

// TestAResultOfACancelledTaskSaysSo: its engine learned of the call from the row only,
// which was hung up for the cancellation.
func TestAResultOfACancelledTaskSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		ended time.Duration
		want  provider.Outcome
	}{"ended by it": {2 * time.Minute, provider.OutcomeCancelled}, "over before": {30 * time.Second, provider.OutcomeNoAnswer}} {
		t.Run(name, func(t *testing.T) {
			s := store.NewMemory()
			seed(t, s, func(r *store.Record) {
				r.Owner, r.Status, r.CancelRequestedAt = "temporal", store.StatusInProgress, start.Add(time.Minute)
				r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
					a.CallID, a.Outcome, a.EndedAt = "c1", provider.OutcomeNoAnswer, start.Add(c.ended)
				})}
			})
			a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s, Now: func() time.Time { return start.Add(3 * time.Minute) }})
			require.NoError(t, err)
			res := voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Outcome: provider.OutcomeCancelled, Reason: "cancel: cancelled before the dial"}
			require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: res}))
			row := rowOf(t, s, "t1")
			require.Equal(t, c.want, row.Outcome)
			require.Equal(t, provider.OutcomeNoAnswer, row.Attempts[0].Outcome)
		})
	}
}

// TestACallIsHungUpOnlyForACancellation when its task is followed again: at once then,
// and not by the new workflow only; else it goes on.
func TestACallIsHungUpOnlyForACancellation(t *testing.T) {
	for name, cancelled := range map[string]bool{"cancelled": true, "not cancelled": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
				c := callUp(t, y, func(r *store.Record) {
					r.DueAt = start
					if cancelled {
						r.CancelRequestedAt = start
					}
				})
				y.temporal.describeErr = errGone
				y.sweepFor(time.Minute)
				require.Len(t, y.temporal.started, 1)
				var want []provider.CallID
				if cancelled {
					want = []provider.CallID{c.ID}
				}
				require.Equal(t, want, y.p.hungUp())
			})
		})
	}
}

// TestACancellationIsTheWorkflowsFirst: it has half a minute, however quiet its call is.
func TestACancellationIsTheWorkflowsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		callUp(t, y, nil)
		time.Sleep(5 * time.Minute)
		_, err := store.Modify(t.Context(), y.store, "t1", func(r *store.Record) error {
			r.CancelRequestedAt, r.DueAt = y.now(), y.now().Add(time.Minute)
			return nil
		})
		require.NoError(t, err)
		time.Sleep(35 * time.Second)
		y.sweepFor(20 * time.Second)
		require.Empty(t, y.temporal.cancels)
		y.sweepFor(2 * time.Minute)
		require.NotEmpty(t, y.temporal.cancels)
	})
}

// TestALateCallOfACancelledTaskIsEndedAtOnce, and not only at its limits; one that is
// wanted goes on, also where the platform's clock is behind.
func TestALateCallOfACancelledTaskIsEndedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *store.Record)
		ends   bool
	}{
		"asked for":          {func(r *store.Record) { r.CancelRequestedAt = start }, true},
		"recorded as such":   {func(r *store.Record) { r.Status, r.Outcome = store.StatusCancelled, provider.OutcomeCancelled }, true},
		"wanted":             {func(*store.Record) {}, false},
		"the row is younger": {func(r *store.Record) { r.Attempts[0].SentAt = start.Add(time.Hour) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: 5 * time.Hour})
				id := y.ring("t1/1").ID
				if name == "the row is younger" {
					time.Sleep(time.Hour)
				}
				seed(t, y.store, func(r *store.Record) {
					r.Status, r.Outcome, r.DueAt = store.StatusFailed, provider.OutcomeUnknown, start
					r.Attempts = []store.Attempt{attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Outcome = provider.OutcomeUnknown })}
					c.change(r)
				})
				y.sweepFor(5 * time.Minute)
				var want []provider.CallID
				if c.ends {
					want = []provider.CallID{id}
				}
				require.Equal(t, want, y.p.hungUp())
			})
		})
	}
}

// TestAHungUpCallOfACancelledTaskIsNotTimedOut.
func TestAHungUpCallOfACancelledTaskIsNotTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		callUp(t, y, func(r *store.Record) { r.CancelRequestedAt, r.DueAt = start, start })
		y.sweepFor(5 * time.Minute)
		require.Len(t, y.p.hungUp(), 1)
		require.NotEqual(t, provider.OutcomeTimedOut, y.row(t).Attempts[0].Outcome)
	})
}
