package voicetask_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func (w *world) hold(why string) { w.must(w.client.Hold(context.Background(), "t1", why)) }
func (w *world) resume()         { w.must(w.client.Resume(context.Background(), "t1")) }

// sees checks, in a callback, what a person is told of the task.
func (w *world) sees(status store.Status, reason string) {
	s := w.state()
	w.must(errIf(s.Status != status || s.Reason != reason, "at %v the state is %+v: want %s, %q", since(w.Now()), s, status, reason))
}

// TestHoldBeforeTheStart: the row says so before there is a workflow to signal.
func TestHoldBeforeTheStart(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	raw, err := task().MarshalJSON()
	require.NoError(t, err)
	_, err = w.Store.Create(t.Context(), store.Record{ID: "t1", Status: store.StatusHold, Reason: "hold: not yet", Task: raw})
	require.NoError(t, err)
	w.after(time.Minute, func() { w.sees(store.StatusHold, "hold: not yet") })
	w.after(time.Hour, w.resume)
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, time.Hour, since(w.row().Attempts[0].SentAt), "resumed at once")
}

// TestHoldWhileItWaits for its own not_before: the dial waits for both.
func TestHoldWhileItWaits(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.NotBefore = start.Add(time.Hour)
	w.after(time.Minute, func() { w.hold("customer asked") })
	w.after(2*time.Minute, func() {
		w.sees(store.StatusHold, "hold: customer asked")
		w.must(errIf(!strings.Contains(w.details(), "**hold**"), "the Web UI says %q", w.details()))
	})
	w.after(90*time.Minute, func() {
		w.sees(store.StatusHold, "hold: customer asked")
		w.must(errIf(len(w.fake.Requests()) > 0, "dialled on hold"))
		w.resume()
	})
	res := w.run(in)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 90*time.Minute, since(w.row().Attempts[0].SentAt))
}

func TestHoldThatIsTakenBackInTime(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.NotBefore = start.Add(time.Hour)
	w.after(time.Minute, func() { w.hold("") })
	w.after(2*time.Minute, w.resume)
	w.run(in)
	require.Equal(t, time.Hour, since(w.row().Attempts[0].SentAt))
}

func TestHoldBetweenTwoDials(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	w.after(35*time.Second, func() { w.hold("look into it") })
	w.after(time.Hour, func() {
		w.sees(store.StatusHold, "hold: look into it")
		w.must(errIf(w.row().Status != store.StatusHold, "the row says %s", w.row().Status))
		w.resume()
	})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
	require.Equal(t, time.Hour, since(w.row().Attempts[1].SentAt))
}

// TestHoldWhileACallIsUp: the call goes on, and the next dial waits.
func TestHoldWhileACallIsUp(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	w.after(10*time.Second, func() { w.hold("") })
	w.after(20*time.Second, func() {
		s := w.state()
		w.must(errIf(s.Call == "" || s.CallID != "call-1", "state: %+v", s))
		w.must(errIf(w.row().Status != store.StatusHold, "the row says %s", w.row().Status))
	})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	w.after(time.Hour, w.resume)
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, time.Hour, since(w.row().Attempts[1].SentAt))
}

// TestHoldWhileTheLastCallIsUp has nothing to keep the task from: it ends.
func TestHoldWhileTheLastCallIsUp(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	w.after(10*time.Second, func() { w.hold("") })
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, store.StatusCompleted, w.row().Status)
}

// TestHoldWhilePreparing: the fence sees the hold that came after the judgement.
func TestHoldWhilePreparing(t *testing.T) {
	var w *world
	prepared := 0
	w = newWorld(t, voicetask.Config{Prepare: func(ctx context.Context, _ voicetask.Task, _ *provider.Request) error {
		if prepared++; prepared == 1 {
			return w.client.Hold(ctx, "t1", "")
		}
		return nil
	}})
	w.after(time.Hour, w.resume)
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Len(t, w.fake.Requests(), 1)
	require.Equal(t, time.Hour, since(w.row().Attempts[0].SentAt))
}

func TestCancelOnHold(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	w.after(0, func() { w.hold("") })
	in := task()
	in.NotBefore = start.Add(time.Minute)
	w.after(time.Hour, w.cancel)
	res := w.run(in)
	requireCancelled(t, res, w.row())
	require.Empty(t, w.fake.Requests())
	require.Equal(t, time.Hour, w.Now().Sub(start))
}
