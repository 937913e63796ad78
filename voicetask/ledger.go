package voicetask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// ledger is what Client and Direct do to a task's row from outside its engine.
type ledger struct {
	store   store.Store
	now     func() time.Time
	observe func(ctx context.Context, n provider.Notice)
	logger  *slog.Logger
}

func (l ledger) get(ctx context.Context, taskID string) (store.Record, error) {
	rec, err := l.store.Get(ctx, taskID)
	return rec, unknownTask(taskID, err)
}

// modify is store.Modify with our errors. A change that returns errNoChange is no
// error.
func (l ledger) modify(ctx context.Context, taskID string, change func(r *store.Record) error) (store.Record, error) {
	rec, err := store.Modify(ctx, l.store, taskID, change)
	if errors.Is(err, errNoChange) {
		return rec, nil
	}
	return rec, unknownTask(taskID, err)
}

func unknownTask(taskID string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %s", ErrUnknownTask, taskID)
	case err != nil:
		return quiet(Task{ID: taskID}, fmt.Errorf("voicetask: task %s: %w", taskID, err))
	}
	return nil
}

// submit writes the pending row, or finds the one that is there.
func (l ledger) submit(ctx context.Context, t Task) (rec store.Record, isNew bool, err error) {
	if err := t.Validate(); err != nil {
		return store.Record{}, false, err
	}
	fresh, err := pendingRecord(t, l.now())
	if err != nil {
		return store.Record{}, false, err
	}
	rec, err = l.store.Create(ctx, fresh)
	switch {
	case err == nil:
		return rec, true, nil
	case !errors.Is(err, store.ErrExists):
		return store.Record{}, false, fmt.Errorf("voicetask: writing the row of task %s: %w", t.ID, err)
	}
	kind := provider.NoticeDuplicateTask
	if len(rec.Task) > 0 && !sameTask(rec.Task, t) {
		kind = provider.NoticePayloadConflict
		l.logger.WarnContext(ctx, "a task id came again with another payload: the first one stands", "task_id", t.ID)
	}
	l.observe(ctx, provider.Notice{Kind: kind, TaskID: t.ID, N: 1})
	return rec, false, nil
}

// delivery is what deliver did.
type delivery struct {
	rec     store.Record
	event   provider.Event // with the key of its dial
	changed bool
	second  bool // its call is another one than the dial's, seen for the first time
}

// deliver finds the task of an event and writes what it proves. A change is what
// the engine must hear of: a call id, an answer, an end.
func (l ledger) deliver(ctx context.Context, e provider.Event) (delivery, error) {
	e.Call, e.At = writable(e.Call), writableTime(e.At)
	taskID, n, err := l.locate(ctx, &e)
	if err != nil {
		return delivery{}, err
	}
	d := delivery{event: e}
	d.rec, err = store.Modify(ctx, l.store, taskID, func(r *store.Record) error {
		if err := d.apply(r, n, l.now()); err != nil {
			return err
		}
		if d.changed && !r.Status.Terminal() && directOwned(*r) {
			r.DueAt = l.now().UTC() // its Direct is to hear of it, whoever took the event
		}
		return nil
	})
	if d.second && err == nil {
		l.observe(ctx, provider.Notice{Kind: provider.NoticeSecondCall, Provider: e.Provider, TaskID: taskID, Key: e.Key, N: 1})
	}
	if (err == nil || errors.Is(err, errNoChange)) && d.rec.Status.Terminal() {
		l.stray(ctx, d.event)
	}
	switch {
	case errors.Is(err, errNoChange):
		return d, nil
	case errors.Is(err, store.ErrNotFound), errors.Is(err, fence.ErrNoAttempt), errors.Is(err, provider.ErrUnknownCall):
		return d, provider.ErrUnknownCall
	case err != nil:
		return d, quiet(Task{ID: taskID}, fmt.Errorf("voicetask: writing an event of task %s: %w", taskID, err))
	}
	return d, nil
}

// stray counts an event that nobody waits for: its task is over, or its workflow is not
// there. (Of calls that no task knows the webhook's handler tells.)
func (l ledger) stray(ctx context.Context, e provider.Event) {
	taskID, _, _ := provider.SplitKey(e.Key)
	l.observe(ctx, provider.Notice{Kind: provider.NoticeStrayEvent, Provider: e.Provider, TaskID: taskID, Key: e.Key, N: 1})
}

// locate finds the task and dial of an event, and completes its key.
func (l ledger) locate(ctx context.Context, e *provider.Event) (taskID string, n int, err error) {
	if e.Key == "" {
		e.Key = e.Call.Key
	}
	if taskID, n, ok := provider.SplitKey(e.Key); ok {
		return taskID, n, nil
	}
	finder, ok := l.store.(store.CallFinder)
	if !ok || e.Call.ID == "" {
		return "", 0, provider.ErrUnknownCall
	}
	rec, err := finder.FindCall(ctx, e.Provider, e.Call.ID)
	if errors.Is(err, store.ErrNotFound) {
		return "", 0, provider.ErrUnknownCall
	}
	if err != nil {
		return "", 0, quiet(Task{}, fmt.Errorf("voicetask: finding the task of a call: %w", err))
	}
	for _, a := range rec.Attempts {
		if a.CallID == e.Call.ID && a.Provider == e.Provider {
			e.Key = a.Key
			return rec.ID, a.N, nil
		}
	}
	return "", 0, provider.ErrUnknownCall
}

// apply writes an event into the row, where it says something new.
func (d *delivery) apply(r *store.Record, n int, now time.Time) error {
	wasUnknown := r.Status.Terminal() && r.Outcome == provider.OutcomeUnknown
	if a := fence.Find(r, n); a != nil && a.Provider != "" && d.event.Provider != "" && a.Provider != d.event.Provider {
		return provider.ErrUnknownCall // one account has no say about another's dial
	}
	c := forRow(*r, d.event.Call)
	o, err := fence.Observe(r, n, c, now)
	if err != nil {
		return err
	}
	d.changed, d.second = o.News, o.Changed && o.Second
	if d.second {
		r.DueAt = now.UTC() // the sweeper ends one of the two
	}
	noted, err := keepDraft(r, n, c)
	if err != nil {
		return err
	}
	if a := fence.Find(r, n); wasUnknown && a.State == store.AttemptEnded && n == len(r.Attempts) {
		if err := reopenUnknown(r, *a, now); err != nil {
			return err
		}
		noted = noted || r.Outcome != provider.OutcomeUnknown
	}
	if !o.Changed && !noted {
		return errNoChange
	}
	return nil
}

// reopenUnknown gives a task that ended unknown the outcome that late evidence
// tells: the one way in which a terminal outcome moves.
func reopenUnknown(r *store.Record, a store.Attempt, now time.Time) error {
	if a.Outcome == provider.OutcomeUnknown || a.Outcome == "" {
		return nil
	}
	return finish(r, ResultInput{Result: rowsResult(*r, a, RuleOutcome, reason("told late", a.Reason))}, now)
}

// rowsResult is the result of a task that ended with attempt a, as the row tells it.
func rowsResult(r store.Record, a store.Attempt, rule, words string) Result {
	t, err := ParseTask(r.Task)
	if err != nil { // erased
		t = Task{ID: r.ID, AgentID: r.AgentID}
	}
	end := ending{outcome: a.Outcome, rule: rule, words: words, provider: a.Provider, call: fence.CallOf(a), dials: len(r.Attempts)}
	return end.result(t)
}

// requestCancel marks the row. A task that has ended stays as it is.
func (l ledger) requestCancel(ctx context.Context, taskID string) (store.Record, error) {
	return l.modify(ctx, taskID, func(r *store.Record) error {
		if r.Status.Terminal() || !r.CancelRequestedAt.IsZero() {
			return errNoChange
		}
		r.CancelRequestedAt = l.now().UTC()
		if directOwned(*r) {
			r.DueAt = r.CancelRequestedAt // a Direct finds it by that
		}
		hurry(r, l.now())
		return nil
	})
}

// hurry makes a row due now: somebody has to come to it.
func hurry(r *store.Record, now time.Time) {
	if !r.Status.Terminal() && r.DueAt.After(now) {
		r.DueAt = now.UTC()
	}
}

// untold notes that the engine was not told of a change.
func (l ledger) untold(ctx context.Context, taskID string) error {
	_, err := l.modify(ctx, taskID, func(r *store.Record) error {
		before := r.DueAt
		if hurry(r, l.now()); r.DueAt.Equal(before) {
			return errNoChange
		}
		return nil
	})
	return err
}

// cancelUnfollowed ends a task that nothing follows, unless a dial is open: that
// is settled by the provider's word.
func (l ledger) cancelUnfollowed(ctx context.Context, taskID string) error {
	_, err := l.modify(ctx, taskID, func(r *store.Record) error {
		if r.Status.Terminal() {
			return errNoChange
		}
		if _, open := openDial(*r); open {
			return errNoChange
		}
		return finish(r, ResultInput{Result: cancelledResult(*r)}, l.now())
	})
	return err
}

// cancelledResult is the result of a cancelled task of which no dial is open. A
// conversation that was over before has its own outcome; so has a call that nobody can
// tell anything about.
func cancelledResult(r store.Record) Result {
	t, err := ParseTask(r.Task)
	if err != nil {
		t = Task{ID: r.ID, AgentID: r.AgentID}
	}
	n := len(r.Attempts)
	end := ending{outcome: provider.OutcomeCancelled, rule: RuleCancel, words: cancelledBefore(n + 1), dials: n}
	if n == 0 || r.Attempts[n-1].State != store.AttemptEnded {
		return end.result(t)
	}
	last := r.Attempts[n-1]
	switch last.Outcome {
	case provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeUnknown:
		if !endedByCancel(r, last) {
			return rowsResult(r, last, RuleOutcome, last.Reason)
		}
	}
	end.call, end.provider = fence.CallOf(last), last.Provider
	return end.result(t)
}

// hold keeps the task from its next dial. A call that is up goes on.
func (l ledger) hold(ctx context.Context, taskID, why string) error {
	_, err := l.modify(ctx, taskID, func(r *store.Record) error {
		if r.Status.Terminal() || r.Status == store.StatusHold {
			return errNoChange
		}
		r.Status, r.Reason = store.StatusHold, storable(reason(RuleHold, why))
		return nil
	})
	return err
}

func (l ledger) resume(ctx context.Context, taskID string) error {
	_, err := l.modify(ctx, taskID, func(r *store.Record) error {
		if r.Status != store.StatusHold {
			return errNoChange
		}
		r.Status, r.Reason, r.DueAt = statusOfDials(*r), "", l.now().UTC()
		return nil
	})
	return err
}

// statusOfDials is the status of an open task that is neither on hold nor put off.
func statusOfDials(r store.Record) store.Status {
	if n := len(r.Attempts); n > 0 {
		switch r.Attempts[n-1].State {
		case store.AttemptPlaced:
			return store.StatusInProgress
		case store.AttemptReserved, store.AttemptSending, store.AttemptNotSent:
			return store.StatusProcessing
		}
	}
	return store.StatusPending
}

// wait looks at the row until the task has ended, often at first and every two
// seconds later.
func (l ledger) wait(ctx context.Context, taskID string) (Result, error) {
	const fastest, slowest = 20 * time.Millisecond, 2 * time.Second
	for delay := fastest; ; delay = min(2*delay, slowest) {
		rec, err := l.get(ctx, taskID)
		if err != nil {
			return Result{}, err
		}
		if rec.Status.Terminal() {
			return l.result(ctx, taskID)
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Result{}, fmt.Errorf("voicetask: waiting for task %s: %w", taskID, ctx.Err())
		case <-timer.C:
		}
	}
}

// result is the row's, once the task has ended.
func (l ledger) result(ctx context.Context, taskID string) (Result, error) {
	rec, err := l.get(ctx, taskID)
	if err != nil {
		return Result{}, err
	}
	if !rec.Status.Terminal() {
		return Result{}, fmt.Errorf("voicetask: task %s has not ended", taskID)
	}
	var res Result
	if len(rec.Result) > 0 {
		if err := json.Unmarshal(rec.Result, &res); err != nil {
			return Result{}, quiet(Task{ID: taskID}, fmt.Errorf("voicetask: the stored result of task %s: %w", taskID, err))
		}
	}
	res.TaskID, res.Status, res.Outcome = rec.ID, rec.Status, rec.Outcome
	return res, nil
}

// settle closes a dial that is unknown with an operator's word.
func (l ledger) settle(ctx context.Context, key string, end provider.Call) error {
	taskID, n, ok := provider.SplitKey(key)
	if !ok {
		return fmt.Errorf(`voicetask: Settle: %q is no dial key: use "<task_id>/<n>"`, key)
	}
	if end.Outcome == "" || end.Outcome == provider.OutcomeUnknown {
		return errors.New("voicetask: Settle: set end.Outcome to how the call ended")
	}
	end.Status = provider.StatusEnded
	_, err := l.modify(ctx, taskID, func(r *store.Record) error {
		wasUnknown := r.Status.Terminal() && r.Outcome == provider.OutcomeUnknown
		a := fence.Find(r, n)
		// A call that was found after its task had ended unknown may never have its end told.
		untold := wasUnknown && a != nil && a.State == store.AttemptPlaced
		if a == nil || (a.Outcome != provider.OutcomeUnknown && !untold) {
			return fmt.Errorf("voicetask: Settle: dial %d is not unknown", n)
		}
		c := forRow(*r, end)
		switch o, err := fence.Observe(r, n, c, l.now()); {
		case err != nil:
			return err
		case o.Second:
			return fmt.Errorf("voicetask: Settle: dial %d is another call: leave end.ID empty, or set it to the row's", n)
		}
		if _, err := keepDraft(r, n, c); err != nil {
			return err
		}
		if wasUnknown && n == len(r.Attempts) {
			return reopenUnknown(r, *fence.Find(r, n), l.now())
		}
		return nil
	})
	return err
}

// erase blanks what is personal: number, task, result with its transcript, summary,
// recording and reasons. Ids, dials, outcomes, times and costs stay.
func (l ledger) erase(ctx context.Context, taskID string) error {
	_, err := l.modify(ctx, taskID, func(r *store.Record) error {
		if !r.Status.Terminal() {
			return fmt.Errorf("voicetask: Erase: the task is %s: cancel it or wait for its end", r.Status)
		}
		if erased(*r) {
			return errNoChange
		}
		blank(r)
		return nil
	})
	return err
}

// reasonErased stands for what Record.Reason and Result.Reason said.
const reasonErased = "erased"

// blank leaves of r its ledger, and a result as the ledger tells it.
func blank(r *store.Record) {
	res := Result{Status: r.Status, TaskID: r.ID, Outcome: r.Outcome, Reason: reasonErased, Dials: len(r.Attempts)}
	if last := len(r.Attempts); last > 0 {
		a := r.Attempts[last-1]
		res.Data = CallResult{CallID: a.CallID, Provider: a.Provider, CostUSD: a.CostUSD, EndTime: a.EndedAt}
	}
	raw, _ := json.Marshal(res) // ids, numbers and times: it cannot fail
	r.To, r.Task, r.Result, r.Reason = "", nil, raw, reasonErased
	for i := range r.Attempts {
		r.Attempts[i].Reason = ""
	}
}

// erased reports whether Erase has been here.
func erased(r store.Record) bool { return r.Status.Terminal() && len(r.Task) == 0 }

// forRow is what of a call may be written into r: a row that was erased takes
// nothing personal again, and goes on as a ledger.
func forRow(r store.Record, c provider.Call) provider.Call {
	c = writable(c)
	if !erased(r) {
		return c
	}
	return provider.Call{
		ID: c.ID, Key: c.Key, Status: c.Status, Outcome: c.Outcome, CreatedAt: c.CreatedAt, AnsweredAt: c.AnsweredAt, EndedAt: c.EndedAt, CostUSD: c.CostUSD,
	}
}

// stateOf tells from the row what a task is doing.
func stateOf(r store.Record) State {
	s := State{TaskID: r.ID, Status: r.Status, Dial: len(r.Attempts), Reason: r.Reason}
	if !r.Status.Terminal() {
		s.Until = r.DueAt
	}
	if s.Dial > 0 {
		a := r.Attempts[s.Dial-1]
		s.Provider, s.CallID = a.Provider, a.CallID
		if a.State == store.AttemptPlaced || a.State == store.AttemptEnded {
			s.Call = fence.CallOf(a).Status
		}
	}
	return s
}
