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

// callUp seeds a task whose call is up, and whose workflow runs.
func callUp(t *testing.T, y *yard, change func(r *store.Record)) provider.Call {
	t.Helper()
	y.temporal.onStart()
	c := y.ring("t1/1")
	seed(t, y.store, func(r *store.Record) {
		r.Owner, r.Status, r.DueAt = "temporal", store.StatusInProgress, start.Add(17*time.Minute)
		r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.CallID, a.DialledAt = c.ID, start })}
		if change != nil {
			change(r)
		}
	})
	return c
}

// TestCallBeyondItsLimitsIsEnded, although a workflow claims to follow it: it is stuck,
// or no worker is there.
func TestCallBeyondItsLimitsIsEnded(t *testing.T) {
	for name, status := range map[string]store.Status{"up": store.StatusInProgress, "on hold": store.StatusHold} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
				c := callUp(t, y, func(r *store.Record) { r.Status = status })
				y.sweepFor(17 * time.Minute)
				require.Empty(t, y.p.hungUp(), "it may last that long")
				y.sweepFor(11 * time.Minute)
				require.Equal(t, []provider.CallID{c.ID}, y.p.hungUp())
				require.Equal(t, store.AttemptEnded, y.row(t).Attempts[0].State)
				require.Equal(t, provider.OutcomeTimedOut, y.row(t).Attempts[0].Outcome)
				require.Contains(t, y.notices.kinds(), provider.NoticeOverdueCall)
				require.NotEmpty(t, y.temporal.signals, "the workflow is told")
			})
		})
	}
}

// TestLostEndIsFetched: the call ended by itself, and nobody heard of it.
func TestLostEndIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeVoicemail, Lasts: time.Minute})
		callUp(t, y, nil)
		y.sweepFor(25 * time.Minute)
		require.Empty(t, y.p.hungUp())
		require.Equal(t, provider.OutcomeVoicemail, y.row(t).Attempts[0].Outcome)
		require.NotContains(t, y.notices.kinds(), provider.NoticeOverdueCall)
	})
}

// TestCancelThatDoesNotArrive: the workflow is told again, and after two minutes the
// call is ended without it.
func TestCancelThatDoesNotArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		c := callUp(t, y, nil)
		y.temporal.cancelErr = errServerDown
		require.Error(t, y.Cancel(t.Context(), "t1"))
		y.temporal.cancelErr = nil
		y.sweepFor(time.Minute)
		require.Len(t, y.temporal.cancels, 2)
		require.Empty(t, y.p.hungUp(), "that is the workflow's")
		y.sweepFor(4 * time.Minute)
		require.Equal(t, []provider.CallID{c.ID}, y.p.hungUp())
		require.Equal(t, store.AttemptEnded, y.row(t).Attempts[0].State)
	})
}

// TestLostSignalIsRepeated, ever less often.
func TestLostSignalIsRepeated(t *testing.T) {
	for name, err := range map[string]error{"Temporal away": errServerDown, "limit of signals": errSignalLimit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: time.Second})
				callUp(t, y, nil)
				time.Sleep(2 * time.Second)
				y.temporal.signalErr = err
				require.NoError(t, y.Deliver(t.Context(), y.p.Event("t1/1")), "the row has it")
				y.temporal.signalErr = nil
				y.sweepFor(time.Minute)
				require.Len(t, y.temporal.signals, 2)
				e := y.temporal.signals[1].arg.(provider.Event)
				require.Equal(t, "t1/1", e.Key)
				require.Equal(t, provider.OutcomeBusy, e.Call.Outcome)
				y.sweepFor(30 * time.Hour)
				require.Less(t, len(y.temporal.signals), 160, "in a day")
			})
		})
	}
}

// TestDeliverToAWorkflowThatIsGoneMakesTheRowDue: the sweeper need not wait for the
// limits of the call.
func TestDeliverToAWorkflowThatIsGoneMakesTheRowDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: time.Second})
		callUp(t, y, nil)
		time.Sleep(2 * time.Second)
		y.temporal.signalErr, y.temporal.describeErr = errGone, errGone
		require.NoError(t, y.Deliver(t.Context(), y.p.Event("t1/1")))
		y.sweepFor(time.Minute)
		require.Len(t, y.temporal.started, 1)
	})
}

// TestSweeperSparesAnEngineThatIsAway: it does not ask about each of its tasks.
func TestSweeperSparesAnEngineThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		for i := range 100 {
			seed(t, y.store, func(r *store.Record) { r.ID, r.DueAt = voicetaskID(i), start.Add(-time.Hour) })
		}
		w := &countingRunning{Workflow: y.Client}
		s := newSweeperOn(t, y, w)
		runFor(t, s, time.Minute)
		require.Positive(t, w.asked)
		require.LessOrEqual(t, w.asked, 3*(4+1))
	})
}

type countingRunning struct {
	voicetask.Workflow
	asked int
}

func (c *countingRunning) Running(context.Context, string) (bool, error) {
	c.asked++
	return false, errors.New("unavailable")
}

func newSweeperOn(t *testing.T, y *yard, w voicetask.Workflow) *voicetask.Sweeper {
	t.Helper()
	s, err := voicetask.NewSweeper(voicetask.Config{Providers: registry(t, y.p), Store: y.store, Now: y.now}, w)
	require.NoError(t, err)
	return s
}

// TestSweeperWithAHostsOwnWorkflow submits again what nobody follows.
func TestSweeperWithAHostsOwnWorkflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		seed(t, y.store, func(r *store.Record) { r.DueAt = start.Add(-time.Hour) })
		runFor(t, newSweeperOn(t, y, struct{ voicetask.Workflow }{y.Client}), time.Second)
		require.Len(t, y.temporal.started, 1)
	})
}

// TestSweeperOnADirect takes up what no Direct has, and leaves Temporal's tasks alone.
func TestSweeperOnADirect(t *testing.T) {
	for name, c := range map[string]struct {
		owner string
		taken bool
	}{"nobody's": {"", true}, "a dead Direct's": {"direct:dead", true}, "Temporal's": {"temporal", false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := fakeHook()
				o := stillOffice(t, voicetask.Config{}, p)
				seed(t, o.store, func(r *store.Record) {
					r.Owner, r.DueAt = c.owner, start.Add(-time.Hour)
					if c.owner == "direct:dead" {
						r.LeaseUntil = start.Add(-time.Hour)
					}
				})
				s, err := voicetask.NewSweeper(voicetask.Config{Providers: registry(t, p), Store: o.store, Now: o.now, Observe: o.notices.observe}, o.Direct)
				require.NoError(t, err)
				runFor(t, s, time.Second)
				row := rowOf(t, o.store, "t1")
				require.Equal(t, c.taken, row.Owner != c.owner)
				if !c.taken {
					require.Empty(t, o.notices.kinds())
					require.EqualValues(t, 1, row.Version)
					return
				}
				require.Equal(t, []string{provider.NoticeUnfollowed}, o.notices.kinds())
				require.Zero(t, p.Dials(), "that is Run's")
				o.run()
				defer o.close()
				require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
			})
		})
	}
}

// TestSweepersShareTheWork: of three on one store one starts a task, and one repeats a
// signal.
func TestSweepersShareTheWork(t *testing.T) {
	for name, c := range map[string]struct {
		prepare          func(t *testing.T, y *yard)
		started, signals int
	}{
		"a task that nobody follows": {func(t *testing.T, y *yard) {
			seed(t, y.store, func(r *store.Record) { r.DueAt = start.Add(-time.Hour) })
			y.temporal.onStart = nil // it is not to be seen that it runs
		}, 1, 0},
		"a lost signal": {func(t *testing.T, y *yard) {
			callUp(t, y, func(r *store.Record) {
				a := &r.Attempts[0]
				a.State, a.Outcome, a.EndedAt, r.DueAt = store.AttemptEnded, provider.OutcomeBusy, start, start
			})
			time.Sleep(time.Minute)
		}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{})
				c.prepare(t, y)
				ctx, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				for range 3 {
					s := newSweeperOn(t, y, y.Client)
					go func() { _ = s.Run(ctx) }()
				}
				<-ctx.Done()
				synctest.Wait()
				require.Len(t, y.temporal.started, c.started)
				require.Len(t, y.temporal.signals, c.signals)
			})
		})
	}
}

// TestTheRowCancels: a workflow that is started again for a task that was cancelled
// learns of it from the row.
func TestTheRowCancels(t *testing.T) {
	for name, ended := range map[string]bool{"in the call": false, "and its call was hung up": true} {
		t.Run(name, func(t *testing.T) {
			p := fakeHook(providertest.Step{Lasts: time.Hour})
			w := newWorldOn(t, voicetask.Config{}, p.Fake, p)
			c, err := p.Fake.Place(t.Context(), provider.Request{Key: "t1/1"})
			require.NoError(t, err)
			seed(t, w.Store, func(r *store.Record) {
				r.Owner, r.Status, r.CancelRequestedAt = "temporal", store.StatusInProgress, start
				r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) {
					a.CallID, a.DialledAt = c.ID, start
					if ended {
						a.State, a.Outcome, a.EndedAt = store.AttemptEnded, provider.OutcomeCompleted, start.Add(time.Second)
					}
				})}
			})
			res := w.runAlone(t, task())
			require.Equal(t, store.StatusCancelled, res.Status)
			require.Equal(t, "cancel", rule(res.Reason))
			require.Equal(t, 1, p.Dials())
			if !ended {
				require.Equal(t, []provider.CallID{c.ID}, p.hungUp())
			}
		})
	}
}

// TestAWrongClockCutsNoCallShort: the sweeper's is an hour ahead, or that of the worker
// which dialled an hour behind.
func TestAWrongClockCutsNoCallShort(t *testing.T) {
	for name, c := range map[string]struct {
		ahead, behind time.Duration
	}{"the sweeper's": {ahead: time.Hour}, "the worker's": {behind: time.Hour}, "both": {time.Hour, time.Hour}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: 2 * time.Hour})
				callUp(t, y, func(r *store.Record) {
					a := &r.Attempts[0]
					a.SentAt, a.DialledAt, r.DueAt = start.Add(-c.behind), start.Add(-c.behind), r.DueAt.Add(-c.behind)
				})
				s, err := voicetask.NewSweeper(voicetask.Config{Providers: registry(t, y.p), Store: y.store, Observe: y.notices.observe,
					Now: func() time.Time { return y.now().Add(c.ahead) }}, y.Client)
				require.NoError(t, err)
				runFor(t, s, 17*time.Minute)
				require.Empty(t, y.p.hungUp())
				require.LessOrEqual(t, y.row(t).Version, int64(3), "what its clock is worth is known after one write")
				runFor(t, s, 25*time.Minute)
				require.Len(t, y.p.hungUp(), 1, "beyond its limits by the store's clock")
			})
		})
	}
}
