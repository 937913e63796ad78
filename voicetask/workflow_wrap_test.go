package voicetask_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// callback is the decoration that hosts write most: it tells somebody the result.
type callback struct {
	voicetask.Activity
	mu    sync.Mutex
	heard []voicetask.ResultInput
	fails int
}

func (c *callback) told() []voicetask.ResultInput {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.heard)
}

func (c *callback) RecordResult(ctx context.Context, in voicetask.ResultInput) error {
	if err := c.Activity.RecordResult(ctx, in); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails > 0 {
		c.fails--
		return errors.New("callback: 503")
	}
	c.heard = append(c.heard, in)
	return nil
}

// TestWrapDecoratesRecordResult: retried until it is through, after the row.
func TestWrapDecoratesRecordResult(t *testing.T) {
	c := &callback{fails: 2}
	w := newWorld(t, voicetask.Config{Wrap: func(a voicetask.Activity) voicetask.Activity { c.Activity = a; return c }})
	in := task()
	in.Callback = "https://example.test/cb"
	in.Data.Extra = raws("metadata", `{"k":1}`)
	w.run(in)
	require.Len(t, c.told(), 1)
	require.Equal(t, "https://example.test/cb", c.told()[0].Task.Callback)
	require.Equal(t, provider.OutcomeCompleted, c.told()[0].Result.Outcome)
	require.JSONEq(t, `{"k":1}`, string(c.told()[0].Result.Data.Metadata), "the decoration sees the whole result")
	require.Equal(t, store.StatusCompleted, w.row().Status)
	require.JSONEq(t, `{"k":1}`, string(storedResult(t, w.row()).Data.Metadata))
}

// TestSelectionErrorIsRecordedThroughWrapToo.
func TestSelectionErrorIsRecordedThroughWrapToo(t *testing.T) {
	c := &callback{}
	w := newWorld(t, voicetask.Config{Wrap: func(a voicetask.Activity) voicetask.Activity { c.Activity = a; return c }})
	in := task()
	in.Data.Provider = "twilio"
	_, err := w.Run(in)
	require.Error(t, err)
	require.Len(t, c.told(), 1)
	require.Equal(t, store.StatusFailed, c.told()[0].Result.Status)
}

// TestActivitiesComposeWithHostRetries: a host that wraps Place with a retry of its
// own dials once all the same.
func TestHostThatExecutesTwiceDialsOnce(t *testing.T) {
	w := newWorld(t, voicetask.Config{Wrap: func(a voicetask.Activity) voicetask.Activity { return twice{a} }})
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Len(t, w.fake.Requests(), 1)
}

type twice struct{ voicetask.Activity }

func (a twice) ExecuteCall(ctx context.Context, in voicetask.CallInput) (voicetask.Dialled, error) {
	if _, err := a.Activity.ExecuteCall(ctx, in); err != nil {
		return voicetask.Dialled{}, err
	}
	return a.Activity.ExecuteCall(ctx, in)
}

// TestQueryState through a call's life.
func TestQueryState(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	query := func() voicetask.State {
		value, err := w.QueryWorkflow(voicetask.QueryState)
		require.NoError(t, err)
		var s voicetask.State
		require.NoError(t, value.Get(&s))
		return s
	}
	in := task()
	in.NotBefore = start.Add(time.Minute)
	var before, during, answered voicetask.State
	w.after(time.Second, func() { before = query() })
	w.after(61*time.Second, func() { during = query() })
	w.after(70*time.Second, func() { w.deliver("t1/1") })
	w.after(71*time.Second, func() { answered = query() })
	w.run(in)
	require.Equal(t, voicetask.State{TaskID: "t1", Status: store.StatusScheduled, Provider: "vapi", Until: start.Add(time.Minute), Reason: "not_before: the task asks not to be dialled earlier"}, before)
	require.Equal(t, voicetask.State{TaskID: "t1", Status: store.StatusInProgress, Dial: 1, Provider: "vapi", CallID: "call-1", Call: provider.StatusRinging, Until: start.Add(16 * time.Minute)}, during)
	require.Equal(t, provider.StatusInProgress, answered.Call)
	after := query()
	require.Equal(t, store.StatusCompleted, after.Status)
	require.Equal(t, "outcome: fake-completed", after.Reason)
	require.True(t, after.Until.IsZero())
}

// TestNoNumberWhereNothingEncryptsIt: current details and errors.
func TestNoNumberWhereNothingEncryptsIt(t *testing.T) {
	const number = "+14155550100"
	leaks := providertest.Step{Fail: &provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindRejected, Err: errors.New("cannot reach " + number)}}
	w := newWorld(t, voicetask.Config{}, leaks)
	res := w.run(task())
	require.Contains(t, res.Reason, number, "the store may know")
	require.Contains(t, w.details(), "cannot reach +1…00")
	require.NotContains(t, w.details(), number)
}

func TestKindOfThroughTheWorkflow(t *testing.T) {
	w := newWorld(t, voicetask.Config{Wrap: func(a voicetask.Activity) voicetask.Activity { return refuses{a} }})
	_, err := w.Run(task())
	kind, ok := voicetask.KindOf(err)
	require.True(t, ok)
	require.Equal(t, provider.KindUnauthenticated, kind)
}

// refuses ends ExecuteCall with an error of a provider's that is not retried.
type refuses struct{ voicetask.Activity }

func (refuses) ExecuteCall(context.Context, voicetask.CallInput) (voicetask.Dialled, error) {
	return voicetask.Dialled{}, nonRetryable(provider.KindUnauthenticated)
}
