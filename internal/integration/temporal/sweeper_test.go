package temporal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// sweep runs a sweeper until the test ends. Its clock is ahead, so that what is due
// now has been due for long, and calls may not have lasted that long yet.
func (r *rig) sweep(ahead time.Duration) {
	r.t.Helper()
	cfg := r.cfg
	cfg.Now = func() time.Time { return time.Now().Add(ahead) }
	s, err := voicetask.NewSweeper(cfg, r.client)
	require.NoError(r.t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r.t.Cleanup(func() {
		stop()
		require.NoError(r.t, <-done)
	})
}

func (r *rig) untilEnded(id string) store.Record {
	r.t.Helper()
	return r.untilRow(id, "ended", func(rec store.Record) bool { return rec.Status.Terminal() })
}

func (r *rig) terminate(id string) {
	r.t.Helper()
	require.NoError(r.t, r.temporal.TerminateWorkflow(r.t.Context(), voicetask.WorkflowID(id), "", "test"))
}

// due makes the row due, as it becomes by itself some time after a call's limits.
func (r *rig) due(id string) {
	r.t.Helper()
	_, err := store.Modify(r.t.Context(), r.cfg.Store, id, func(rec *store.Record) error {
		rec.DueAt = time.Now()
		return nil
	})
	require.NoError(r.t, err)
}

// deaf is a Temporal client of which some requests do not reach the server.
type deaf struct {
	client.Client
	starts, cancels, signals bool
}

var errLost = errors.New("lost on the way")

func (d deaf) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, w any, args ...any) (client.WorkflowRun, error) {
	if d.starts {
		return nil, errLost
	}
	return d.Client.ExecuteWorkflow(ctx, o, w, args...)
}

func (d deaf) CancelWorkflow(ctx context.Context, id, run string) error {
	if d.cancels {
		return errLost
	}
	return d.Client.CancelWorkflow(ctx, id, run)
}

func (d deaf) SignalWorkflow(ctx context.Context, id, run, name string, arg any) error {
	if d.signals {
		return errLost
	}
	return d.Client.SignalWorkflow(ctx, id, run, name, arg)
}

func (r *rig) deafClient(d deaf) *voicetask.Client {
	r.t.Helper()
	d.Client = r.temporal
	c, err := voicetask.NewClient(d, voicetask.ClientConfig{TaskQueue: r.queue, Store: r.cfg.Store})
	require.NoError(r.t, err)
	return c
}

// A Submit that dies between the row and the workflow leaves a pending row: it is
// carried out, once, whatever the number of sweepers.
func TestSweeperStartsWhatWasNeverStarted(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: 100 * time.Millisecond})
	dying := r.deafClient(deaf{starts: true})
	ids := []string{"never-1", "never-2", "never-3"}
	for _, id := range ids {
		require.ErrorIs(t, dying.Submit(t.Context(), newTask(id)), errLost)
	}
	require.Zero(t, r.fake.Dials())
	for range 3 {
		r.sweep(time.Minute)
	}
	for _, id := range ids {
		require.Equal(t, provider.OutcomeCompleted, r.untilEnded(id).Outcome)
		require.Equal(t, 1, r.fake.Dials(id+"/1"))
	}
	require.Equal(t, len(ids), r.fake.Dials())
}

// A workflow is terminated while its call is up: another one follows the same call.
func TestSweeperFollowsTheCallOfATerminatedWorkflow(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour})
	r.submit("cut")
	rec := r.untilRow("cut", "placed", attempt(1, store.AttemptPlaced))
	r.terminate("cut")
	r.due("cut")
	r.sweep(time.Minute)
	r.fake.Finish(rec.Attempts[0].CallID, provider.OutcomeCompleted)
	require.Equal(t, provider.OutcomeCompleted, r.untilEnded("cut").Outcome)
	require.Equal(t, 1, r.fake.Dials())
}

// A task is cancelled whose workflow was terminated in mid-call: no orphan call, and
// the task is cancelled.
func TestSweeperHangsUpForATerminatedWorkflow(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour})
	r.submit("orphan")
	rec := r.untilRow("orphan", "placed", attempt(1, store.AttemptPlaced))
	r.terminate("orphan")
	require.NoError(t, r.client.Cancel(t.Context(), "orphan"))
	r.sweep(time.Minute)
	r.untilHungUp(rec)
	rec = r.untilEnded("orphan")
	require.Equal(t, store.StatusCancelled, rec.Status)
	require.Equal(t, 1, r.fake.Dials())
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), voicetask.WorkflowID("orphan"), "").Get(t.Context(), nil))
	r.history("orphan", "", "cancelled-in-the-row")
}

func (r *rig) untilHungUp(rec store.Record) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		c, err := r.fake.Get(context.Background(), rec.Attempts[0].CallID)
		return err == nil && c.Status == provider.StatusEnded
	}, patience, 20*time.Millisecond, "the call is up still")
}

// The row was marked, and the workflow was not told.
func TestSweeperCancelsAgain(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour})
	r.submit("untold")
	rec := r.untilRow("untold", "placed", attempt(1, store.AttemptPlaced))
	require.ErrorIs(t, r.deafClient(deaf{cancels: true}).Cancel(t.Context(), "untold"), errLost)
	r.sweep(time.Minute)
	r.untilHungUp(rec)
	require.Equal(t, store.StatusCancelled, r.wait("untold").Status)
	require.Equal(t, 1, r.fake.Dials())
}

// An event reached the row and not the workflow, which waits for events only.
func TestSweeperRepeatsALostSignal(t *testing.T) {
	r := newRig(t, func(c *voicetask.Config) {
		c.Policy.PollInterval, c.Policy.MaxCallDuration = -1, 10*time.Minute
	}, providertest.Step{Lasts: 300 * time.Millisecond})
	r.submit("unheard")
	r.untilRow("unheard", "placed", attempt(1, store.AttemptPlaced))
	require.Eventually(t, func() bool { return r.fake.Event("unheard/1").Call.Status == provider.StatusEnded }, patience, 10*time.Millisecond)
	require.NoError(t, r.deafClient(deaf{signals: true}).Deliver(t.Context(), r.fake.Event("unheard/1")))
	r.untilRow("unheard", "the row has the end", attempt(1, store.AttemptEnded))
	r.sweep(time.Minute)
	require.Equal(t, provider.OutcomeCompleted, r.wait("unheard").Outcome)
}

// A workflow stood aside for a Direct that then died for good: the task goes on.
func TestSweeperTakesBackWhatADeadDirectLeft(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: 100 * time.Millisecond})
	cfg := r.cfg
	dead, err := voicetask.NewDirect(cfg)
	require.NoError(t, err)
	require.NoError(t, dead.Submit(t.Context(), newTask("left"))) // and never runs
	// An ambiguous hand-over: the start of the workflow had arrived after all.
	_, err = r.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: voicetask.WorkflowID("left"), TaskQueue: r.queue}, voicetask.WorkflowName, newTask("left"))
	require.NoError(t, err)
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), voicetask.WorkflowID("left"), "").Get(t.Context(), nil))
	require.Zero(t, r.fake.Dials())
	_, err = store.Modify(t.Context(), r.cfg.Store, "left", func(rec *store.Record) error {
		rec.LeaseUntil, rec.DueAt = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
		return nil
	})
	require.NoError(t, err)
	r.sweep(time.Minute)
	rec := r.untilEnded("left")
	require.Equal(t, provider.OutcomeCompleted, rec.Outcome)
	require.Equal(t, 1, r.fake.Dials())
}

// A call was answered and ended while nobody followed the task, which was cancelled
// later: the customer was spoken to, and the result says so.
func TestSweeperKeepsTheTruthOfACallThatEndedBeforeTheCancel(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour})
	r.submit("spoken")
	rec := r.untilRow("spoken", "placed", attempt(1, store.AttemptPlaced))
	r.terminate("spoken")
	r.fake.Finish(rec.Attempts[0].CallID, provider.OutcomeCompleted)
	require.NoError(t, r.client.Deliver(t.Context(), r.fake.Event("spoken/1")))
	time.Sleep(1500 * time.Millisecond) // longer than clocks may differ
	require.NoError(t, r.client.Cancel(t.Context(), "spoken"))
	r.sweep(time.Minute)
	rec = r.untilEnded("spoken")
	require.Equal(t, provider.OutcomeCompleted, rec.Outcome, rec.Reason)
	require.Equal(t, 1, r.fake.Dials())
}
