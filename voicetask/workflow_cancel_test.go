package voicetask_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func (w *world) cancel() { w.must(w.client.Cancel(context.Background(), "t1")) }

// requireCancelled checks what every cancelled task has in common.
func requireCancelled(t *testing.T, res voicetask.Result, row store.Record) {
	t.Helper()
	require.Equal(t, provider.OutcomeCancelled, res.Outcome)
	require.Equal(t, store.StatusCancelled, res.Status)
	require.Equal(t, voicetask.RuleCancel, rule(res.Reason))
	require.Equal(t, store.StatusCancelled, row.Status)
	require.Equal(t, provider.OutcomeCancelled, row.Outcome)
	for _, a := range row.Attempts {
		require.Contains(t, []store.AttemptState{store.AttemptEnded, store.AttemptAborted}, a.State, "dial %d is not at rest", a.N)
	}
}

func TestCancelBeforeTheDial(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.NotBefore = start.Add(time.Hour)
	w.after(time.Minute, w.cancel)
	res := w.run(in)
	requireCancelled(t, res, w.row())
	require.Zero(t, res.Dials)
	require.Empty(t, w.fake.Requests())
	require.Equal(t, time.Minute, since(w.row().CancelRequestedAt))
	require.Equal(t, time.Minute, w.Now().Sub(start))
}

// TestCancelOfTheWorkflowAlone, as from Temporal's own tools: the row was not
// marked.
func TestCancelOfTheWorkflowAlone(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.NotBefore = start.Add(time.Hour)
	w.after(time.Minute, w.CancelWorkflow)
	res := w.run(in)
	requireCancelled(t, res, w.row())
	require.Empty(t, w.fake.Requests())
}

// TestCancelOfTheRowAlone: the signal to the workflow was lost, and the fence holds.
func TestCancelOfTheRowAlone(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.NotBefore = start.Add(time.Hour)
	w.after(time.Minute, func() {
		_, err := store.Modify(context.Background(), w.Store, "t1", func(r *store.Record) error {
			r.CancelRequestedAt = w.Now()
			return nil
		})
		w.must(err)
	})
	res := w.run(in)
	requireCancelled(t, res, w.row())
	require.Empty(t, w.fake.Requests())
}

// TestCancelWhilePreparing: the row is marked while execute still runs, which keeps
// it from passing the fence.
func TestCancelWhilePreparing(t *testing.T) {
	var w *world
	w = newWorld(t, voicetask.Config{Prepare: func(context.Context, voicetask.Task, *provider.Request) error {
		w.CancelWorkflow()
		eventually(t, func() bool { return !rowOf(t, w.Store, "t1").CancelRequestedAt.IsZero() })
		return nil
	}})
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Zero(t, res.Dials)
	require.Empty(t, w.fake.Requests())
}

// TestCancelWhilePlaceBlocks: the call has told its id, and is ended while Place
// still waits for its end.
func TestCancelWhilePlaceBlocks(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 10 * time.Minute})
	p := &hooked{Fake: fake, traits: &provider.Traits{Blocking: true}}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		c, err := fake.Place(ctx, req)
		require.NoError(t, err)
		require.NoError(t, req.OnPlaced(c))
		w.CancelWorkflow()
		eventually(t, func() bool { return len(p.hungUp()) > 0 })
		return fake.Get(ctx, c.ID)
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, 1, res.Dials)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.Equal(t, []provider.CallID{"call-1"}, slices.Compact(p.hungUp()), "twice does no harm")
	require.Equal(t, 1, fake.Dials())
}

// TestCancelBeforeThePlacedIsTold: the mark was there when the call got its id, and
// Place still blocks.
func TestCancelBeforeThePlacedIsTold(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 10 * time.Minute})
	p := &hooked{Fake: fake, traits: &provider.Traits{Blocking: true}}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		c, err := fake.Place(ctx, req)
		require.NoError(t, err)
		w.CancelWorkflow()
		eventually(t, func() bool { return !rowOf(t, w.Store, "t1").CancelRequestedAt.IsZero() })
		require.NoError(t, req.OnPlaced(c))
		eventually(t, func() bool { return len(p.hungUp()) > 0 })
		return fake.Get(ctx, c.ID)
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
}

// TestCancelInMidSend: the request is out and has no id yet. Execute is not cut
// short; what it placed is hung up.
func TestCancelInMidSend(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 10 * time.Minute})
	p := &hooked{Fake: fake}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		w.CancelWorkflow()
		eventually(t, func() bool { return !rowOf(t, w.Store, "t1").CancelRequestedAt.IsZero() })
		require.NoError(t, ctx.Err(), "a send is never cancelled")
		return fake.Place(ctx, req)
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, 1, res.Dials)
	require.Equal(t, []provider.CallID{"call-1"}, p.hungUp())
}

// TestCancelWhileLookingForALostReply: nothing is dialled again, and what is found is
// hung up.
func TestCancelWhileLookingForALostReply(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{LoseReply: true, Hidden: time.Minute, Lasts: 10 * time.Minute})
	p := &hooked{Fake: fake}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	w.after(30*time.Second, w.cancel)
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, []provider.CallID{"call-1"}, p.hungUp())
	require.Len(t, fake.Requests(), 1)
}

// TestCancelWhileWaitingToSendAgain: the dial was not placed, and is not sent again.
func TestCancelWhileWaitingToSendAgain(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Fail: fails(provider.KindUnavailable)})
	w.after(5*time.Second, w.cancel)
	res := w.run(task())
	require.Equal(t, provider.OutcomeCancelled, res.Outcome)
	require.Equal(t, store.StatusCancelled, w.row().Status)
	require.Len(t, w.fake.Requests(), 1)
	require.Zero(t, w.fake.Dials())
	require.Equal(t, 5*time.Second, w.Now().Sub(start), "there is nothing to wait for")
}

func TestCancelDuringACall(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Minute})
	p := &hooked{Fake: fake}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	w.after(10*time.Second, func() {
		s := w.state()
		w.must(errIf(s.Status != store.StatusInProgress || s.CallID != "call-1", "state: %+v", s))
		w.cancel()
	})
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, 1, res.Dials)
	require.Equal(t, []provider.CallID{"call-1"}, p.hungUp())
	require.Equal(t, 10*time.Second, since(res.Data.EndTime))
	require.Equal(t, "hung up", res.Data.CallEndReason)
}

// TestCancelWhilePolling: the poll in hand is given up, and the call hung up.
func TestCancelWhilePolling(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 10 * time.Minute})
	p := &hooked{Fake: fake, traits: &provider.Traits{}}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	w.after(70*time.Second, w.cancel)
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, []provider.CallID{"call-1"}, p.hungUp())
	require.Equal(t, 70*time.Second, since(res.Data.EndTime))
}

func TestCancelBetweenTwoDials(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	w.after(35*time.Second, w.cancel)
	res := w.run(task())
	requireCancelled(t, res, w.row())
	require.Equal(t, 1, res.Dials)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID, "the result tells of the last dial")
	require.Equal(t, 1, w.fake.Dials())
	require.Equal(t, 35*time.Second, w.Now().Sub(start))
}

// TestCallThatEndedBeforeItWasHungUpKeepsItsOutcome: the cancellation came too late.
func TestCallThatEndedBeforeItWasHungUpKeepsItsOutcome(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: 20 * time.Second})
	w.after(60*time.Second, w.cancel) // nobody has told of the end
	res := w.run(task())
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Equal(t, store.StatusFailed, res.Status)
	require.Equal(t, 20*time.Second, since(res.Data.EndTime))
}

// TestCancelledTaskIsNotDialledAgain although its call had failed before.
func TestCancelledTaskIsNotDialledAgain(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault, Lasts: 20 * time.Second})
	w.after(60*time.Second, w.cancel)
	res := w.run(task())
	require.Equal(t, 1, w.fake.Dials())
	requireCancelled(t, res, w.row())
	require.Equal(t, 1, res.Dials)
}

// TestCancelOfAnEndedTaskChangesNothing.
func TestCancelOfAnEndedTaskChangesNothing(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	w.run(task())
	before := w.row()
	w.cancel()
	require.Equal(t, before, w.row())
}

// eventually waits for another goroutine of the test environment.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, time.Millisecond) // less than an Env lets an activity take
}

// TestCancelWherePlatformsCannotHangUp: nobody can end the call, so the task ends with it,
// and not while somebody is on the phone; without a word of its end, at its limit.
func TestCancelWherePlatformsCannotHangUp(t *testing.T) {
	for name, c := range map[string]struct {
		deaf    bool // to Get, too
		told    bool // its end, by an event
		longest time.Duration
		ends    time.Duration // at least, and half a minute or so more
	}{
		"polled":                           {ends: 10 * time.Minute},
		"told":                             {deaf: true, told: true, ends: 10 * time.Minute},
		"neither":                          {deaf: true, ends: 16 * time.Minute},
		"neither, and it may last an hour": {deaf: true, longest: time.Hour, ends: 61 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			fake := providertest.NewFake("vapi", providertest.Step{Lasts: 10 * time.Minute})
			p := &hooked{Fake: fake}
			if c.deaf {
				p = eventsOnly(fake)
			}
			p.end = func(context.Context, provider.CallID) error { return provider.ErrUnsupported }
			w := newWorldOn(t, voicetask.Config{Policy: voicetask.Policy{MaxCallDuration: c.longest}}, fake, p)
			w.after(time.Minute, w.cancel)
			if c.told {
				w.after(10*time.Minute, func() { w.deliver("t1/1") })
			}
			res := w.run(task())
			requireCancelled(t, res, w.row())
			require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
			require.GreaterOrEqual(t, since(w.Now()), c.ends)
			require.Less(t, since(w.Now()), c.ends+40*time.Second)
		})
	}
}
