package voicetask

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/internal/unasked"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// TemporalClient is what Client uses of client.Client.
type TemporalClient interface {
	ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	CancelWorkflow(ctx context.Context, workflowID, runID string) error
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// ClientConfig configures NewClient.
type ClientConfig struct {
	// TaskQueue is that of the host's worker; default DefaultTaskQueue.
	TaskQueue string
	// Store: Submit writes the pending row first; the row guards beyond the
	// namespace's retention, finds events' tasks by call id, and takes late reports.
	// Required.
	Store store.Store
	// StartOptions may set search attributes, memo and timeouts; ID and policies are
	// set after it. Search attributes are never encrypted by a data converter, memos only
	// by recent SDKs. nil = none.
	StartOptions func(t Task, o *client.StartWorkflowOptions)
	// Observe takes what is worth counting; it must not block. nil = none.
	Observe func(ctx context.Context, n provider.Notice)
	// Logger logs conditions, never numbers or payloads; nil = none.
	Logger *slog.Logger
	// Now defaults to time.Now; test kits set it.
	Now func() time.Time
}

// Client starts and steers tasks; it implements Workflow. It is safe for
// concurrent use and retries nothing but writes to a row that changed meanwhile.
type Client struct {
	temporal TemporalClient
	cfg      ClientConfig
	ledger   ledger
}

var _ Workflow = (*Client)(nil)

// NewClient checks its arguments; it makes no calls.
func NewClient(c TemporalClient, cfg ClientConfig) (*Client, error) {
	switch {
	case c == nil:
		return nil, errors.New("voicetask: NewClient: the Temporal client is nil: use client.Dial or client.NewLazyClient")
	case cfg.Store == nil:
		return nil, errors.New("voicetask: ClientConfig.Store is nil: set it to the store of the host's workers")
	}
	fill(&cfg.TaskQueue, DefaultTaskQueue)
	if cfg.Observe == nil {
		cfg.Observe = func(context.Context, provider.Notice) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = discardLogger()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Client{temporal: c, cfg: cfg, ledger: ledger{store: cfg.Store, now: cfg.Now, observe: cfg.Observe, logger: cfg.Logger}}, nil
}

// Submit writes the task's pending row, then starts its workflow. A task id that
// is known already is nil: with the same payload it is counted as duplicate_task,
// with another as payload_conflict, and the first payload stands. A row whose
// workflow was not started, because an earlier Submit was cut short, has it
// started. ErrInvalidTask is final; any other error is worth a retry.
func (c *Client) Submit(ctx context.Context, t Task) error {
	rec, isNew, err := c.ledger.submit(ctx, t)
	if err != nil || rec.Status.Terminal() {
		unasked.Note(ctx)
		return quiet(t, err)
	}
	if !isNew && directOwned(rec) && (rec.LeaseUntil.IsZero() || rec.LeaseUntil.After(c.cfg.Now())) {
		unasked.Note(ctx)
		return nil // a Direct has it
	}
	if !isNew && len(rec.Task) > 0 {
		if known, err := ParseTask(rec.Task); err == nil {
			t = known // the first payload stands
		}
	}
	if err := fault.Point(ctx, fault.SubmitRow); err != nil {
		return err
	}
	if err := c.start(ctx, t, isNew); err != nil {
		return err
	}
	return fault.Point(ctx, fault.SubmitAccepted)
}

// start starts the workflow of a task whose row is open. Where the id was used
// before, a workflow that was cut off (terminated, failed, timed out) without
// ending the task is started again: the rows make that as safe as a reset.
func (c *Client) start(ctx context.Context, t Task, isNew bool) error {
	err := c.execute(ctx, t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &started) {
		return err
	}
	if isNew {
		return nil // its row was lost, it was not
	}
	running, err := c.Running(ctx, t.ID)
	if err != nil || running {
		return err
	}
	reuse := enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if res, completed := c.outcome(ctx, t.ID); completed && leftToOther(res) {
		reuse = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE // to a Direct, which has let go of it
	}
	err = c.execute(ctx, t, reuse)
	if errors.As(err, &started) {
		return nil
	}
	return err
}

func (c *Client) execute(ctx context.Context, t Task, reuse enumspb.WorkflowIdReusePolicy) error {
	o := client.StartWorkflowOptions{StaticSummary: summary(t)}
	if c.cfg.StartOptions != nil {
		c.cfg.StartOptions(t, &o)
	}
	o.ID = WorkflowID(t.ID)
	fill(&o.TaskQueue, c.cfg.TaskQueue)
	fill(&o.WorkflowTaskTimeout, workflowTaskTimeout)
	o.WorkflowIDReusePolicy = reuse
	o.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	o.WorkflowExecutionErrorWhenAlreadyStarted = true // else a duplicate is invisible
	if o.Priority == (temporal.Priority{}) {
		o.Priority = priority(t)
	}
	if _, err := c.temporal.ExecuteWorkflow(ctx, o, WorkflowName, t); err != nil {
		return fmt.Errorf("voicetask: starting the workflow of task %s: %w", t.ID, err)
	}
	return nil
}

// workflowTaskTimeout is after how long a step of the workflow that a worker took with it
// when it died is given to another; a step takes milliseconds. The SDK's default is 10 s.
const workflowTaskTimeout = 5 * time.Second

// priority passes the task's priority and tenant on to Temporal's task queues.
func priority(t Task) temporal.Priority {
	const middle = 3
	const longestKey = 64 // bytes, the server's limit
	p := temporal.Priority{PriorityKey: middle, FairnessKey: cut(t.TenantID, longestKey)}
	if t.Priority != 0 {
		p.PriorityKey = t.Priority
	}
	return p
}

// Deliver takes a platform's event: the row first, which is the memory of what was
// seen, then a signal, if the row changed. It is nil once the row has the event,
// also when the workflow is gone. ErrUnknownCall: not ours.
func (c *Client) Deliver(ctx context.Context, e provider.Event) error {
	if err := fault.Point(ctx, fault.EventVerified); err != nil {
		return err
	}
	seen, err := c.ledger.deliver(ctx, e)
	switch {
	case errors.Is(err, provider.ErrUnknownCall):
		return err
	case err != nil:
		taskID, _, ok := provider.SplitKey(seen.event.Key)
		if !ok {
			return err
		}
		// The store is down: the workflow may still take it.
		if c.temporal.SignalWorkflow(ctx, WorkflowID(taskID), "", SignalCallEvent, slim(seen.event)) != nil {
			return err
		}
		return nil
	case !seen.changed || seen.rec.Status.Terminal():
		return nil
	}
	_ = fault.Point(ctx, fault.EventStored)
	err = c.temporal.SignalWorkflow(ctx, WorkflowID(seen.rec.ID), "", SignalCallEvent, slim(seen.event))
	_ = fault.Point(ctx, fault.EventSignalled)
	if err == nil {
		return nil
	}
	// The row has it: a poll, the deadline or, as soon as the row is due, the sweeper
	// finds it there.
	if gone(err) {
		c.ledger.stray(ctx, seen.event)
	} else {
		c.cfg.Logger.WarnContext(ctx, "an event was stored but its workflow was not told", "task_id", seen.rec.ID, "error", quiet(Task{}, err))
	}
	if err := c.ledger.untold(ctx, seen.rec.ID); err != nil {
		c.cfg.Logger.WarnContext(ctx, "a row could not be made due", "task_id", seen.rec.ID, "error", quiet(Task{}, err))
	}
	return nil
}

// gone reports that no running workflow can take the message.
func gone(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}

// Cancel marks the row, which keeps a dial that has not passed the fence from
// passing it, then cancels the workflow, which hangs up. A task without a workflow
// and without an open dial ends cancelled here.
func (c *Client) Cancel(ctx context.Context, taskID string) error {
	rec, err := c.ledger.requestCancel(ctx, taskID)
	if err != nil || rec.Status.Terminal() {
		return err
	}
	err = c.temporal.CancelWorkflow(ctx, WorkflowID(taskID), "")
	if gone(err) {
		return c.ledger.cancelUnfollowed(ctx, taskID)
	}
	if err != nil {
		return fmt.Errorf("voicetask: cancelling the workflow of task %s: %w", taskID, err)
	}
	return nil
}

// Hold writes the row first, which alone keeps the task from its next dial, then
// signals the workflow. The row's hold is taken back by Resume only.
func (c *Client) Hold(ctx context.Context, taskID, why string) error {
	if err := c.ledger.hold(ctx, taskID, why); err != nil {
		return err
	}
	return c.tell(ctx, taskID, SignalHold, why)
}

// Resume is the inverse of Hold, in the same order.
func (c *Client) Resume(ctx context.Context, taskID string) error {
	if err := c.ledger.resume(ctx, taskID); err != nil {
		return err
	}
	return c.tell(ctx, taskID, SignalResume, nil)
}

func (c *Client) tell(ctx context.Context, taskID, signal string, arg any) error {
	err := c.temporal.SignalWorkflow(ctx, WorkflowID(taskID), "", signal, arg)
	if err != nil && !gone(err) {
		return fmt.Errorf("voicetask: signal %s to task %s: %w", signal, taskID, err)
	}
	return nil
}

// State asks the workflow, and the row where no worker or no workflow answers.
func (c *Client) State(ctx context.Context, taskID string) (State, error) {
	rec, err := c.ledger.get(ctx, taskID)
	if err != nil {
		return State{}, err
	}
	fromRow := stateOf(rec)
	if rec.Status.Terminal() || directOwned(rec) {
		return fromRow, nil
	}
	bounded, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := c.temporal.QueryWorkflow(bounded, WorkflowID(taskID), "", QueryState)
	if err != nil {
		return fromRow, nil
	}
	var s State
	if err := value.Get(&s); err != nil {
		return State{}, fmt.Errorf("voicetask: the state of task %s: %w", taskID, err)
	}
	return s, nil
}

const queryTimeout = 5 * time.Second

// Wait returns the result once the task has ended: the row's, which may say more
// than the workflow's. A task that could not be run at all, because no provider fits
// say, has a result too. Where no workflow follows the task it waits for the row,
// until ctx ends: a Direct may carry it out, or the sweeper have it followed again.
func (c *Client) Wait(ctx context.Context, taskID string) (Result, error) {
	if rec, err := c.ledger.get(ctx, taskID); err == nil && (rec.Status.Terminal() || directOwned(rec)) {
		return c.ledger.wait(ctx, taskID)
	}
	var res Result
	err := c.temporal.GetWorkflow(ctx, WorkflowID(taskID), "").Get(ctx, &res)
	rec, storeErr := c.ledger.get(ctx, taskID)
	switch open := storeErr == nil && !rec.Status.Terminal(); {
	case storeErr == nil && !open:
		return c.ledger.result(ctx, taskID)
	case open && (gone(err) || cutOff(err) || (err == nil && leftToOther(res))):
		return c.ledger.wait(ctx, taskID)
	case gone(err):
		return Result{}, storeErr
	case err != nil:
		return res, fmt.Errorf("voicetask: waiting for task %s: %w", taskID, err)
	}
	return res, nil
}

// cutOff reports that a workflow has ended without a result: it failed, was terminated
// or timed out.
func cutOff(err error) bool {
	var ended *temporal.WorkflowExecutionError
	return errors.As(err, &ended)
}

// Settle is an operator's or late evidence's word on a dial whose outcome is
// unknown: the row takes it, and the task's result with it.
func (c *Client) Settle(ctx context.Context, key string, end provider.Call) error {
	return c.ledger.settle(ctx, key, end)
}

// Erase blanks the personal data of a finished task's row and keeps the ledger.
// Workflow history is the host's to encrypt, and expires with the namespace's
// retention.
func (c *Client) Erase(ctx context.Context, taskID string) error {
	return c.ledger.erase(ctx, taskID)
}

// Running reports whether anything follows the task: a workflow, or a Direct whose
// lease holds.
func (c *Client) Running(ctx context.Context, taskID string) (bool, error) {
	d, err := c.temporal.DescribeWorkflowExecution(ctx, WorkflowID(taskID), "")
	switch {
	case err != nil && !gone(err):
		return false, fmt.Errorf("voicetask: describing the workflow of task %s: %w", taskID, err)
	case err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return true, nil
	}
	rec, err := c.ledger.get(ctx, taskID)
	return err == nil && !rec.Status.Terminal() && directOwned(rec) && rec.LeaseUntil.After(c.cfg.Now()), err
}

// slim is what of an event enters history: key, call id, status, outcome and
// times. Bodies are in the store.
func slim(e provider.Event) provider.Event {
	c := e.Call
	e.Call = provider.Call{
		ID: c.ID, Key: c.Key, Status: c.Status, Outcome: c.Outcome, Reason: masked(c.Reason), From: c.From,
		CreatedAt: c.CreatedAt, AnsweredAt: c.AnsweredAt, EndedAt: c.EndedAt, NoSpeech: c.NoSpeech, CostUSD: c.CostUSD,
	}
	return e
}

// sameTask compares what was submitted, byte for byte of our own encoding.
func sameTask(raw json.RawMessage, t Task) bool {
	b, err := t.MarshalJSON()
	if err != nil {
		return false
	}
	if bytes.Equal(raw, b) {
		return true
	}
	known, err := ParseTask(raw) // a store may have formatted it
	if err != nil {
		return false
	}
	again, err := json.Marshal(known)
	if err != nil {
		return false
	}
	mine, err := json.Marshal(t)
	return err == nil && bytes.Equal(again, mine)
}
