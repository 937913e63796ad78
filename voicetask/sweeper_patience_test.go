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

// TestAWrongClockDoesNotDelayADirect: its tasks look abandoned by the sweeper's clock,
// and are not by anybody else's.
func TestAWrongClockDoesNotDelayADirect(t *testing.T) {
	for name, calls := range map[string]bool{"a call is up": true, "no call": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
				c := y.ring("t1/1")
				due := start.Add(10 * time.Minute)
				seed(t, y.store, func(r *store.Record) {
					r.Owner, r.LeaseUntil, r.Status, r.DueAt = "direct:alive", due.Add(30*time.Second), store.StatusScheduled, due
					if calls {
						r.Status = store.StatusInProgress
						r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.CallID, a.DialledAt = c.ID, start })}
					}
				})
				wrong := func() time.Time { return y.now().Add(time.Hour) }
				client, err := voicetask.NewClient(y.temporal, voicetask.ClientConfig{Store: y.store, Now: wrong})
				require.NoError(t, err)
				cfg := voicetask.Config{Providers: registry(t, provider.Provider(y.p)), Store: y.store, Observe: y.notices.observe, Now: wrong}
				s, err := voicetask.NewSweeper(cfg, client)
				require.NoError(t, err)
				runFor(t, s, 9*time.Minute)
				require.Equal(t, due, y.row(t).DueAt)
				require.LessOrEqual(t, y.row(t).Version, int64(3))
				require.Empty(t, y.temporal.started)
				runFor(t, s, 10*time.Minute)
				require.Len(t, y.temporal.started, 1, "now it is abandoned")
			})
		})
	}
}

// TestAWrongClockRepeatsNoSignals: how long a row has been silent is the store's to say.
func TestAWrongClockRepeatsNoSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		callUp(t, y, func(r *store.Record) {
			a := &r.Attempts[0]
			a.State, a.Outcome, a.EndedAt = store.AttemptEnded, provider.OutcomeBusy, start
		})
		s, err := voicetask.NewSweeper(voicetask.Config{Providers: registry(t, provider.Provider(y.p)), Store: y.store,
			Now: func() time.Time { return y.now().Add(4 * time.Hour) }}, y.Client)
		require.NoError(t, err)
		runFor(t, s, 10*time.Hour)
		require.NotEmpty(t, y.temporal.signals)
		require.Less(t, len(y.temporal.signals), 75)
		require.Greater(t, len(y.temporal.signals), 50, "every ten minutes at the least")
	})
}

// TestTheSweeperGivesDirectsTheFirstTurn: a Direct whose lease holds keeps its task, and
// for five minutes after that other Directs come first.
func TestTheSweeperGivesDirectsTheFirstTurn(t *testing.T) {
	for name, c := range map[string]struct {
		lease time.Duration
		calls bool
		taken time.Duration // not before, and soon after
	}{
		"a call is up":       {30 * time.Second, true, 5 * time.Minute},
		"no call":            {30 * time.Second, false, 5 * time.Minute},
		"a lease that holds": {20 * time.Minute, false, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: 2 * time.Hour})
				id := y.ring("t1/1").ID
				seed(t, y.store, func(r *store.Record) {
					r.Owner, r.LeaseUntil, r.DueAt = "direct:x", start.Add(c.lease), start
					if c.calls {
						r.Status = store.StatusInProgress
						r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.CallID, a.DialledAt = id, start })}
					}
				})
				y.sweepFor(c.taken - 10*time.Second)
				require.Empty(t, y.temporal.started)
				require.EqualValues(t, 1, y.row(t).Version)
				y.sweepFor(time.Minute)
				require.Len(t, y.temporal.started, 1)
			})
		})
	}
}

// TestTheEngineIsAskedAboutSilentCallsOnly, and not about each call that is up.
func TestTheEngineIsAskedAboutSilentCallsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		callUp(t, y, nil)
		w := &countingRunning{Workflow: y.Client}
		runFor(t, newSweeperOn(t, y, w), time.Second)
		require.Zero(t, w.asked, "its row has just been written")
		time.Sleep(time.Minute)
		runFor(t, newSweeperOn(t, y, w), time.Second)
		require.Equal(t, 1, w.asked)
	})
}

// TestWhatTheEngineKnowsIsNotToldAgain: a task that waits for its redial, and a Direct's,
// which reads its rows.
func TestWhatTheEngineKnowsIsNotToldAgain(t *testing.T) {
	for name, change := range map[string]func(r *store.Record){
		"waits for its redial": func(r *store.Record) { r.Status = store.StatusScheduled },
		"a Direct's":           func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:x", start.Add(24*time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{})
				callUp(t, y, func(r *store.Record) {
					a := &r.Attempts[0]
					a.State, a.Outcome, a.EndedAt, r.DueAt = store.AttemptEnded, provider.OutcomeBusy, start, start.Add(12*time.Hour)
					change(r)
				})
				y.sweepFor(6 * time.Hour)
				require.Empty(t, y.temporal.signals)
				require.EqualValues(t, 1, y.row(t).Version)
			})
		})
	}
}

// TestAWorkflowThatStoodAsideToldNoResult: its word is not the task's.
func TestAWorkflowThatStoodAsideToldNoResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		y.temporal.resultErr = nil
		y.temporal.result = voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Outcome: provider.OutcomeCancelled, Reason: voicetask.RuleOtherEngine + ": carried out by direct"}
		seed(t, y.store, func(r *store.Record) {
			r.Owner, r.LeaseUntil, r.DueAt = "direct:x", start.Add(-time.Hour), start.Add(-time.Hour)
		})
		y.sweepFor(time.Second)
		require.Equal(t, store.StatusPending, y.row(t).Status)
		require.Len(t, y.temporal.started, 1)
	})
}

// TestCallsOfAListerArePolledUnlessSwept.
func TestCallsOfAListerArePolledUnlessSwept(t *testing.T) {
	for swept, want := range map[bool]time.Duration{false: voicetask.DefaultEventGrace, true: -1} {
		s := store.NewMemory()
		seed(t, s, func(*store.Record) {})
		p := &lister{hooked: fakeHook()}
		d, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, p), Store: s, Swept: swept})
		require.NoError(t, err)
		require.Equal(t, want, d.AwaitAfter)
	}
}
