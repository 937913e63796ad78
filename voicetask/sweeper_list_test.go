package voicetask_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func voicetaskID(i int) string { return fmt.Sprintf("t%05d", i) }

// liveCalls seeds n tasks with a call each, whose workflows run.
func liveCalls(y *yard, l *lister, n int) {
	y.t.Helper()
	y.temporal.onStart()
	for i := range n {
		id := voicetaskID(i)
		c := y.ring(id + "/1")
		l.calls = append(l.calls, c.ID)
		seed(y.t, y.store, func(r *store.Record) {
			r.ID, r.Status, r.DueAt = id, store.StatusInProgress, start.Add(time.Hour)
			a := attempt(store.AttemptPlaced, func(a *store.Attempt) { a.Key, a.CallID, a.DialledAt = id+"/1", c.ID, start })
			if i%2 == 1 { // its id could not be stored
				a.State, a.CallID = store.AttemptSending, ""
			}
			r.Attempts = []store.Attempt{a}
		})
	}
}

// TestOneListingFollowsAllCalls: no Get for each call, whatever their number.
func TestOneListingFollowsAllCalls(t *testing.T) {
	for _, n := range []int{3, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lister{hooked: fakeHook(providertest.Step{Outcome: provider.OutcomeCompleted, Lasts: 50 * time.Second})}
				y := newYard(t, voicetask.Config{Providers: registry(t, l), Swept: true})
				y.p = l.hooked
				l.UseClock(y.now)
				liveCalls(y, l, n)
				l.hidden = l.calls[0]
				y.sweepFor(119 * time.Second)
				ended := 0
				for i := range n {
					a := rowOf(t, y.store, voicetaskID(i)).Attempts[0]
					if a.State == store.AttemptEnded {
						ended++
						require.Equal(t, provider.OutcomeCompleted, a.Outcome)
						require.False(t, a.AnsweredAt.IsZero())
					}
				}
				require.Equal(t, n-1, ended, "all but the one that is not listed: absence is no end")
				require.Zero(t, l.polls(), "questions about single calls")
				require.Equal(t, 6, l.listings(), "one each 20 s")
				require.Equal(t, start.Add(-5*time.Minute), l.since)
				// Of each: that it rings or was answered, its answer, its end.
				require.GreaterOrEqual(t, len(y.temporal.signals), n-1)
				require.LessOrEqual(t, len(y.temporal.signals), 3*n)
			})
		})
	}
}

// TestNothingLiveIsNotListed: an account without calls costs no request.
func TestNothingLiveIsNotListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{hooked: fakeHook()}
		y := newYard(t, voicetask.Config{Providers: registry(t, l)})
		y.sweepFor(time.Minute)
		require.Zero(t, l.listings())
	})
}

// TestOneProcessSweepsAnAccount, and another goes on when it stops.
func TestOneProcessSweepsAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{hooked: fakeHook(providertest.Step{Lasts: time.Hour})}
		cfg := voicetask.Config{Providers: registry(t, l), Swept: true}
		y := newYard(t, cfg)
		y.p = l.hooked
		l.UseClock(y.now)
		liveCalls(y, l, 2)
		cfg.Store, cfg.Now = y.store, y.now
		other, err := voicetask.NewSweeper(cfg, y.Client)
		require.NoError(t, err)
		go y.sweepFor(90 * time.Second)
		synctest.Wait()
		runFor(t, other, 80*time.Second)
		require.Equal(t, 5, l.listings(), "of two processes one listed")
		time.Sleep(30 * time.Second)
		runFor(t, other, time.Minute)
		require.Greater(t, l.listings(), 6, "the other went on")
	})
}

// TestSweptWorkflowDoesNotPoll: events and the sweeper tell, the deadline holds.
func TestSweptWorkflowDoesNotPoll(t *testing.T) {
	l := &lister{hooked: fakeHook(providertest.Step{Lasts: 5 * time.Minute})}
	w := newWorldOn(t, voicetask.Config{Swept: true}, l.Fake, l)
	w.after(6*time.Minute, func() { // what the sweeper would do
		w.deliver("t1/1")
	})
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Zero(t, l.polls())

	l = &lister{hooked: fakeHook(providertest.Step{Lasts: 5 * time.Minute})}
	w = newWorldOn(t, voicetask.Config{Swept: true}, l.Fake, l)
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome, "nobody told: found at the deadline")
}

// TestSweptDirect: the sweeper tells a Direct of the end.
func TestSweptDirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{hooked: fakeHook(providertest.Step{Lasts: 3 * time.Minute})}
		now := clockFromStart()
		l.UseClock(now)
		rows := newFaultyStore()
		rows.UseClock(now)
		cfg := voicetask.Config{Providers: registry(t, l), Store: rows, Now: now, AllowVolatile: true, Swept: true}
		d, err := voicetask.NewDirect(cfg)
		require.NoError(t, err)
		s, err := voicetask.NewSweeper(cfg, d)
		require.NoError(t, err)
		require.NoError(t, d.Submit(t.Context(), task()))
		done := make(chan error, 1)
		go func() {
			time.Sleep(time.Minute)
			l.mu.Lock()
			l.calls = []provider.CallID{"call-1"}
			l.mu.Unlock()
		}()
		ctx := t.Context()
		go func() { done <- d.Run(ctx) }()
		runFor(t, s, 4*time.Minute)
		row := rowOf(t, rows, "t1")
		require.Equal(t, provider.OutcomeCompleted, row.Outcome)
		require.Less(t, row.UpdatedAt.Sub(start), 4*time.Minute)
		require.LessOrEqual(t, l.polls(), 1, "what only the platform knows, at the end")
	})
}

// TestSecondCallIsEnded: the one nobody answered; with both unanswered the later one.
func TestSecondCallIsEnded(t *testing.T) {
	for name, c := range map[string]struct {
		first, second providertest.Step
		after         time.Duration
		ends          int // 1 the first, 2 the second, 0 none
	}{
		"both ring":           {providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour}, providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour}, 0, 2},
		"the first answered":  {providertest.Step{Lasts: time.Hour}, providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour}, 20 * time.Minute, 2},
		"the second answered": {providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour}, providertest.Step{Lasts: time.Hour}, 20 * time.Minute, 1},
		"both answered":       {providertest.Step{Lasts: time.Hour}, providertest.Step{Lasts: time.Hour}, 20 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{}, c.first, c.second)
				y.temporal.onStart()
				first := y.ring("t1/1")
				time.Sleep(time.Second)
				second := y.ring("other/1")
				seed(t, y.store, func(r *store.Record) {
					r.Status, r.DueAt = store.StatusInProgress, start.Add(time.Hour)
					r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) {
						a.CallID, a.DialledAt, a.OtherCallIDs = first.ID, start, []provider.CallID{second.ID}
					})}
				})
				time.Sleep(c.after)
				y.sweepFor(time.Second)
				require.Equal(t, [][]provider.CallID{nil, {first.ID}, {second.ID}}[c.ends], y.p.hungUp())
			})
		})
	}
}
