package voicetask

import (
	"context"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// engine is what the sweeper asks of Client and Direct beyond what every Workflow
// does. A host's own Workflow has its tasks submitted again.
type engine interface {
	// serves reports whether a row is this engine's to follow.
	serves(r store.Record) bool
	// restart has a task followed again, although it completed if anew. It reports
	// false where somebody was faster.
	restart(ctx context.Context, t Task, anew bool) (bool, error)
	// outcome is the result of a workflow that completed.
	outcome(ctx context.Context, taskID string) (Result, bool)
	// retell repeats the end of a dial that the row has.
	retell(ctx context.Context, r store.Record, a store.Attempt) error
}

var (
	_ engine = (*Client)(nil)
	_ engine = (*Direct)(nil)
)

// restart hands a task to its engine again: nothing is dialled that the rows do not
// allow. A workflow that completed although its row is open tells the result: the
// row was lost, and came back older.
func (s *Sweeper) restart(ctx context.Context, t Task, r store.Record) error {
	e, ok := s.workflow.(engine)
	if !ok {
		return s.workflow.Submit(ctx, t)
	}
	res, completed := e.outcome(ctx, t.ID)
	aside := completed && (leftToOther(res) || directOwned(r))
	if completed && !aside {
		s.cfg.Logger.ErrorContext(ctx, "a task had ended, but its row is open: the store has lost a write; recording the result again", "task_id", t.ID)
		return s.acts.RecordResult(ctx, ResultInput{Task: t, Result: res})
	}
	restarted, err := e.restart(ctx, t, aside)
	if restarted {
		s.cfg.Logger.WarnContext(ctx, "nothing followed an open task: it was started again", "task_id", t.ID)
		s.raw.notice(ctx, provider.NoticeUnfollowed, "", t.ID, "")
	}
	return err
}

// leftToOther reports that a workflow ended because the other engine had its task.
func leftToOther(r Result) bool { return strings.HasPrefix(r.Reason, RuleOtherEngine+":") }

func (c *Client) serves(store.Record) bool { return true } // Temporal takes up what a Direct left, too

// restart starts the workflow of a task again. One that was cut off may be followed by
// another; so may one that stood aside for a Direct that is no more.
func (c *Client) restart(ctx context.Context, t Task, anew bool) (bool, error) {
	reuse := enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if anew {
		reuse = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	err := c.execute(ctx, t, reuse)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &started) {
		return false, nil // another process was faster
	}
	return err == nil, err
}

// outcome asks for the result of a workflow that does not run.
func (c *Client) outcome(ctx context.Context, taskID string) (Result, bool) {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var res Result
	err := c.temporal.GetWorkflow(bounded, WorkflowID(taskID), "").Get(bounded, &res)
	return res, err == nil && res.TaskID == taskID
}

func (c *Client) retell(ctx context.Context, r store.Record, a store.Attempt) error {
	return c.tell(ctx, r.ID, SignalCallEvent, slim(provider.Event{Provider: a.Provider, Key: a.Key, Call: fence.CallOf(a), At: a.EndedAt}))
}

func (d *Direct) serves(r store.Record) bool { return r.Owner == "" || directOwned(r) }

// restart takes a task that no Direct carries out any more. Temporal's are left alone.
func (d *Direct) restart(ctx context.Context, t Task, _ bool) (taken bool, err error) {
	_, err = d.ledger.modify(ctx, t.ID, func(r *store.Record) error {
		now := d.raw.now()
		if taken = !r.Status.Terminal() && (r.Owner == "" || d.mine(*r, now)); !taken {
			return errNoChange
		}
		r.Owner, r.LeaseUntil, r.DueAt = d.owner, d.raw.leaseUntil(), now
		return nil
	})
	d.nudge()
	return taken && err == nil, err
}

func (d *Direct) outcome(context.Context, string) (Result, bool) { return Result{}, false }

// retell makes Run look at the row, which is all that a Direct knows.
func (d *Direct) retell(ctx context.Context, r store.Record, _ store.Attempt) error {
	return d.soon(ctx, r.ID)
}
