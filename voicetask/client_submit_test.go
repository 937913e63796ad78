package voicetask_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

var (
	errServerDown = serviceerror.NewUnavailable("no server")
	errGone       = serviceerror.NewNotFound("workflow execution already completed")
	errStarted    = serviceerror.NewWorkflowExecutionAlreadyStarted("already", "", "run-1")
)

// desk is a client on a fake server and a store.
type desk struct {
	*voicetask.Client
	temporal *fakeTemporal
	store    *faultyStore
	notices  *notices
}

func newDesk(t *testing.T, change ...func(cfg *voicetask.ClientConfig)) *desk {
	t.Helper()
	d := &desk{temporal: &fakeTemporal{}, store: newFaultyStore(), notices: &notices{}}
	cfg := voicetask.ClientConfig{Store: d.store, Observe: d.notices.observe, Now: func() time.Time { return start }}
	for _, f := range change {
		f(&cfg)
	}
	c, err := voicetask.NewClient(d.temporal, cfg)
	require.NoError(t, err)
	d.Client = c
	return d
}

func (d *desk) row(t *testing.T) store.Record {
	t.Helper()
	return rowOf(t, d.store.Memory, "t1")
}

// TestSubmitWritesTheRowFirst, then starts the workflow with the contract's options.
func TestSubmitWritesTheRowFirst(t *testing.T) {
	d := newDesk(t)
	d.temporal.onStart = func() { require.Equal(t, store.StatusPending, d.row(t).Status, "the row is there before the workflow") }
	in := task()
	in.TenantID, in.RunID, in.Priority = "acme", "run-1", 1
	require.NoError(t, d.Submit(t.Context(), in))

	row := d.row(t)
	require.Equal(t, "acme", row.TenantID)
	require.Equal(t, "run-1", row.RunID)
	require.Equal(t, "agent-1", row.AgentID)
	require.Equal(t, "+14155550100", row.To)
	require.Equal(t, start, row.DueAt)
	require.Empty(t, row.Owner)
	raw, err := in.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, string(raw), string(row.Task))

	require.Equal(t, []voicetask.Task{in}, d.temporal.inputs)
	require.Equal(t, []client.StartWorkflowOptions{{
		ID: "voice-task-t1", TaskQueue: "voice-task-queue", WorkflowTaskTimeout: 5 * time.Second,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            "Call +1…00 by agent agent-1",
		Priority:                                 temporal.Priority{PriorityKey: 1, FairnessKey: "acme"},
	}}, d.temporal.started)
	require.Empty(t, d.notices.kinds())
}

func TestSubmitOfATaskForLater(t *testing.T) {
	d := newDesk(t)
	in := task()
	in.NotBefore = start.Add(time.Hour)
	require.NoError(t, d.Submit(t.Context(), in))
	require.Equal(t, start.Add(time.Hour), d.row(t).DueAt)
	require.Equal(t, 3, d.temporal.started[0].Priority.PriorityKey, "the middle by default")
}

// TestStartOptionsOfTheHost are respected, but not where they would break the guard.
func TestStartOptionsOfTheHost(t *testing.T) {
	d := newDesk(t, func(cfg *voicetask.ClientConfig) {
		cfg.TaskQueue = "calls"
		cfg.StartOptions = func(t voicetask.Task, o *client.StartWorkflowOptions) {
			o.ID = "of-the-host"
			o.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
			o.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
			o.WorkflowExecutionErrorWhenAlreadyStarted = false
			o.Memo = map[string]any{"task": t.ID}
			o.WorkflowRunTimeout, o.WorkflowTaskTimeout = time.Hour, 8*time.Second
			o.StaticSummary = "mine"
			o.Priority = temporal.Priority{PriorityKey: 5}
		}
	})
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Equal(t, client.StartWorkflowOptions{
		ID: "voice-task-t1", TaskQueue: "calls", WorkflowTaskTimeout: 8 * time.Second,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{"task": "t1"}, WorkflowRunTimeout: time.Hour, StaticSummary: "mine",
		Priority: temporal.Priority{PriorityKey: 5},
	}, d.temporal.started[0])

	d = newDesk(t, func(cfg *voicetask.ClientConfig) {
		cfg.StartOptions = func(_ voicetask.Task, o *client.StartWorkflowOptions) { o.TaskQueue = "urgent" }
	})
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Equal(t, "urgent", d.temporal.started[0].TaskQueue)
}

func TestSubmitRefusesWhatIsInvalid(t *testing.T) {
	d := newDesk(t)
	for name, in := range map[string]voicetask.Task{
		"no id": {AgentID: "a1"}, "a slash": {ID: "a/b", AgentID: "a1"}, "no agent": {ID: "t1"},
		"broken extra":                {ID: "t1", AgentID: "a1", Extra: raws("x", "{")},
		"a year that JSON cannot say": {ID: "t1", AgentID: "a1", NotBefore: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		require.ErrorIs(t, d.Submit(t.Context(), in), voicetask.ErrInvalidTask, name)
	}
	require.Empty(t, d.temporal.started)
}

// TestDuplicateSubmit is a counted success.
func TestDuplicateSubmit(t *testing.T) {
	d := newDesk(t)
	require.NoError(t, d.Submit(t.Context(), task()))
	before := d.row(t)
	d.temporal.startErr = errStarted
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Equal(t, []provider.Notice{{Kind: provider.NoticeDuplicateTask, TaskID: "t1", N: 1}}, d.notices.seen)
	require.Equal(t, before, d.row(t))
}

// TestDuplicateIsToldByContent: another spelling of the same task is the same.
func TestDuplicateIsToldByContent(t *testing.T) {
	d := newDesk(t)
	first := mustParse(t, `{"task_id":"t1","agent_id":"a1","data":{"contact_number":"+1"},"instructions":null}`)
	again := mustParse(t, `{"data":{"contact_number":"\u002b1"},"agent_id":"a1","task_id":"t1","instructions":"","message_type":"outbound_call"}`)
	require.NoError(t, d.Submit(t.Context(), first))
	require.NoError(t, d.Submit(t.Context(), again))
	require.Equal(t, []string{provider.NoticeDuplicateTask}, d.notices.kinds())
}

// TestDuplicateInAStoreThatFormatsJSON, as PostgreSQL's jsonb does.
func TestDuplicateInAStoreThatFormatsJSON(t *testing.T) {
	d := newDesk(t)
	require.NoError(t, d.Submit(t.Context(), task()))
	_, err := store.Modify(t.Context(), d.store.Memory, "t1", func(r *store.Record) error {
		r.Task = []byte(strings.ReplaceAll(string(r.Task), `":`, `" : `))
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Equal(t, []string{provider.NoticeDuplicateTask}, d.notices.kinds())
}

// TestPayloadConflict is counted, is no error, and the first payload stands.
func TestPayloadConflict(t *testing.T) {
	d := newDesk(t)
	d.temporal.startErr = errServerDown
	require.Error(t, d.Submit(t.Context(), task()))
	before := d.row(t)
	d.temporal.startErr = nil
	other := task()
	other.Data.ContactNumber = "+14155550999"
	require.NoError(t, d.Submit(t.Context(), other))
	require.Equal(t, []provider.Notice{{Kind: provider.NoticePayloadConflict, TaskID: "t1", N: 1}}, d.notices.seen)
	require.Equal(t, before, d.row(t))
	require.Equal(t, "+14155550100", d.temporal.inputs[1].Data.ContactNumber, "the workflow gets the first payload")
}

// TestSubmitThatWasCutShort: the row is there, its workflow is not; the next one
// starts it.
func TestSubmitThatWasCutShort(t *testing.T) {
	d := newDesk(t)
	d.temporal.startErr = errServerDown
	err := d.Submit(t.Context(), task())
	require.ErrorIs(t, err, errServerDown)
	require.NotErrorIs(t, err, voicetask.ErrInvalidTask)
	require.Equal(t, store.StatusPending, d.row(t).Status)

	d.temporal.startErr = nil
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Len(t, d.temporal.started, 2)
}

func TestSubmitWithTheStoreDown(t *testing.T) {
	d := newDesk(t)
	d.store.before = func(string, store.Record) error { return errStoreDown }
	require.ErrorIs(t, d.Submit(t.Context(), task()), errStoreDown)
	require.Empty(t, d.temporal.started, "no row, no workflow")
}

func TestSubmitWhoseWorkflowRunsAlready(t *testing.T) {
	d := newDesk(t)
	d.temporal.startErr = errors.Join(errors.New("rpc"), errStarted)
	require.NoError(t, d.Submit(t.Context(), task()))
}

// TestSubmitOfATaskThatHasEnded starts nothing: the row guards beyond Temporal's
// retention.
func TestSubmitOfATaskThatHasEnded(t *testing.T) {
	for _, status := range []store.Status{store.StatusCompleted, store.StatusFailed, store.StatusCancelled} {
		d := newDesk(t)
		seed(t, d.store, func(r *store.Record) { r.Status = status })
		require.NoError(t, d.Submit(t.Context(), task()))
		require.Empty(t, d.temporal.started)
	}
}

// TestSubmitOfAnErasedTask: nothing is left to compare with.
func TestSubmitOfAnErasedTask(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) { r.Status, r.Task, r.To = store.StatusCompleted, nil, "" })
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Empty(t, d.temporal.started)
	require.Equal(t, []string{provider.NoticeDuplicateTask}, d.notices.kinds())
}

// TestSubmitOfATaskThatDirectHas leaves it there.
func TestSubmitOfATaskThatDirectHas(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:1", time.Now().Add(time.Hour) })
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Empty(t, d.temporal.started)
}

// TestSubmitRestartsWhatWasCutOff: the row is open, and its workflow was terminated.
func TestSubmitRestartsWhatWasCutOff(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) { r.Owner = "temporal" })
	d.temporal.startErrs = []error{errStarted, nil}
	d.temporal.status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Len(t, d.temporal.started, 2)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, d.temporal.started[0].WorkflowIDReusePolicy)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, d.temporal.started[1].WorkflowIDReusePolicy)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, d.temporal.started[1].WorkflowIDConflictPolicy)
	require.True(t, d.temporal.started[1].WorkflowExecutionErrorWhenAlreadyStarted)
}

// TestSubmitRestartsNothingElse: one that runs, one that completed, one of a new row.
func TestSubmitRestartsNothingElse(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) { r.Owner = "temporal" })
	d.temporal.startErr = errStarted
	d.temporal.status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Len(t, d.temporal.started, 1)

	d.temporal.status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	require.NoError(t, d.Submit(t.Context(), task()), "Temporal refuses, and that is that")

	d.temporal.describeErr = errServerDown
	require.ErrorIs(t, d.Submit(t.Context(), task()), errServerDown, "nobody knows: worth a retry")

	d = newDesk(t)
	d.temporal.startErr = errStarted
	d.temporal.status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Len(t, d.temporal.started, 1)
}

// TestSubmitOfATaskThatADeadDirectHad: its lease has run out.
func TestSubmitOfATaskThatADeadDirectHad(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:1", start.Add(-time.Second) })
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Len(t, d.temporal.started, 1)
}
