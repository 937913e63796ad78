package temporal_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// The most that a plain call may cost.
const (
	mostEvents  = 27
	mostActions = 6
)

func TestPlainCallEndedByEvent(t *testing.T) {
	r := newRig(t, untilTold, providertest.Step{Lasts: time.Hour})
	r.submit("plain")
	r.fake.Finish(r.untilFollowed("plain").Attempts[0].CallID, provider.OutcomeCompleted)
	require.NoError(t, r.client.Deliver(t.Context(), r.fake.Event("plain/1")))
	res := r.wait("plain")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.NotEmpty(t, res.Data.Transcript, "the row has what the event brought")
	require.Equal(t, 1, r.fake.Dials())
	h := r.history("plain", "", "plain")
	require.LessOrEqual(t, len(h.Events)-retriedEvents(h), mostEvents)
	require.LessOrEqual(t, billableActions(h), mostActions)
	t.Logf("plain call by event: %d history events, %d billable actions", len(h.Events), billableActions(h))
}

func TestPlainCallEndedByPolling(t *testing.T) {
	r := newRig(t, func(c *voicetask.Config) { c.Policy.EventGrace = 50 * time.Millisecond }, providertest.Step{Lasts: 100 * time.Millisecond})
	r.submit("polled")
	res := r.wait("polled")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.NotEmpty(t, res.Data.Transcript)
	h := r.history("polled", "", "")
	t.Logf("plain call by silence and poll: %d history events, %d billable actions", len(h.Events), billableActions(h))
}

// retriedEvents counts those of workflow tasks that a machine which stood still made the
// server give out again.
func retriedEvents(h *historypb.History) int {
	n := 0
	for _, e := range h.Events {
		if out := e.GetWorkflowTaskTimedOutEventAttributes(); out != nil {
			n += 2 // scheduled, timed out
			if out.GetStartedEventId() > 0 {
				n++
			}
		}
	}
	return n
}

// billableActions counts what Temporal Cloud bills: starts, activities (without
// retries), timers, signals.
func billableActions(h *historypb.History) int {
	n := 0
	for _, e := range h.Events {
		switch e.EventType {
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
			enumspb.EVENT_TYPE_TIMER_STARTED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			n++
		}
	}
	return n
}

func TestRedialAfterFault(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Outcome: provider.OutcomeProviderFault, Lasts: 10 * time.Millisecond}, providertest.Step{Lasts: 10 * time.Millisecond})
	r.submit("redial")
	res := r.wait("redial")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
	require.Equal(t, 1, r.fake.Dials("redial/1"))
	require.Equal(t, 1, r.fake.Dials("redial/2"))
	rec := r.untilRow("redial", "two settled attempts", attempt(2, store.AttemptEnded))
	require.Equal(t, provider.OutcomeProviderFault, rec.Attempts[0].Outcome)
	r.history("redial", "", "redial")
}

// A dial is in the hands of the provider when the task is cancelled: it is never
// interrupted, and what it placed is hung up.
func TestCancelWhilePlacing(t *testing.T) {
	placing, goOn := make(chan struct{}), make(chan struct{})
	r := newRig(t, nil, providertest.Step{Lasts: 10 * time.Second})
	slow := &slowProvider{Fake: r.fake, before: func() { close(placing); <-goOn }}
	r.worker.Stop()
	registry, err := provider.NewRegistry(slow)
	require.NoError(t, err)
	r.cfg.Providers = registry
	w := r.newWorker()
	require.NoError(t, w.Start())
	defer w.Stop()
	r.submit("cancelled")
	<-placing
	require.NoError(t, r.client.Cancel(t.Context(), "cancelled"))
	time.Sleep(200 * time.Millisecond) // end_call_activity runs while Place still blocks
	close(goOn)
	res := r.wait("cancelled")
	require.Equal(t, store.StatusCancelled, res.Status)
	require.Equal(t, 1, r.fake.Dials())
	rec := r.untilRow("cancelled", "hung up", attempt(1, store.AttemptEnded))
	c, err := r.fake.Get(t.Context(), rec.Attempts[0].CallID)
	require.NoError(t, err)
	require.Equal(t, provider.StatusEnded, c.Status, "no orphan call")
	r.history("cancelled", "", "cancel-while-placing")
}

// slowProvider lets a test act while Place runs.
type slowProvider struct {
	*providertest.Fake
	before, after func()
}

func (p *slowProvider) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	if p.before != nil {
		p.before()
	}
	c, err := p.Fake.Place(ctx, req)
	if p.after != nil {
		p.after()
	}
	return c, err
}

func TestEventBeforeTheAnswer(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: 50 * time.Millisecond})
	r.worker.Stop()
	told := make(chan error, 1)
	slow := &slowProvider{Fake: r.fake, after: func() {
		time.Sleep(100 * time.Millisecond)
		told <- r.client.Deliver(context.Background(), r.fake.Event("early/1"))
		time.Sleep(200 * time.Millisecond)
	}}
	registry, err := provider.NewRegistry(slow)
	require.NoError(t, err)
	r.cfg.Providers = registry
	w := r.newWorker()
	require.NoError(t, w.Start())
	defer w.Stop()
	r.submit("early")
	require.NoError(t, <-told)
	res := r.wait("early")
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Equal(t, 1, r.fake.Dials())
	r.history("early", "", "event-before-the-answer")
}

// A workflow reset runs execute_call_activity again as its first attempt: the row,
// not the attempt, knows that the phone has rung.
func TestResetDoesNotDialAgain(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour})
	r.submit("reset")
	call := r.untilFollowed("reset").Attempts[0].CallID
	h := r.history("reset", "", "")
	var firstTask int64
	for _, e := range h.Events {
		if e.EventType == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			firstTask = e.EventId
			break
		}
	}
	again, err := r.temporal.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace:                 "default",
		WorkflowExecution:         workflowExecution("reset"),
		Reason:                    "test",
		WorkflowTaskFinishEventId: firstTask,
		RequestId:                 "reset-1",
	})
	require.NoError(t, err)
	r.fake.Finish(call, provider.OutcomeCompleted)
	res := r.wait("reset")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, r.fake.Dials(), "a reset must not ring the phone again")
	r.history("reset", again.RunId, "reset")
}

func TestHoldAndResume(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour}, providertest.Step{Lasts: 10 * time.Millisecond})
	r.submit("held")
	call := r.untilFollowed("held").Attempts[0].CallID
	require.NoError(t, r.client.Hold(t.Context(), "held", "asked by the customer"))
	r.fake.Finish(call, provider.OutcomeProviderFault) // only now may there be a second dial
	require.Eventually(t, func() bool {
		s, err := r.client.State(t.Context(), "held")
		return err == nil && s.Status == store.StatusHold // not before the call has ended
	}, patience, 50*time.Millisecond)
	require.Equal(t, 1, r.fake.Dials(), "no dial on hold")
	require.NoError(t, r.client.Resume(t.Context(), "held"))
	res := r.wait("held")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, r.fake.Dials())
	r.history("held", "", "hold")
}

func TestDeadlineHangsUp(t *testing.T) {
	r := newRig(t, func(c *voicetask.Config) { c.Policy.MaxCallDuration = 1500 * time.Millisecond }, providertest.Step{Lasts: time.Hour})
	r.submit("endless")
	res := r.wait("endless")
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, store.StatusFailed, res.Status)
	rec := r.untilRow("endless", "hung up", attempt(1, store.AttemptEnded))
	c, err := r.fake.Get(t.Context(), rec.Attempts[0].CallID)
	require.NoError(t, err)
	require.Equal(t, provider.StatusEnded, c.Status)
	r.history("endless", "", "deadline")
}

func TestDuplicatesStartOneWorkflow(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: 50 * time.Millisecond})
	for range 5 {
		r.submit("twice")
	}
	r.wait("twice")
	for range 5 {
		r.submit("twice") // after its end
	}
	require.Equal(t, 1, r.fake.Dials())
}

// A task that no provider fits fails its workflow, and leaves a row that says why.
func TestSelectionErrorFailsTheWorkflow(t *testing.T) {
	r := newRig(t, nil)
	bad := newTask("nobody")
	bad.Data.Provider = "unheard-of"
	require.NoError(t, r.client.Submit(t.Context(), bad))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := r.temporal.GetWorkflow(ctx, voicetask.WorkflowID("nobody"), "").Get(ctx, nil)
	require.ErrorContains(t, err, voicetask.ErrTypeSelection)
	rec := r.untilRow("nobody", "failed", func(rec store.Record) bool { return rec.Status == store.StatusFailed })
	require.Equal(t, provider.OutcomeConfigError, rec.Outcome)
	require.Contains(t, rec.Reason, "unheard-of")
	require.Zero(t, r.fake.Dials())
}

func TestCancelDuringTheCallHangsUp(t *testing.T) {
	for _, silence := range []struct {
		name  string
		grace time.Duration
	}{{"waiting for events", time.Minute}, {"polling", time.Millisecond}} {
		t.Run(silence.name, func(t *testing.T) {
			r := newRig(t, func(c *voicetask.Config) { c.Policy.EventGrace = silence.grace }, providertest.Step{Lasts: time.Hour})
			id := "cancel-" + silence.name[:4]
			r.submit(id)
			rec := r.untilRow(id, "placed", attempt(1, store.AttemptPlaced))
			time.Sleep(300 * time.Millisecond)
			require.NoError(t, r.client.Cancel(t.Context(), id))
			res := r.wait(id)
			require.Equal(t, store.StatusCancelled, res.Status)
			c, err := r.fake.Get(t.Context(), rec.Attempts[0].CallID)
			require.NoError(t, err)
			require.Equal(t, provider.StatusEnded, c.Status)
			require.Equal(t, 1, r.fake.Dials())
		})
	}
}

// A workflow that was cut off leaves an open row. Submitting the task again starts
// it again, and the row keeps it from ringing twice.
func TestTerminatedWorkflowIsStartedAgain(t *testing.T) {
	r := newRig(t, nil, providertest.Step{Lasts: time.Hour})
	r.submit("cut-off")
	rec := r.untilRow("cut-off", "placed", attempt(1, store.AttemptPlaced))
	r.terminate("cut-off")
	r.submit("cut-off")
	r.fake.Finish(rec.Attempts[0].CallID, provider.OutcomeCompleted)
	res := r.wait("cut-off")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, r.fake.Dials())
}
