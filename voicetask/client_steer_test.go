package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestUnknownTask is what every method says of an id that nothing is known of.
func TestUnknownTask(t *testing.T) {
	d := newDesk(t)
	d.temporal.signalErr, d.temporal.cancelErr, d.temporal.describeErr, d.temporal.queryErr, d.temporal.resultErr = errGone, errGone, errGone, errGone, errGone
	unknownTo(t, d.Client)
	require.Empty(t, d.temporal.signals)
	require.Empty(t, d.temporal.cancels)
}

// unknownTo checks that w knows nothing of the task "nobody".
func unknownTo(t *testing.T, w voicetask.Workflow) {
	t.Helper()
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Cancel":  func() error { return w.Cancel(ctx, "nobody") },
		"Hold":    func() error { return w.Hold(ctx, "nobody", "why") },
		"Resume":  func() error { return w.Resume(ctx, "nobody") },
		"State":   func() error { _, err := w.State(ctx, "nobody"); return err },
		"Wait":    func() error { _, err := w.Wait(ctx, "nobody"); return err },
		"Settle":  func() error { return w.Settle(ctx, "nobody/1", provider.Call{Outcome: provider.OutcomeBusy}) },
		"Erase":   func() error { return w.Erase(ctx, "nobody") },
		"Running": func() error { _, err := w.Running(ctx, "nobody"); return err },
	} {
		err := call()
		require.ErrorIs(t, err, voicetask.ErrUnknownTask, name)
		require.ErrorContains(t, err, "nobody", name)
	}
}

func TestCancelMarksTheRowFirst(t *testing.T) {
	d := placed(t)
	require.NoError(t, d.Cancel(t.Context(), "t1"))
	require.Equal(t, start, d.row(t).CancelRequestedAt)
	require.Equal(t, []string{"voice-task-t1"}, d.temporal.cancels)

	d.temporal.cancelErr = errServerDown
	require.ErrorIs(t, d.Cancel(t.Context(), "t1"), errServerDown)
	require.Equal(t, start, d.row(t).CancelRequestedAt, "the mark stands, and keeps it from dialling")
}

func TestCancelWithTheStoreDown(t *testing.T) {
	d := placed(t)
	d.store.before = func(string, store.Record) error { return errStoreDown }
	require.ErrorIs(t, d.Cancel(t.Context(), "t1"), errStoreDown)
	require.Empty(t, d.temporal.cancels)
}

// TestCancelOfATaskThatNothingFollows ends it, unless a dial is open.
func TestCancelOfATaskThatNothingFollows(t *testing.T) {
	for state, ends := range map[store.AttemptState]bool{
		"": true, store.AttemptReserved: true, store.AttemptAborted: true, store.AttemptNotSent: true, store.AttemptEnded: true, store.AttemptUnknown: true,
		store.AttemptSending: false, store.AttemptPlaced: false,
	} {
		t.Run("dial "+string(state), func(t *testing.T) {
			d := newDesk(t)
			seed(t, d.store, func(r *store.Record) {
				r.Owner = "temporal"
				if state != "" {
					r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: state}}
				}
			})
			d.temporal.cancelErr = errGone
			require.NoError(t, d.Cancel(t.Context(), "t1"))
			row := d.row(t)
			require.False(t, row.CancelRequestedAt.IsZero())
			if !ends {
				require.False(t, row.Status.Terminal(), "that is settled by the provider's word")
				return
			}
			if state == store.AttemptUnknown { // nobody can say that it was cancelled before it rang
				require.Equal(t, store.StatusFailed, row.Status)
				require.Equal(t, provider.OutcomeUnknown, row.Outcome)
				require.Equal(t, voicetask.RuleUnknown, rule(row.Reason))
				return
			}
			require.Equal(t, store.StatusCancelled, row.Status)
			require.Equal(t, provider.OutcomeCancelled, row.Outcome)
			require.Equal(t, "cancel", rule(row.Reason))
			res, err := d.Wait(t.Context(), "t1")
			require.NoError(t, err)
			require.Equal(t, provider.OutcomeCancelled, res.Outcome)
			require.NotContains(t, []store.AttemptState{store.AttemptReserved}, lastState(row))
		})
	}
}

func lastState(r store.Record) store.AttemptState {
	if n := len(r.Attempts); n > 0 {
		return r.Attempts[n-1].State
	}
	return ""
}

func TestCancelOfATaskThatHasEnded(t *testing.T) {
	d := newDesk(t)
	before := seed(t, d.store, func(r *store.Record) { r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeCompleted })
	require.NoError(t, d.Cancel(t.Context(), "t1"))
	require.Equal(t, before, d.row(t))
	require.Empty(t, d.temporal.cancels)
}

func TestHoldAndResume(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(*store.Record) {})
	require.NoError(t, d.Hold(t.Context(), "t1", "customer asked"))
	require.Equal(t, store.StatusHold, d.row(t).Status)
	require.Equal(t, "hold: customer asked", d.row(t).Reason)
	require.NoError(t, d.Resume(t.Context(), "t1"))
	require.Equal(t, store.StatusPending, d.row(t).Status)
	require.Empty(t, d.row(t).Reason)
	require.Equal(t, start, d.row(t).DueAt)
	require.Equal(t, []sentSignal{{"voice-task-t1", "hold", "customer asked"}, {"voice-task-t1", "resume", nil}}, d.temporal.signals)
}

// TestResumeGivesBackTheStatus that the dials tell of.
func TestResumeGivesBackTheStatus(t *testing.T) {
	for state, want := range map[store.AttemptState]store.Status{
		store.AttemptPlaced: store.StatusInProgress, store.AttemptSending: store.StatusProcessing, store.AttemptReserved: store.StatusProcessing,
		store.AttemptNotSent: store.StatusProcessing, store.AttemptEnded: store.StatusPending, store.AttemptAborted: store.StatusPending,
	} {
		d := newDesk(t)
		seed(t, d.store, func(r *store.Record) {
			r.Status, r.Attempts = store.StatusHold, []store.Attempt{{N: 1, Key: "t1/1", State: state}}
		})
		require.NoError(t, d.Resume(t.Context(), "t1"))
		require.Equal(t, want, d.row(t).Status, state)
	}
}

// TestHoldOfATaskWithoutAWorkflow: the row alone keeps it from its next dial.
func TestHoldOfATaskWithoutAWorkflow(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(*store.Record) {})
	d.temporal.signalErr = errGone
	require.NoError(t, d.Hold(t.Context(), "t1", ""))
	require.Equal(t, store.StatusHold, d.row(t).Status)
	require.NoError(t, d.Resume(t.Context(), "t1"))

	d.temporal.signalErr = errServerDown
	require.ErrorIs(t, d.Hold(t.Context(), "t1", ""), errServerDown)
	require.Equal(t, store.StatusHold, d.row(t).Status, "the row's hold stands")
}

func TestHoldOfATaskThatHasEnded(t *testing.T) {
	d := newDesk(t)
	before := seed(t, d.store, func(r *store.Record) { r.Status = store.StatusFailed })
	require.NoError(t, d.Hold(t.Context(), "t1", ""))
	require.NoError(t, d.Resume(t.Context(), "t1"))
	require.Equal(t, before, d.row(t))
}

// TestStateAsksTheWorkflow, and the row where it does not answer.
func TestStateAsksTheWorkflow(t *testing.T) {
	d := placed(t)
	d.temporal.state = voicetask.State{TaskID: "t1", Status: store.StatusInProgress, Dial: 1, CallID: "call-1", Call: provider.StatusInProgress, Until: start}
	s, err := d.State(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, d.temporal.state, s)

	for _, queryErr := range []error{errGone, errServerDown, serviceerror.NewQueryFailed("no worker"), context.DeadlineExceeded} {
		d.temporal.queryErr = queryErr
		s, err = d.State(t.Context(), "t1")
		require.NoError(t, err)
		require.Equal(t, voicetask.State{TaskID: "t1", Status: store.StatusInProgress, Dial: 1, Provider: "vapi", CallID: "call-1", Call: provider.StatusQueued}, s)
	}

	d.store.before = func(string, store.Record) error { return errStoreDown }
	_, err = d.State(t.Context(), "t1")
	require.ErrorIs(t, err, errStoreDown)
}

func TestStateOfARow(t *testing.T) {
	d := newDesk(t)
	d.temporal.queryErr = errGone
	seed(t, d.store, func(r *store.Record) {
		r.Status, r.Reason, r.DueAt = store.StatusScheduled, "hours: closed", start.Add(time.Hour)
	})
	s, err := d.State(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, voicetask.State{TaskID: "t1", Status: store.StatusScheduled, Reason: "hours: closed", Until: start.Add(time.Hour)}, s)

	_, err = store.Modify(t.Context(), d.store, "t1", func(r *store.Record) error {
		r.Status, r.Reason = store.StatusFailed, "outcome: busy"
		r.Attempts = []store.Attempt{{N: 1, Provider: "vapi", State: store.AttemptEnded, CallID: "call-1"}}
		return nil
	})
	require.NoError(t, err)
	d.temporal.queryErr = errors.New("a task that has ended needs no question")
	s, err = d.State(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, voicetask.State{TaskID: "t1", Status: store.StatusFailed, Dial: 1, Provider: "vapi", CallID: "call-1", Call: provider.StatusEnded, Reason: "outcome: busy"}, s)
}

// TestTaskOfADirect is told of by its row: no workflow knows it.
func TestTaskOfADirect(t *testing.T) {
	d := ended(t, provider.OutcomeBusy, func(r *store.Record) { r.Owner = "direct:1" })
	d.temporal.resultErr, d.temporal.queryErr = errServerDown, errServerDown
	res, err := d.Wait(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeBusy, res.Outcome)

	d = newDesk(t)
	seed(t, d.store, func(r *store.Record) {
		r.Owner, r.Status, r.Reason = "direct:1", store.StatusScheduled, "hours: closed"
	})
	d.temporal.state = voicetask.State{TaskID: "t1", Reason: "of a workflow of another engine"}
	s, err := d.State(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, "hours: closed", s.Reason)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = d.Wait(ctx, "t1")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// ended is a desk with a task that has ended with that outcome.
func ended(t *testing.T, o provider.Outcome, change func(r *store.Record)) *desk {
	t.Helper()
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) {
		r.Status, r.Outcome, r.Owner, r.Reason = store.StatusFailed, o, "temporal", "why"
		r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptEnded, Outcome: o, CallID: "call-1", CostUSD: 0.1, EndedAt: start, Reason: "said +1415"}}
		r.Result = []byte(`{"status":"failed","outcome":"` + string(o) + `","task_id":"t1","dials":1,"data":{"call_id":"call-1","transcript":"stored"}}`)
		if change != nil {
			change(r)
		}
	})
	return d
}

// TestWaitPrefersTheRow: it may say more than the workflow.
func TestWaitPrefersTheRow(t *testing.T) {
	d := ended(t, provider.OutcomeBusy, nil)
	d.temporal.result = voicetask.Result{Outcome: provider.OutcomeBusy, TaskID: "t1"}
	res, err := d.Wait(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, "stored", res.Data.Transcript)
	require.Equal(t, provider.OutcomeBusy, res.Outcome)

	d.temporal.resultErr = errGone // beyond the namespace's retention
	res, err = d.Wait(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, "stored", res.Data.Transcript)

	d.temporal.resultErr = nil
	d.store.before = func(string, store.Record) error { return errStoreDown }
	res, err = d.Wait(t.Context(), "t1")
	require.NoError(t, err, "the workflow's word is enough")
	require.Equal(t, d.temporal.result, res)
}

// TestWaitForATaskThatCouldNotBeRun: it has a result and no error, as with a Direct.
func TestWaitForATaskThatCouldNotBeRun(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(*store.Record) {})
	d.temporal.resultErr = errors.New("workflow execution error")
	_, err := d.Wait(t.Context(), "t1")
	require.ErrorIs(t, err, d.temporal.resultErr, "the row is open, and it is not known why")

	d = ended(t, provider.OutcomeConfigError, nil)
	d.temporal.resultErr = errors.New("workflow execution error")
	res, err := d.Wait(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeConfigError, res.Outcome)
}

// TestWaitForATaskThatNothingFollows waits for the row: somebody will come to it.
func TestWaitForATaskThatNothingFollows(t *testing.T) {
	for name, c := range map[string]struct {
		err error
		res voicetask.Result
	}{
		"no workflow":       {err: errGone},
		"terminated":        {err: &temporal.WorkflowExecutionError{}},
		"left to the other": {res: voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Reason: voicetask.RuleOtherEngine + ": carried out by direct"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := placed(t)
				d.temporal.resultErr, d.temporal.result = c.err, c.res
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := d.Wait(ctx, "t1")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				time.AfterFunc(time.Minute, func() {
					_, _ = store.Modify(context.Background(), d.store, "t1", func(r *store.Record) error {
						r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeCompleted
						return nil
					})
				})
				res, err := d.Wait(t.Context(), "t1")
				require.NoError(t, err)
				require.Equal(t, provider.OutcomeCompleted, res.Outcome)
			})
		})
	}
}

// TestSettle gives an unknown dial, and its task, the outcome an operator tells.
func TestSettle(t *testing.T) {
	d := ended(t, provider.OutcomeUnknown, func(r *store.Record) {
		r.Attempts[0] = store.Attempt{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptUnknown, Outcome: provider.OutcomeUnknown, Sends: 1, SentAt: start}
		r.Result = []byte(`{"status":"failed","outcome":"unknown","task_id":"t1","dials":1,"data":{}}`)
	})
	require.NoError(t, d.Settle(t.Context(), "t1/1", provider.Call{ID: "call-7", Outcome: provider.OutcomeCompleted, Reason: "operator", Transcript: "hello", CostUSD: 0.2}))
	row := d.row(t)
	require.Equal(t, store.StatusCompleted, row.Status)
	require.Equal(t, provider.OutcomeCompleted, row.Outcome)
	require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
	require.Equal(t, provider.CallID("call-7"), row.Attempts[0].CallID)
	res := storedResult(t, row)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, store.StatusCompleted, res.Status)
	require.Equal(t, "hello", res.Data.Transcript)
	require.InDelta(t, 0.2, res.Data.CostUSD, 0)
	require.Equal(t, "outcome: told late: operator", res.Reason)
	require.Equal(t, "+14155550100", res.Data.ContactNumber)

	require.Error(t, d.Settle(t.Context(), "t1/1", provider.Call{Outcome: provider.OutcomeBusy}), "once")
}

func TestSettleWithoutACallID(t *testing.T) {
	d := ended(t, provider.OutcomeUnknown, func(r *store.Record) { r.Attempts[0].State, r.Attempts[0].CallID = store.AttemptUnknown, "" })
	require.NoError(t, d.Settle(t.Context(), "t1/1", provider.Call{Outcome: provider.OutcomeNoAnswer, Reason: "the log says so"}))
	require.Equal(t, provider.OutcomeNoAnswer, d.row(t).Outcome)
	require.Equal(t, store.StatusFailed, d.row(t).Status)
}

// TestSettleOfACallFoundLate: after its task had ended unknown it was seen once, and
// nobody has told its end.
func TestSettleOfACallFoundLate(t *testing.T) {
	d := ended(t, provider.OutcomeUnknown, func(r *store.Record) {
		r.Attempts[0] = store.Attempt{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptUnknown, Outcome: provider.OutcomeUnknown, Sends: 1, SentAt: start}
		r.Result = []byte(`{"status":"failed","outcome":"unknown","task_id":"t1","dials":1,"data":{}}`)
	})
	require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusInProgress}}))
	require.Equal(t, store.AttemptPlaced, d.row(t).Attempts[0].State)
	require.ErrorContains(t, d.Settle(t.Context(), "t1/1", provider.Call{ID: "call-2", Outcome: provider.OutcomeBusy}), "another call")
	require.NoError(t, d.Settle(t.Context(), "t1/1", provider.Call{Outcome: provider.OutcomeNoAnswer}))
	row := d.row(t)
	require.Equal(t, provider.OutcomeNoAnswer, row.Outcome)
	require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
	require.Equal(t, provider.CallID("call-1"), storedResult(t, row).Data.CallID)
}

// TestSettleLeavesACallThatIsUp to those who follow it.
func TestSettleLeavesACallThatIsUp(t *testing.T) {
	d := placed(t)
	require.ErrorContains(t, d.Settle(t.Context(), "t1/1", provider.Call{Outcome: provider.OutcomeNoAnswer}), "not unknown")
}

// TestSettleOfAnEarlierDial leaves the task's outcome alone.
func TestSettleOfAnEarlierDial(t *testing.T) {
	d := ended(t, provider.OutcomeUnknown, func(r *store.Record) {
		r.Attempts = []store.Attempt{
			{N: 1, Key: "t1/1", State: store.AttemptEnded, Outcome: provider.OutcomeUnknown},
			{N: 2, Key: "t1/2", State: store.AttemptUnknown, Outcome: provider.OutcomeUnknown},
		}
	})
	require.NoError(t, d.Settle(t.Context(), "t1/1", provider.Call{Outcome: provider.OutcomeBusy}))
	require.Equal(t, provider.OutcomeBusy, d.row(t).Attempts[0].Outcome)
	require.Equal(t, provider.OutcomeUnknown, d.row(t).Outcome)
}

func TestSettleRefuses(t *testing.T) {
	d := ended(t, provider.OutcomeBusy, nil)
	for name, c := range map[string]struct {
		key  string
		call provider.Call
		says string
	}{
		"no key":        {"t1", provider.Call{Outcome: provider.OutcomeBusy}, "<task_id>/<n>"},
		"no outcome":    {"t1/1", provider.Call{}, "end.Outcome"},
		"unknown":       {"t1/1", provider.Call{Outcome: provider.OutcomeUnknown}, "end.Outcome"},
		"what is known": {"t1/1", provider.Call{Outcome: provider.OutcomeCompleted}, "not unknown"},
		"no such dial":  {"t1/2", provider.Call{Outcome: provider.OutcomeCompleted}, "not unknown"},
	} {
		require.ErrorContains(t, d.Settle(t.Context(), c.key, c.call), c.says, name)
	}
	require.Equal(t, provider.OutcomeBusy, d.row(t).Outcome)

	d = ended(t, provider.OutcomeUnknown, nil)
	err := d.Settle(t.Context(), "t1/1", provider.Call{ID: "call-2", Outcome: provider.OutcomeBusy})
	require.ErrorContains(t, err, "another call")
	require.Empty(t, d.row(t).Attempts[0].OtherCallIDs)
}

// TestErase blanks what is personal and keeps the ledger.
func TestErase(t *testing.T) {
	d := ended(t, provider.OutcomeBusy, nil)
	require.NoError(t, d.Erase(t.Context(), "t1"))
	row := d.row(t)
	require.Empty(t, row.To)
	require.Empty(t, row.Task)
	require.Equal(t, "erased", row.Reason)
	require.Equal(t, provider.OutcomeBusy, row.Outcome)
	require.Equal(t, store.StatusFailed, row.Status)
	require.Equal(t, []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptEnded, Outcome: provider.OutcomeBusy, CallID: "call-1", CostUSD: 0.1, EndedAt: start}}, row.Attempts)
	require.Equal(t, voicetask.Result{
		Status: store.StatusFailed, TaskID: "t1", Outcome: provider.OutcomeBusy, Reason: "erased", Dials: 1,
		Data: voicetask.CallResult{CallID: "call-1", Provider: "vapi", CostUSD: 0.1, EndTime: start},
	}, storedResult(t, row))

	require.NoError(t, d.Erase(t.Context(), "t1"), "again is no error")
	require.Equal(t, row, d.row(t))
}

func TestEraseOfAnOpenTask(t *testing.T) {
	d := placed(t)
	before := d.row(t)
	require.ErrorContains(t, d.Erase(t.Context(), "t1"), "cancel it or wait")
	require.Equal(t, before, d.row(t))
}

// TestNothingPersonalComesBackIntoAnErasedRow: a webhook may be late, or come twice.
func TestNothingPersonalComesBackIntoAnErasedRow(t *testing.T) {
	for _, o := range []provider.Outcome{provider.OutcomeCompleted, provider.OutcomeUnknown} {
		d := ended(t, o, nil)
		require.NoError(t, d.Erase(t.Context(), "t1"))
		require.NoError(t, d.Deliver(t.Context(), endOfCall()))
		row := d.row(t)
		require.NotContains(t, string(row.Result), "secret", o)
		require.NotContains(t, string(row.Result), "+1415", o)
		require.NotContains(t, row.Reason+row.Attempts[0].Reason, "+1415", o)
		require.InDelta(t, 0.5, row.Attempts[0].CostUSD, 0, "the ledger goes on")
	}
}

func TestRunning(t *testing.T) {
	d := placed(t)
	for status, want := range map[enumspb.WorkflowExecutionStatus]bool{
		enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING: true, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED: false, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: false,
	} {
		d.temporal.status = status
		running, err := d.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.Equal(t, want, running, status)
	}
	d.temporal.describeErr = errGone
	running, err := d.Running(t.Context(), "t1")
	require.NoError(t, err)
	require.False(t, running, "a row without a workflow")

	d.temporal.describeErr = errServerDown
	_, err = d.Running(t.Context(), "t1")
	require.ErrorIs(t, err, errServerDown)
}
