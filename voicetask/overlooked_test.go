package voicetask_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func TestPutOffLeavesALiveDialAlone(t *testing.T) {
	fake, s := providertest.NewFake("vapi"), store.NewMemory()
	seed(t, s, func(r *store.Record) { r.Owner, r.Attempts = "temporal", reservedBy("another") })
	passes := voicetask.GateFunc(func(ctx context.Context, _ voicetask.Dial) (voicetask.Verdict, error) {
		_, err := store.Modify(ctx, s, "t1", func(r *store.Record) error {
			r.Attempts[0].State, r.Attempts[0].Sends, r.Attempts[0].SentAt, r.Attempts[0].CallID = store.AttemptPlaced, 1, time.Now(), "call-x"
			r.Status = store.StatusInProgress
			return nil
		})
		return voicetask.Verdict{Until: time.Now().Add(16 * time.Hour), Rule: "cap"}, err
	})
	d, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, fake), Store: s, Gates: []voicetask.Gate{passes}})
	row := rowOf(t, s, "t1")
	t.Logf("err=%v dialAt=%v status=%s state=%s due=%v", err, d.DialAt, row.Status, row.Attempts[0].State, row.DueAt)
	require.Error(t, err)
}

func TestSlowSwitchDoesNotMakeADialLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, s := providertest.NewFake("vapi"), store.NewMemory()
		seed(t, s, func(r *store.Record) {})
		asked := 0
		d, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, fake), Store: s, Enabled: func() bool {
			if asked++; asked == 3 {
				time.Sleep(10 * time.Minute)
			}
			return true
		}})
		t.Logf("asked=%d dials=%d d=%+v err=%v sent=%v now=%v", asked, fake.Dials(), d.Call, err, rowOf(t, s, "t1").Attempts[0].SentAt, time.Now())
		require.Zero(t, fake.Dials())
	})
}

func TestOutcomeOfAnEarlierDialStaysThere(t *testing.T) {
	s := store.NewMemory()
	seed(t, s, func(r *store.Record) {
		r.Owner = "temporal"
		r.Attempts = []store.Attempt{
			{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptEnded, Sends: 1, CallID: "call-1", Outcome: provider.OutcomeNoAnswer, SentAt: start.Add(-3 * time.Hour)},
			{N: 2, Key: "t1/2", Provider: "vapi", State: store.AttemptPlaced, Sends: 1, CallID: "call-2", SentAt: start.Add(-2 * time.Hour)},
		}
	})
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s, Now: func() time.Time { return start }})
	require.NoError(t, err)
	res := voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Outcome: provider.OutcomeCancelled, Reason: "suppression: no", Dials: 1, Data: voicetask.CallResult{CallID: "call-1"}}
	require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: res, LastDial: provider.OutcomeNoAnswer}))
	row := rowOf(t, s, "t1")
	t.Logf("outcome=%s reason=%s a2=%s/%s due=%v", row.Outcome, row.Reason, row.Attempts[1].State, row.Attempts[1].Outcome, row.DueAt)
	require.Equal(t, provider.OutcomeUnknown, row.Outcome)
}

// TestPlacedRecordedUnknownIsDue for the sweeper.
func TestPlacedRecordedUnknownIsDue(t *testing.T) {
	s := store.NewMemory()
	seed(t, s, func(r *store.Record) {
		r.Owner = "temporal"
		r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptPlaced, Sends: 1, CallID: "call-1", SentAt: start.Add(-2 * time.Hour)}}
	})
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s, Now: func() time.Time { return start }})
	require.NoError(t, err)
	res := voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Outcome: provider.OutcomeCancelled, Reason: "suppression: no"}
	require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: res}))
	row := rowOf(t, s, "t1")
	t.Logf("outcome=%s a=%s/%s due=%v", row.Outcome, row.Attempts[0].State, row.Attempts[0].Outcome, row.DueAt)
	require.False(t, row.DueAt.IsZero())
}

// TestDialWithoutASendTimeIsWaitedFor by the time it was reserved.
func TestDialWithoutASendTimeIsWaitedFor(t *testing.T) {
	s := store.NewMemory()
	seed(t, s, func(r *store.Record) {
		r.Owner = "temporal"
		r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptPlaced, CallID: "call-1", ReservedAt: start, DialledAt: start}}
	})
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s, Now: func() time.Time { return start }})
	require.NoError(t, err)
	res := voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Outcome: provider.OutcomeCancelled, Reason: "suppression: no"}
	require.Error(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: res}))
}

func TestLostRowIsLookedAtLater(t *testing.T) {
	s := store.NewMemory()
	seed(t, s, func(r *store.Record) { r.Owner = "temporal" })
	cfg := voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s}
	d, err := onServer(t, cfg, map[string]any{"key": "t1/1", "token": "x", "send": 1}, 1)
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeUnknown, d.Call.Outcome)
	a, err := voicetask.NewActivities(cfg)
	require.NoError(t, err)
	require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: voicetask.Result{TaskID: "t1", Status: store.StatusFailed, Outcome: provider.OutcomeUnknown, Dials: 1}}))
	row := rowOf(t, s, "t1")
	t.Logf("%s %s provider=%q sent=%v due=%v", row.Outcome, row.Attempts[0].State, row.Attempts[0].Provider, row.Attempts[0].SentAt, row.DueAt)
	require.False(t, row.DueAt.IsZero())
}

func TestListingBeginsWithTheOldestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &lister{hooked: fakeHook(providertest.Step{Lasts: 10 * time.Minute})}
		y := newYard(t, voicetask.Config{Providers: registry(t, provider.Provider(p))})
		seed(t, y.store, func(r *store.Record) {
			r.Status, r.Owner, r.DueAt = store.StatusInProgress, "temporal", start.Add(time.Hour)
			r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptPlaced, CallID: "c9", ReservedAt: start, DialledAt: start}}
		})
		y.sweepFor(time.Minute)
		t.Logf("lists=%d since=%v", p.listings(), p.since)
		require.True(t, p.since.After(start.Add(-time.Hour)))
	})
}

func TestLateCallOfATaskCancelledWhileUnknownIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		c := y.ring("t1/1")
		seed(t, y.store, func(r *store.Record) {
			r.Status, r.Outcome, r.DueAt, r.CancelRequestedAt = store.StatusFailed, provider.OutcomeUnknown, start, start
			r.Attempts = []store.Attempt{attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Outcome = provider.OutcomeUnknown })}
		})
		y.sweepFor(30 * time.Minute)
		t.Logf("state=%s", y.row(t).Attempts[0].State)
		require.Equal(t, []provider.CallID{c.ID}, y.p.hungUp())
	})
}

func TestHeldTaskWithACallIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		c := y.ring("t1/1")
		seed(t, y.store, func(r *store.Record) {
			r.Status, r.Owner, r.DueAt = store.StatusHold, "temporal", start
			r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.CallID = c.ID })}
		})
		y.sweepFor(5 * time.Hour)
		row := y.row(t)
		t.Logf("status=%s state=%s hung=%v notices=%v", row.Status, row.Attempts[0].State, y.p.hungUp(), y.notices.kinds())
		require.NotEmpty(t, y.notices.kinds())
	})
}

type hanging struct{ *hooked }

func (h hanging) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	<-ctx.Done()
	return provider.Call{}, ctx.Err()
}

func TestHangingPlatformDoesNotHoldUpOpenTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{Providers: registry(t, provider.Provider(hanging{fakeHook()}))})
		for i := range 400 {
			id := fmt.Sprintf("u%03d", i)
			rec, err := y.store.Create(t.Context(), store.Record{ID: id, Status: store.StatusPending, AgentID: "a", DueAt: start, Task: []byte(`{}`)})
			require.NoError(t, err)
			rec.Status, rec.Outcome, rec.DueAt = store.StatusFailed, provider.OutcomeUnknown, start.Add(time.Second)
			a := attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Key, a.Outcome = id+"/1", provider.OutcomeUnknown })
			rec.Attempts = []store.Attempt{a}
			_, err = y.store.Update(t.Context(), rec)
			require.NoError(t, err)
		}
		seed(t, y.store, func(r *store.Record) {
			r.Status, r.Owner, r.DueAt = store.StatusScheduled, "temporal", start.Add(time.Minute)
		})
		y.sweepFor(3 * time.Hour)
		t.Logf("notices after 3 h: %v", y.notices.kinds())
		require.NotEmpty(t, y.notices.kinds())
	})
}

// TestNoRedialOverASecondCall: the call that was followed has ended, another of the same
// dial is up.
func TestNoRedialOverASecondCall(t *testing.T) {
	fake, s := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour}), store.NewMemory()
	up, err := fake.Place(t.Context(), provider.Request{Key: "t1/1"})
	require.NoError(t, err)
	seed(t, s, func(r *store.Record) {
		r.Owner = "temporal"
		r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
			a.CallID, a.Outcome, a.OtherCallIDs = "c0", provider.OutcomeNoAnswer, []provider.CallID{up.ID}
		})}
	})
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, fake), Store: s})
	require.NoError(t, err)
	d, err := a.ExecuteCall(t.Context(), voicetask.CallInput{Task: task(), N: 2, Key: "t1/2"})
	c, _ := fake.Get(t.Context(), up.ID)
	t.Logf("err=%v call=%v dials=%d other=%s", err, d.Call.ID, fake.Dials(), c.Status)
	require.Equal(t, 1, fake.Dials())
}

// TestSecondCallOfADialThatHasEnded is ended too.
func TestSecondCallOfADialThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: time.Hour})
		y.temporal.onStart()
		second := y.ring("other/1")
		seed(t, y.store, func(r *store.Record) {
			r.Status, r.DueAt = store.StatusInProgress, start.Add(time.Hour)
			r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
				a.CallID, a.Outcome, a.OtherCallIDs = "c0", provider.OutcomeBusy, []provider.CallID{second.ID}
			})}
		})
		y.sweepFor(10 * time.Minute)
		require.Equal(t, []provider.CallID{second.ID}, y.p.hungUp())
	})
}

// TestDirectsSweeperLeavesTemporalsRows alone.
func TestDirectsSweeperLeavesTemporalsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		now := clockFromStart()
		s.UseClock(now)
		seen := &notices{}
		cfg := voicetask.Config{Providers: registry(t, provider.Provider(fakeHook())), Store: s, Now: now, Observe: seen.observe, AllowVolatile: true}
		d, err := voicetask.NewDirect(cfg)
		require.NoError(t, err)
		sw, err := voicetask.NewSweeper(cfg, d)
		require.NoError(t, err)
		seed(t, s, func(r *store.Record) { r.Status, r.Owner, r.DueAt = store.StatusScheduled, "temporal", start })
		runFor(t, sw, 10*time.Minute)
		t.Logf("%d %v", len(seen.kinds()), seen.kinds())
		require.Less(t, len(seen.kinds()), 3)
	})
}

// TestCancelledTaskStartedAgainHangsUp, whichever dial is up.
func TestCancelledTaskStartedAgainHangsUp(t *testing.T) {
	for name, second := range map[string]bool{"dial 1 up": false, "dial 2 up": true} {
		t.Run(name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetStartTime(start)
			p := fakeHook(providertest.Step{Lasts: 3 * time.Hour})
			p.UseClock(env.Now)
			s := store.NewMemory()
			s.UseClock(env.Now)
			key := "t1/1"
			if second {
				key = "t1/2"
			}
			c, err := p.Fake.Place(t.Context(), provider.Request{Key: key})
			require.NoError(t, err)
			seed(t, s, func(r *store.Record) {
				r.Owner, r.Status, r.CancelRequestedAt = "temporal", store.StatusInProgress, start
				up := attempt(store.AttemptPlaced, func(a *store.Attempt) { a.Key, a.CallID, a.SentAt, a.DialledAt = key, c.ID, start, start })
				r.Attempts = []store.Attempt{up}
				if second {
					up.N = 2
					r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
						a.CallID, a.Outcome, a.EndedAt, a.SentAt = "c0", provider.OutcomeProviderFault, start.Add(-time.Minute), start.Add(-2*time.Minute)
					}), up}
				}
			})
			require.NoError(t, voicetask.RegisterWorker(env, voicetask.Config{Providers: registry(t, provider.Provider(p)), Store: s, Now: env.Now}))
			env.SetTestTimeout(time.Minute) // a busy machine stands still for longer than the SDK allows
			env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
			env.RegisterDelayedCallback(env.CancelWorkflow, 0)
			env.ExecuteWorkflow(voicetask.WorkflowName, task())
			var res voicetask.Result
			t.Logf("err=%v res=%v took=%v", env.GetWorkflowError(), env.GetWorkflowResult(&res), env.Now().Sub(start))
			row := rowOf(t, s, "t1")
			t.Logf("outcome=%s row=%s %s last=%s hungUp=%v", res.Outcome, row.Status, row.Outcome, row.Attempts[len(row.Attempts)-1].State, p.hungUp())
			require.NotEmpty(t, p.hungUp())
		})
	}
}
