package voicetask

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// VoiceTaskWorkflow runs a task to its end. Its Go name is its Temporal name, so a
// call by reference cannot reach another package's function. Cancelling it ends a
// live call; the result then has Status cancelled and no error. An error means the
// task could not be run at all (type ErrTypeSelection: no provider fits). Do not
// call it inline from another workflow: use ExecuteChild.
func VoiceTaskWorkflow(ctx workflow.Context, t Task) (Result, error) {
	w := &taskRun{task: t, state: State{TaskID: t.ID, Status: store.StatusPending}}
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryState, func() (State, error) { return w.shown(), nil },
		workflow.QueryHandlerOptions{Description: "What the task is doing: status, dial, call, and when it acts next by itself"}); err != nil {
		return Result{}, err
	}
	w.listen(ctx)
	end, err := w.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return Result{}, err
	}
	return w.record(ctx, end, err)
}

// taskRun is one run of the workflow. All that it decides follows from its input,
// its signals and its activities' answers; Config never reaches it.
type taskRun struct {
	task     Task
	state    State
	policy   Policy
	provider string
	call     provider.Call      // of the current dial
	earlier  []provider.Outcome // of the dials before it
	previous provider.Call      // the dial before it
	// previousProvider placed it.
	previousProvider string
	// notBefore is when the policy allows the current dial.
	notBefore time.Time

	cancelledAt time.Time // while a dial was being placed

	held    bool
	why     string           // it is held
	resumes int              // told so far
	events  []provider.Event // not looked at yet
}

// listen collects signals from now on, so that none that came early is lost.
func (w *taskRun) listen(ctx workflow.Context) {
	holds := workflow.GetSignalChannel(ctx, SignalHold)
	resumes := workflow.GetSignalChannel(ctx, SignalResume)
	events := workflow.GetSignalChannel(ctx, SignalCallEvent)
	workflow.GoNamed(ctx, "signals", func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(holds, func(c workflow.ReceiveChannel, _ bool) {
			c.Receive(ctx, &w.why)
			w.held = true
			w.tell(ctx)
		})
		selector.AddReceive(resumes, func(c workflow.ReceiveChannel, _ bool) {
			c.Receive(ctx, nil)
			w.held, w.why = false, ""
			w.resumes++
			w.tell(ctx)
		})
		selector.AddReceive(events, func(c workflow.ReceiveChannel, _ bool) {
			var e provider.Event
			c.Receive(ctx, &e)
			w.events = append(w.events, e)
		})
		for {
			selector.Select(ctx)
		}
	})
}

// run dials until the task is decided.
func (w *taskRun) run(ctx workflow.Context) (ending, error) {
	for n := 1; ; {
		if err := w.untilResumed(ctx); err != nil {
			return w.ended(n-1, provider.OutcomeCancelled, RuleCancel, cancelledBefore(n)), nil
		}
		resumes := w.resumes
		d, err := w.dial(ctx, n)
		if err != nil {
			return w.ended(n-1, provider.OutcomeConfigError, RuleSelection, ""), err
		}
		w.policy, w.provider = d.Policy, d.Provider
		switch {
		case d.End != "":
			w.call = d.Call
			dials := n
			if d.Call.Status == "" {
				dials = n - 1 // judged before the dial
			}
			return w.ended(dials, d.End, d.Rule, d.Reason), nil
		case !d.DialAt.IsZero():
			if err := w.putOff(ctx, d, resumes); err != nil {
				return w.ended(n-1, provider.OutcomeCancelled, RuleCancel, cancelledBefore(n)), nil
			}
			if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
				// No dial is open, and the rows know all that this run does.
				return ending{}, workflow.NewContinueAsNewError(ctx, WorkflowName, w.task)
			}
			continue // the same dial, judged again
		}
		w.call = d.Call
		fill(&w.cancelledAt, d.CancelRequestedAt)
		if over := w.follow(ctx, n, d); over != "" {
			return w.ended(n, w.outcomeOver(over), over, w.call.Reason), nil
		}
		if w.cancelledFirst() {
			return w.ended(n, provider.OutcomeCancelled, RuleCancel, w.call.Reason), nil
		}
		wait, again, rule := w.policy.next(w.task, n, w.call, w.earlier)
		switch {
		case !again && w.hungUpLate():
			return w.ended(n, w.outcomeOver(RuleDeadline), RuleDeadline, w.call.Reason), nil
		case !again:
			return w.ended(n, w.call.Outcome, rule, w.call.Reason), nil
		}
		w.earlier = append(w.earlier, w.call.Outcome)
		w.previous, w.previousProvider = w.call, w.provider
		w.notBefore = time.Time{}
		if wait > 0 {
			w.notBefore = w.endedAt(ctx, d).Add(wait)
		}
		n++
		w.call = provider.Call{}
	}
}

// endedAt is from when the wait for the next dial counts: from now, but not anew where a
// run before this one has seen the end.
func (w *taskRun) endedAt(ctx workflow.Context, d Dialled) time.Time {
	now := workflow.Now(ctx)
	if at := d.Call.EndedAt; d.Call.Status == provider.StatusEnded && !at.IsZero() && at.Before(now) {
		return at
	}
	return now
}

// ended describes how the task ended.
func (w *taskRun) ended(dials int, o provider.Outcome, rule, words string) ending {
	if dials < len(w.earlier) {
		dials = len(w.earlier)
	}
	e := ending{outcome: o, rule: rule, words: words, provider: w.provider, call: w.call, dials: dials}
	if w.call.Status == "" && w.previous.Status != "" {
		e.call, e.lastDial, e.provider = w.previous, w.previous.Outcome, w.previousProvider
	}
	return e
}

// outcomeOver is the outcome of a dial that we ended ourselves.
func (w *taskRun) outcomeOver(rule string) provider.Outcome {
	if rule == RuleDeadline {
		return provider.OutcomeTimedOut
	}
	return provider.OutcomeCancelled
}

// cancelledFirst reports whether a dial that was cancelled while it was being
// placed ended after that: because of it, as far as anybody can tell. Of a dial whose
// request may still ring a phone nobody can tell anything.
func (w *taskRun) cancelledFirst() bool {
	return !maybeRings(w.call) && !w.cancelledAt.IsZero() && (w.call.EndedAt.IsZero() || !w.call.EndedAt.Before(w.cancelledAt.Add(-clockSlack)))
}

// hungUpLate reports whether a run before this one hung up at the deadline. It counts by the
// platform's clock, where that is told; that run's deadline was no earlier, since it
// counted from the answer to its request.
func (w *taskRun) hungUpLate() bool {
	from := w.call.CreatedAt
	if from.IsZero() {
		from = w.call.AnsweredAt
	}
	return !from.IsZero() && hungUpLate(w.call, from.Add(w.policy.MaxCallDuration))
}

// clockSlack is how much a platform's clock may be behind ours.
const clockSlack = time.Second

// untilResumed waits while the task is on hold. Its error is the cancellation.
func (w *taskRun) untilResumed(ctx workflow.Context) error {
	if w.held {
		w.show(ctx, State{Status: store.StatusHold, Dial: len(w.earlier), Reason: reason(RuleHold, w.why)})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Signals of two callers may have crossed: after a while the row is asked, which
	// is the truth.
	_, err := awaitFor(ctx, holdRecheck, "on hold", func() bool { return !w.held })
	return err
}

// holdRecheck is how long a task on hold waits for Resume before it asks its row.
const holdRecheck = 10 * time.Minute

// putOff waits until the dial may be tried again. On hold there is nothing to
// wait for but Resume: the row may have said hold before any signal came, so what
// counts is a Resume since the dial was judged.
func (w *taskRun) putOff(ctx workflow.Context, d Dialled, resumes int) error {
	status := store.StatusScheduled
	if d.Rule == RuleHold {
		status = store.StatusHold
	}
	w.show(ctx, State{Status: status, Dial: len(w.earlier), Until: d.DialAt, Reason: reason(d.Rule, d.Reason)})
	wait := d.DialAt.Sub(workflow.Now(ctx))
	if wait <= 0 {
		wait = time.Second // a clock that runs ahead must not make this a busy loop
	}
	if d.Rule == RuleHold {
		_, err := awaitFor(ctx, wait, "on hold", func() bool { return w.resumes != resumes })
		return err
	}
	return w.sleep(ctx, wait, "put off: "+d.Rule)
}

func (w *taskRun) sleep(ctx workflow.Context, d time.Duration, summary string) error {
	return workflow.NewTimerWithOptions(ctx, d, workflow.TimerOptions{Summary: summary}).Get(ctx, nil)
}

// awaitFor waits until ok is true, for at most limit, and says whether it is. Its
// error is the cancellation of ctx. The timer goes with the wait: the SDK's own
// AwaitWithTimeout leaves it running, to wake the workflow for nothing.
func awaitFor(ctx workflow.Context, limit time.Duration, summary string, ok func() bool) (bool, error) {
	if ok() {
		return true, nil
	}
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timerCtx, limit, workflow.TimerOptions{Summary: summary})
	met := false
	err := workflow.Await(ctx, func() bool {
		met = ok()
		return met || timer.IsReady()
	})
	if err == nil && !met {
		err = ctx.Err() // a cancellation makes the timer ready at once
	}
	return met && err == nil, err
}

// dial runs execute_call_activity, which is never cancelled: it may be in
// mid-send. A cancellation meanwhile ends whatever can be ended already.
func (w *taskRun) dial(ctx workflow.Context, n int) (Dialled, error) {
	w.show(ctx, State{Status: store.StatusProcessing, Dial: n})
	detached, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	in := w.input(n)
	in.Previous, in.NotBefore = w.previous, w.notBefore
	in.Previous.Transcript, in.Previous.Summary, in.Previous.RecordingURL = "", "", "" // the ledger has no place for them
	future := workflow.ExecuteActivity(executeOptions(detached, n), ActivityName, in)
	if err := workflow.Await(ctx, future.IsReady); err != nil {
		w.cancelledAt = workflow.Now(ctx)
		in := w.input(n)
		in.Cancel = true
		ending := workflow.ExecuteActivity(endOptions(detached, n, in.Policy), ActivityEndCall, in)
		_ = workflow.Await(detached, func() bool { return future.IsReady() || ending.IsReady() }) // never cancelled
		var c provider.Call
		if !future.IsReady() && ending.Get(detached, &c) == nil && c.Status == provider.StatusEnded && c.ID == "" {
			// Nothing was sent, and the row's mark keeps it so: the activity, waiting for
			// its next send perhaps, is of no more use.
			return Dialled{End: provider.OutcomeCancelled, Rule: RuleCancel, Reason: "cancelled before the dial", Provider: w.provider, Policy: w.policy}, nil
		}
		var d Dialled
		err := future.Get(detached, &d)
		_ = ending.Get(detached, nil) // what it ended, execute or the following reports
		return d, selectionError(err)
	}
	var d Dialled
	err := future.Get(detached, &d)
	return d, selectionError(err)
}

// selectionError makes an error that ends the workflow of the activity's: the type
// is what a caller matches.
func selectionError(err error) error {
	var application *temporal.ApplicationError
	if errors.As(err, &application) && application.Type() == ErrTypeSelection {
		return temporal.NewNonRetryableApplicationError(application.Message(), ErrTypeSelection, nil)
	}
	return err
}

func (w *taskRun) input(n int) CallInput {
	return CallInput{Task: w.task, N: n, Key: provider.Key(w.task.ID, n), Provider: w.provider, CallID: w.call.ID, Policy: w.policy}
}

// record writes the result, and returns it.
func (w *taskRun) record(ctx workflow.Context, end ending, cause error) (Result, error) {
	if cause != nil {
		var application *temporal.ApplicationError
		if errors.As(cause, &application) {
			end.err = application.Message()
		} else {
			end.err = "the activity failed"
		}
		end.words = end.err
	}
	res := end.result(w.task)
	w.show(ctx, State{Status: res.Status, Dial: res.Dials, Reason: res.Reason})
	if end.rule == RuleOtherEngine || end.rule == RuleClosed {
		return res, cause // nothing here is ours to write
	}
	detached, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	if err := workflow.ExecuteActivity(recordOptions(detached), ActivityRecordResult, end.input(w.task)).Get(detached, nil); err != nil {
		return res, err
	}
	return res, cause
}

// show makes what the task is doing visible: to the query, and to a person in the
// Web UI. Neither holds a number.
func (w *taskRun) show(ctx workflow.Context, s State) {
	s.TaskID, s.Provider, s.CallID, s.Call = w.task.ID, w.provider, w.call.ID, w.call.Status
	w.state = s
	w.tell(ctx)
}

func (w *taskRun) tell(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, w.shown().text(w.task, w.task.maxDials(w.policy)))
}

// shown is the state, and hold where the task waits for something else besides.
func (w *taskRun) shown() State {
	s := w.state
	if w.held && (s.Status == store.StatusPending || s.Status == store.StatusScheduled) {
		s.Status, s.Reason, s.Until = store.StatusHold, reason(RuleHold, w.why), time.Time{}
	}
	return s
}
