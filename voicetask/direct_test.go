package voicetask_test

import (
	"context"
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

func fakeHook(steps ...providertest.Step) *hooked {
	return &hooked{Fake: providertest.NewFake("vapi", steps...)}
}

// wait is the result of the task, for which the bubble's clock runs.
func (o *office) wait() voicetask.Result {
	o.t.Helper()
	res, err := o.Wait(o.t.Context(), "t1")
	require.NoError(o.t, err)
	synctest.Wait() // for what is still in hand
	return res
}

func TestDirectCarriesATaskOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		row := rowOf(t, o.store, "t1")
		require.Contains(t, row.Owner, "direct:")
		require.True(t, row.LeaseUntil.After(o.now()))
		time.Sleep(10 * time.Second)
		running, err := o.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.True(t, running)
		s, err := o.State(t.Context(), "t1")
		require.NoError(t, err)
		require.Equal(t, store.StatusInProgress, s.Status)
		require.Equal(t, provider.CallID("call-1"), s.CallID)

		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		running, err = o.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.False(t, running)
	})
}

func TestDirectSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := stillOffice(t, voicetask.Config{}, p)
		require.ErrorIs(t, o.Submit(t.Context(), voicetask.Task{ID: "a/b"}), voicetask.ErrInvalidTask)
		require.NoError(t, o.Submit(t.Context(), task()))
		require.NoError(t, o.Submit(t.Context(), task()))
		other := task()
		other.Data.ContactNumber = "+1999"
		require.NoError(t, o.Submit(t.Context(), other))
		require.Equal(t, []string{provider.NoticeDuplicateTask, provider.NoticePayloadConflict}, o.notices.kinds())
		require.Equal(t, "+14155550100", rowOf(t, o.store, "t1").To)
		require.Empty(t, p.Requests(), "without Run nothing is dialled")

		running, err := o.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.False(t, running, "without Run nothing follows it")
	})
}

// TestDirectSubmitThatWasCutShort: the row is there and nobody's; the next one takes
// it.
func TestDirectSubmitThatWasCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, voicetask.Config{}, fakeHook())
		defer o.close()
		o.store.refuse(func(op string, _ store.Record) error { return errIf(op == "update", "%w", errStoreDown) })
		require.ErrorIs(t, o.Submit(t.Context(), task()), errStoreDown)
		o.store.refuse(nil)
		time.Sleep(time.Hour)
		require.Empty(t, rowOf(t, o.store, "t1").Owner, "nobody accepted it")
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
	})
}

// TestDirectLeavesTemporalsTasksAlone.
func TestDirectLeavesTemporalsTasksAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		before := seed(t, o.store, func(r *store.Record) { r.Owner, r.DueAt = "temporal", start })
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(time.Hour)
		n, err := o.Recover(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, before, rowOf(t, o.store, "t1"))
		require.Empty(t, p.Requests())
	})
}

// TestDirectIsNotStarvedByTemporalsTasks: hundreds of rows are due that are not its
// own.
func TestDirectIsNotStarvedByTemporalsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Blocking: true})
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		for i := range 1000 {
			_, err := o.store.Create(t.Context(), store.Record{ID: fmt.Sprintf("other-%d", i), Status: store.StatusPending, DueAt: start.Add(-time.Hour), Owner: []string{"", "temporal"}[i%2]})
			require.NoError(t, err)
		}
		require.NoError(t, o.Submit(t.Context(), task()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		res, err := o.Wait(ctx, "t1")
		require.NoError(t, err)
		require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	})
}

func TestDirectUnknownTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { unknownTo(t, stillOffice(t, voicetask.Config{}, fakeHook())) })
}

// TestDirectEventsAreHeardAtOnce.
func TestDirectEventsAreHeardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Outcome: provider.OutcomeBusy})
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(33 * time.Second)
		require.NoError(t, o.Deliver(t.Context(), p.Event("t1/1")))
		require.ErrorIs(t, o.Deliver(t.Context(), provider.Event{Key: "t1/2"}), provider.ErrUnknownCall)
		time.Sleep(2 * time.Second)
		require.Equal(t, store.StatusFailed, rowOf(t, o.store, "t1").Status)
		require.Zero(t, p.polls(), "the event told everything")
	})
}

// TestDirectWithEventsOnly never asks, also when an event tells of an answer.
func TestDirectWithEventsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 10 * time.Minute})
		o := newOffice(t, voicetask.Config{Policy: voicetask.Policy{PollInterval: -1}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(3 * time.Minute)
		require.NoError(t, o.Deliver(t.Context(), p.Event("t1/1"))) // answered
		time.Sleep(8 * time.Minute)
		require.Zero(t, p.polls())
		require.NoError(t, o.Deliver(t.Context(), p.Event("t1/1")))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Zero(t, p.polls())
	})
}

// TestDirectCancelWhilePlaceBlocks: the call has told its id, and is hung up although
// its step is still in hand.
func TestDirectCancelWhilePlaceBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 10 * time.Minute})
		p.traits = &provider.Traits{Blocking: true}
		p.place = blockingPlace(t, p)
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(time.Minute)
		require.NoError(t, o.Cancel(t.Context(), "t1"))
		time.Sleep(10 * time.Second)
		require.NotEmpty(t, p.hungUp())
		res := o.wait()
		require.Equal(t, provider.OutcomeCancelled, res.Outcome)
		require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
		require.Less(t, since(res.Data.EndTime), 70*time.Second)
		require.Equal(t, 1, p.Dials())
	})
}

// TestDirectCancelWhilePreparing: there is nothing to hang up, and nothing is dialled.
func TestDirectCancelWhilePreparing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := newOffice(t, voicetask.Config{Prepare: func(context.Context, voicetask.Task, *provider.Request) error {
			time.Sleep(20 * time.Second)
			return nil
		}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(5 * time.Second)
		require.NoError(t, o.Cancel(t.Context(), "t1"))
		res := o.wait()
		require.Equal(t, provider.OutcomeCancelled, res.Outcome)
		require.Empty(t, p.Requests())
		require.Empty(t, p.hungUp())
	})
}

// blockingPlace returns with the end of the call, by the bubble's clock.
func blockingPlace(t *testing.T, p *hooked) func(ctx context.Context, req provider.Request) (provider.Call, error) {
	return func(ctx context.Context, req provider.Request) (provider.Call, error) {
		c, err := p.Fake.Place(ctx, req)
		require.NoError(t, err)
		require.NoError(t, req.OnPlaced(c))
		for c.Status != provider.StatusEnded {
			time.Sleep(time.Second)
			if c, err = p.Fake.Get(ctx, c.ID); err != nil {
				return c, err
			}
		}
		return c, nil
	}
}

// TestDirectLongPlaceIsNobodyElses: another process sees the row of a Place that
// takes longer than the lease, and does not dial.
func TestDirectLongPlaceIsNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 5 * time.Minute})
		p.traits = &provider.Traits{Blocking: true}
		p.place = blockingPlace(t, p)
		s := newFaultyStore()
		clock := clockFromStart()
		first := newOffice(t, voicetask.Config{Store: s, Now: clock}, p)
		defer first.close()
		second := newOffice(t, voicetask.Config{Store: s, Now: clock}, p)
		defer second.close()
		require.NoError(t, first.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, first.wait().Outcome)
		time.Sleep(time.Hour)
		require.Len(t, p.Requests(), 1)
	})
}

func TestDirectHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		in := task()
		in.NotBefore = start.Add(time.Minute)
		require.NoError(t, o.Submit(t.Context(), in))
		require.NoError(t, o.Hold(t.Context(), "t1", "not today"))
		time.Sleep(24 * time.Hour)
		s, err := o.State(t.Context(), "t1")
		require.NoError(t, err)
		require.Equal(t, store.StatusHold, s.Status)
		require.Equal(t, "hold: not today", s.Reason)
		require.Empty(t, p.Requests())
		require.NoError(t, o.Resume(t.Context(), "t1"))
		time.Sleep(2 * time.Second)
		require.Len(t, p.Requests(), 1, "at once")
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
	})
}

// TestDirectStopsWithItsContext: what is in hand is drained, the rest waits for the
// next one, and no goroutine stays (the bubble would not end).
func TestDirectStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			time.Sleep(20 * time.Second) // a slow platform
			require.NoError(t, ctx.Err(), "a send is not cut short")
			return p.Fake.Place(ctx, req)
		}
		s := newFaultyStore()
		clock := clockFromStart()
		o := newOffice(t, voicetask.Config{Store: s, Now: clock}, p)
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(5 * time.Second)
		stopped := time.Now()
		o.close()
		require.Less(t, time.Since(stopped), 20*time.Second)
		require.Positive(t, time.Since(stopped), "the send in flight was drained")
		row := rowOf(t, s, "t1")
		require.Equal(t, store.AttemptPlaced, row.Attempts[0].State)
		require.Equal(t, provider.CallID("call-1"), row.Attempts[0].CallID)

		next := newOffice(t, voicetask.Config{Store: s, Now: clock}, p)
		defer next.close()
		require.Equal(t, provider.OutcomeCompleted, next.wait().Outcome)
		require.Equal(t, 1, p.Dials())
	})
}

// TestDirectDrainIsBounded: a Place that never returns does not hold Run up for ever.
func TestDirectDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		release := make(chan struct{})
		p.place = func(context.Context, provider.Request) (provider.Call, error) {
			<-release
			return provider.Call{}, fails(provider.KindOutcomeUnknown)
		}
		o := newOffice(t, voicetask.Config{}, p)
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(5 * time.Second)
		stopped := time.Now()
		o.close()
		require.LessOrEqual(t, time.Since(stopped), 2*time.Minute)
		close(release)
	})
}

// TestDirectRunsAgain: Run may be called again after it has returned.
func TestDirectRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, voicetask.Config{}, fakeHook())
		o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		o.run()
		defer o.close()
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
	})
}

func TestDirectWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stillOffice(t, voicetask.Config{}, fakeHook())
		require.NoError(t, o.Submit(t.Context(), task()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := o.Wait(ctx, "t1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestDirectStoreDownForAWhile: nothing is dialled, nothing is lost.
func TestDirectStoreDownForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		in := task()
		in.NotBefore = start.Add(10 * time.Second)
		require.NoError(t, o.Submit(t.Context(), in))
		o.store.refuse(func(string, store.Record) error { return errIf(o.now().Sub(start) < time.Hour, "%w", errStoreDown) })
		time.Sleep(59 * time.Minute)
		require.Empty(t, p.Requests())
		time.Sleep(2 * time.Minute)
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Equal(t, 1, p.Dials())
	})
}

// TestDirectRowThatCannotBeRead ends as invalid, rather than to be tried for ever.
func TestDirectRowThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stillOffice(t, voicetask.Config{}, fakeHook())
		require.NoError(t, o.Submit(t.Context(), task()))
		_, err := store.Modify(t.Context(), o.store, "t1", func(r *store.Record) error { r.Task = []byte(`{"task_id":7}`); return nil })
		require.NoError(t, err)
		o.run()
		defer o.close()
		res := o.wait()
		require.Equal(t, provider.OutcomeConfigError, res.Outcome)
		require.Equal(t, "invalid_task", rule(res.Reason))
	})
}

// TestDirectManyTasks side by side, each dialled once.
func TestDirectManyTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks = 300
		p := fakeHook()
		s := newFaultyStore()
		clock := clockFromStart()
		offices := []*office{newOffice(t, voicetask.Config{Store: s, Now: clock}, p), newOffice(t, voicetask.Config{Store: s, Now: clock}, p)}
		for _, o := range offices {
			defer o.close()
		}
		for i := range tasks {
			in := task()
			in.ID = fmt.Sprintf("t%d", i)
			require.NoError(t, offices[i%2].Submit(t.Context(), in))
		}
		for i := range tasks {
			res, err := offices[0].Wait(t.Context(), fmt.Sprintf("t%d", i))
			require.NoError(t, err)
			require.Equal(t, provider.OutcomeCompleted, res.Outcome)
		}
		require.Len(t, p.Requests(), tasks)
		require.Equal(t, tasks, p.Dials())
	})
}

// TestDirectGateThatPanics costs its own task a step, and no other anything.
func TestDirectGateThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, asked := fakeHook(), 0
		o := newOffice(t, voicetask.Config{Gates: []voicetask.Gate{voicetask.GateFunc(func(context.Context, voicetask.Dial) (voicetask.Verdict, error) {
			if asked++; asked <= 2 {
				panic("a bad gate")
			}
			return voicetask.Verdict{}, nil
		})}}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Equal(t, 3, asked)
	})
}
