package voicetask

import (
	"context"
	"hash/fnv"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// sweepOpen looks for open rows that nobody follows, and hands them back.
func (s *Sweeper) sweepOpen(ctx context.Context) error {
	s.pass++
	return s.eachRow(ctx, openStatuses, func(r store.Record) error {
		s.endSecondCalls(ctx, r)
		if !s.overdue(r) && !s.checked(r) {
			return nil
		}
		bounded, cancel := context.WithTimeout(ctx, providerTimeout)
		defer cancel()
		return s.takeUp(bounded, r)
	})
}

// overdue reports whether somebody ought to have come to the row by now. A task on
// hold waits for Resume, unless it is being cancelled.
func (s *Sweeper) overdue(r store.Record) bool {
	if _, direct := s.workflow.(*Direct); direct && r.Owner == ownerTemporal {
		return false // not a Direct's to settle
	}
	late := overdueBy
	if directOwned(r) {
		if r.LeaseUntil.After(s.raw.now()) {
			return false
		}
		late = directOverdueBy
	}
	due := r.DueAt
	switch asked := r.CancelRequestedAt; {
	case !asked.IsZero():
		due = asked
	case r.Status == store.StatusHold:
		if _, live := openDial(r); !live {
			return false
		}
	}
	return due.Before(s.raw.now().Add(-late))
}

// checked reports whether it is a live call's turn to be looked after although it is not
// due before its deadline: every call's within two minutes, a part of them each time.
func (s *Sweeper) checked(r store.Record) bool {
	if _, live := openDial(r); !live || directOwned(r) || r.UpdatedAt.After(s.raw.now().Add(-overdueBy)) {
		return false
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.ID))
	return (h.Sum32()+s.pass)%checkedOf == 0
}

// takeUp has an overdue row followed again, unless it is.
func (s *Sweeper) takeUp(ctx context.Context, r store.Record) error {
	running, err := s.workflow.Running(ctx, r.ID)
	if err != nil || running {
		return err
	}
	t, err := ParseTask(r.Task)
	if err != nil {
		bad := Task{ID: r.ID, AgentID: r.AgentID}
		end := ending{outcome: provider.OutcomeConfigError, rule: RuleInvalid, words: err.Error(), dials: len(r.Attempts)}
		return s.acts.RecordResult(ctx, end.input(bad))
	}
	dial, dialling := openDial(r)
	switch cancelled := !r.CancelRequestedAt.IsZero(); {
	case cancelled && !dialling:
		return s.workflow.Cancel(ctx, r.ID) // ends it in its row
	case cancelled: // the new workflow may be cancelled before it has come to this dial
		in := CallInput{Task: t, N: dial.N, Key: dial.Key, Provider: dial.Provider, CallID: dial.CallID, Cancel: true}
		if _, err := s.acts.EndCall(ctx, in); err != nil {
			return err
		}
	}
	if err := s.restart(ctx, t); err != nil {
		return err
	}
	if !r.CancelRequestedAt.IsZero() {
		return s.workflow.Cancel(ctx, r.ID) // which hangs up
	}
	return nil
}

// engine is what the sweeper asks of a Client beyond what every Workflow does.
type engine interface {
	// restart starts the workflow of a task again, where it was cut off.
	restart(ctx context.Context, t Task) error
	// outcome is the result of a workflow that completed.
	outcome(ctx context.Context, taskID string) (Result, bool)
}

// restart hands a task to a new workflow: nothing is dialled that the rows do not
// allow. A workflow that completed although its row is open tells the result: the
// row was lost, and came back older.
func (s *Sweeper) restart(ctx context.Context, t Task) error {
	e, ok := s.workflow.(engine)
	if !ok {
		return s.workflow.Submit(ctx, t)
	}
	if res, completed := e.outcome(ctx, t.ID); completed && !leftToOther(res) {
		s.cfg.Logger.ErrorContext(ctx, "a task had ended, but its row is open: the store has lost a write; recording the result again", "task_id", t.ID)
		return s.acts.RecordResult(ctx, ResultInput{Task: t, Result: res})
	}
	s.cfg.Logger.WarnContext(ctx, "nothing follows an open task: its workflow is started again", "task_id", t.ID)
	s.raw.notice(ctx, provider.NoticeUnfollowed, "", t.ID, "")
	return e.restart(ctx, t)
}

// leftToOther reports that a workflow ended because the other engine had its task.
func leftToOther(r Result) bool { return strings.HasPrefix(r.Reason, RuleOtherEngine+":") }

func (c *Client) restart(ctx context.Context, t Task) error { return c.start(ctx, t, false) }

// outcome asks for the result of a workflow that does not run.
func (c *Client) outcome(ctx context.Context, taskID string) (Result, bool) {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var res Result
	err := c.temporal.GetWorkflow(bounded, WorkflowID(taskID), "").Get(bounded, &res)
	return res, err == nil && res.TaskID == taskID
}

// endSecondCalls hangs up what a dial has too many, see activities.endSecondCalls.
func (s *Sweeper) endSecondCalls(ctx context.Context, r store.Record) {
	for _, a := range r.Attempts {
		if p, ok := s.cfg.Providers.Lookup(a.Provider); ok && len(a.OtherCallIDs) > 0 {
			s.raw.endSecondCalls(ctx, p, a)
		}
	}
}

var _ engine = (*Client)(nil)
