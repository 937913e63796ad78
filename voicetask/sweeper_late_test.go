package voicetask_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestUnknownDialsOfAnAccountShareOneListing.
func TestUnknownDialsOfAnAccountShareOneListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{hooked: fakeHook(providertest.Step{Outcome: provider.OutcomeBusy, Lasts: time.Second})}
		finds := 0
		y := newYard(t, voicetask.Config{Providers: registry(t, &countingLister{lister: l, finds: &finds})})
		l.UseClock(y.now)
		const n = 50
		for i := range n {
			id := voicetaskID(i)
			if i > 0 { // of the first nothing is on the list, ever
				c, err := l.Fake.Place(t.Context(), provider.Request{Key: id + "/1"})
				require.NoError(t, err)
				l.calls = append(l.calls, c.ID)
			}
			seed(t, y.store, func(r *store.Record) {
				r.ID, r.Status, r.Outcome, r.DueAt = id, store.StatusFailed, provider.OutcomeUnknown, start.Add(time.Minute)
				r.Attempts = []store.Attempt{attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Key, a.Outcome = id+"/1", provider.OutcomeUnknown })}
			})
		}
		y.sweepFor(80 * time.Second)
		require.Equal(t, 1, l.listings())
		require.Zero(t, finds)
		require.Equal(t, provider.OutcomeUnknown, rowOf(t, y.store, voicetaskID(0)).Outcome)
		for i := 1; i < n; i++ {
			require.Equal(t, provider.OutcomeBusy, rowOf(t, y.store, voicetaskID(i)).Outcome)
		}
	})
}

// TestCallFoundLateIsBounded: one that turns up after its task ended unknown is left
// to talk, and ended beyond its limits.
func TestCallFoundLateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: 3 * time.Hour})
		c := y.ring("t1/1")
		unknownTask(t, y)
		y.sweepFor(10 * time.Minute)
		require.Equal(t, store.AttemptPlaced, y.row(t).Attempts[0].State)
		require.Empty(t, y.p.hungUp())
		y.sweepFor(time.Hour)
		require.Equal(t, []provider.CallID{c.ID}, y.p.hungUp())
		row := y.row(t)
		require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
		require.NotEqual(t, provider.OutcomeUnknown, row.Outcome)
	})
}

// TestAStuckDialDoesNotMakeListingsLong.
func TestAStuckDialDoesNotMakeListingsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{hooked: fakeHook(providertest.Step{Lasts: time.Hour})}
		y := newYard(t, voicetask.Config{Providers: registry(t, l), Swept: true})
		y.p = l.hooked
		l.UseClock(y.now)
		liveCalls(y, l, 2)
		seed(t, y.store, func(r *store.Record) {
			r.ID, r.Status, r.DueAt = "stuck", store.StatusProcessing, start.Add(time.Hour)
			r.Attempts = []store.Attempt{attempt(store.AttemptSending, func(a *store.Attempt) { a.Key, a.SentAt = "stuck/1", start.AddDate(0, 0, -30) })}
		})
		y.sweepFor(time.Minute)
		require.Positive(t, l.listings())
		require.Equal(t, start.Add(-5*time.Minute), l.since)
	})
}

// TestSecondCallWithoutTheFirst: the first has ended, or the whole task; nobody
// answered the second.
func TestSecondCallWithoutTheFirst(t *testing.T) {
	for name, c := range map[string]struct {
		second providertest.Step
		change func(r *store.Record)
		ends   bool
	}{
		"the dial has ended":           {providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour}, func(r *store.Record) {}, true},
		"the dial has ended, answered": {providertest.Step{Lasts: time.Hour}, func(r *store.Record) {}, false},
		"the task has ended": {providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour}, func(r *store.Record) {
			r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeCompleted
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: time.Second}, c.second)
				first, second := y.ring("t1/1"), y.ring("other/1")
				callRow := func(r *store.Record) {
					r.Owner, r.Status, r.DueAt = "temporal", store.StatusInProgress, start.Add(time.Hour)
					r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
						a.CallID, a.DialledAt, a.EndedAt, a.Outcome = first.ID, start, start.Add(time.Second), provider.OutcomeBusy
					})}
					c.change(r)
				}
				y.temporal.onStart()
				seed(t, y.store, callRow)
				time.Sleep(20 * time.Minute)
				require.NoError(t, y.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: second.ID, Status: provider.StatusRinging}}))
				y.sweepFor(16 * time.Second)
				var want []provider.CallID
				if c.ends {
					want = []provider.CallID{second.ID}
				}
				require.Equal(t, want, y.p.hungUp())
			})
		})
	}
}

// TestACallFoundBeforeItsTaskEndsUnknown: an event was between the dial that was given up
// and the result that says so. Its end is asked for, since no event tells of it.
func TestACallFoundBeforeItsTaskEndsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: 5 * time.Minute})
		c := y.ring("t1/1")
		seed(t, y.store, func(r *store.Record) {
			r.Owner, r.Status = "temporal", store.StatusProcessing
			r.Attempts = []store.Attempt{attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Outcome, a.Reason = provider.OutcomeUnknown, "the reply was lost" })}
		})
		require.NoError(t, y.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: c.ID, Status: provider.StatusRinging}}))
		acts, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, y.p), Store: y.store, Now: y.now})
		require.NoError(t, err)
		require.NoError(t, acts.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: voicetask.Result{
			TaskID: "t1", Status: store.StatusFailed, Outcome: provider.OutcomeUnknown, Reason: "unknown: the reply was lost", Dials: 1,
			Data: voicetask.CallResult{Provider: "vapi", CallEndReason: "the reply was lost"},
		}}))
		row := y.row(t)
		require.Equal(t, provider.OutcomeUnknown, row.Outcome)
		require.Equal(t, store.AttemptPlaced, row.Attempts[0].State, "it is up")
		y.sweepFor(time.Hour)
		row = y.row(t)
		require.Equal(t, provider.OutcomeBusy, row.Attempts[0].Outcome)
		require.Equal(t, provider.OutcomeBusy, row.Outcome)
		require.Empty(t, y.p.hungUp())
	})
}
