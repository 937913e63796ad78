package voicetask

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// sendBudget is how long after passing the fence the request may still be sent:
// an execution that was frozen in between must not ring a phone late.
const sendBudget = 5 * time.Second

// dial passes the fence and sends.
func (e *execution) dial(ctx context.Context) (Dialled, error) {
	if wait := e.notYet(); wait > 0 {
		return Dialled{}, &later{delay: wait, why: "the dial was not placed: waiting to send it again"}
	}
	req, err := e.request(ctx)
	if errors.Is(err, ErrInvalidTask) {
		return e.answer(Dialled{End: provider.OutcomeConfigError, Rule: RuleInvalid, Reason: "Config.Prepare refused the task"}), nil
	}
	if err != nil {
		return Dialled{}, err
	}
	err = e.move(ctx, &e.rec, func(r *store.Record) error {
		e.settlePrevious(r)
		return fence.Reserve(r, fence.Reservation{
			N: e.in.N, Provider: e.provider.Name(), Token: e.token, Engine: e.engine, At: e.now(), Lease: e.leaseUntil(),
			Due: e.now().Add(e.placeTimeout() + e.policy.MaxCallDuration),
		})
	})
	if err != nil {
		return e.refused(ctx, err)
	}
	if err := fault.Point(ctx, fault.FenceReserved); err != nil {
		return Dialled{}, err
	}
	if err := e.witness.confirm(ctx, sent{Key: e.in.Key, Token: e.token, Send: fence.Find(&e.rec, e.in.N).Sends + 1}); err != nil {
		e.retract(ctx) // perhaps only the answer was lost
		e.giveBack(context.WithoutCancel(ctx))
		return Dialled{}, fmt.Errorf("voicetask: this execution of the dial is no longer current: %w", err)
	}
	if ctx.Err() != nil {
		e.retract(ctx)
		return Dialled{}, context.Cause(ctx)
	}
	_ = fault.Point(ctx, fault.FenceConfirmed)
	if e.switchedOff(ctx) {
		e.retract(ctx)
		return e.heed(ctx, e.offUntil(e.now()))
	}
	passed := time.Now()
	if err := e.pass(context.WithoutCancel(ctx)); err != nil { // a stop in mid-write would leave a row that nobody can explain
		e.retract(ctx)
		return e.refused(ctx, err)
	}
	_ = fault.Point(ctx, fault.FenceSending)
	switch off := e.switchedOff(ctx); { // while the store wrote; asked first: it is the host's code and may take its time
	case tooLate(passed):
		return e.notPlaced(ctx, e.withheld("held up between the fence and the send"))
	case off:
		return e.notPlaced(ctx, e.withheld("outgoing calls are switched off"))
	}
	return e.place(ctx, req)
}

// withheld is why a dial that has passed the fence was not sent: nobody rang.
func (e *execution) withheld(why string) error {
	return &provider.Error{Provider: e.provider.Name(), Op: "place", Kind: provider.KindUnavailable, Err: errors.New(why + ": not sent")}
}

// retract takes back the word left at the other witness: nothing was sent after all.
func (e *execution) retract(ctx context.Context) {
	if a := fence.Find(&e.rec, e.in.N); a != nil && a.State != store.AttemptSending {
		e.witness.retract(ctx, sent{Key: e.in.Key, Token: e.token, Send: a.Sends})
	}
}

// giveBack aborts our own reservation, where the server may have our word and cannot be
// told that nothing was sent: an aborted row with our token proves it, see rowWasLost.
func (e *execution) giveBack(ctx context.Context) {
	_ = e.move(ctx, &e.rec, func(r *store.Record) error {
		return fence.GiveBack(r, e.in.N, e.token, "the server could not be asked")
	}) // should that fail, a later execution takes it for a lost row: the safe side
}

// notYet is how long a dial that was not sent must still wait.
func (e *execution) notYet() time.Duration {
	a := fence.Find(&e.rec, e.in.N)
	if a == nil || a.State != store.AttemptNotSent {
		return 0
	}
	return a.NotBefore.Sub(e.now())
}

// pass moves the row to sending. When the store's answer was lost the row itself tells
// whether the write was ours; it may also arrive while we try again.
func (e *execution) pass(ctx context.Context) error {
	send := func(r *store.Record) error {
		if fence.Passed(r, e.in.N, e.token) {
			return errNoChange
		}
		return fence.Send(r, e.in.N, e.token, e.now())
	}
	err := e.move(ctx, &e.rec, send)
	if err != nil && !errors.Is(err, errNoChange) && !isRefusal(err) {
		fresh, readErr := e.get(ctx, e.rec.ID)
		if readErr != nil {
			return err // nothing was sent; a later execution looks at the row
		}
		e.rec = fresh
		err = e.move(ctx, &e.rec, send)
	}
	if errors.Is(err, errNoChange) {
		return nil
	}
	return err
}

// isRefusal reports whether err is a guard's word and not the store's.
func isRefusal(err error) bool {
	for _, refusal := range []error{
		fence.ErrLost, fence.ErrOtherEngine, fence.ErrClosed, fence.ErrCancelled, fence.ErrOrder,
		fence.ErrSent, fence.ErrSpent, fence.ErrHeld, fence.ErrNoAttempt, store.ErrNotFound,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// tooLate measures by the monotonic and by the wall clock: the first stands still
// while a machine is suspended, the second may be set.
func tooLate(passed time.Time) bool {
	wall := time.Now().Round(0).Sub(passed.Round(0))
	return time.Since(passed) > sendBudget || wall > sendBudget
}

// request makes the provider's request of the task.
func (e *execution) request(ctx context.Context) (provider.Request, error) {
	t := e.in.Task
	data, err := t.Data.MarshalJSON()
	if err != nil {
		return provider.Request{}, fmt.Errorf("%w: data: %w", ErrInvalidTask, err)
	}
	req := provider.Request{
		Key: e.in.Key, TaskID: t.ID, AgentID: t.AgentID,
		To: t.Data.ContactNumber, ToName: t.Data.ContactName, Room: t.Data.Room, Instructions: t.Instructions,
		RingTimeout: e.policy.RingTimeout, MaxDuration: e.policy.MaxCallDuration,
		ModelConfig: t.ModelConfig, Data: data,
		OnPlaced: func(c provider.Call) error { return e.onPlaced(ctx, c) },
	}
	if e.cfg.Prepare != nil {
		if err := e.cfg.Prepare(ctx, t, &req); err != nil {
			return provider.Request{}, fmt.Errorf("voicetask: Config.Prepare: %w", err)
		}
		req.Key, req.TaskID = e.in.Key, t.ID // not the host's to change
	}
	req.OnPlaced = e.careful(ctx, req.OnPlaced)
	return req, nil
}

// careful makes a panic in OnPlaced, the host's hook or its store, an error: a provider
// calls it on a goroutine of its own, where nothing else would stop it from ending the
// whole process. And it is never nil.
func (e *execution) careful(ctx context.Context, hook func(provider.Call) error) func(provider.Call) error {
	if hook == nil {
		hook = func(c provider.Call) error { return e.onPlaced(ctx, c) }
	}
	return func(c provider.Call) (err error) {
		defer func() {
			if p := recover(); p != nil {
				e.cfg.Logger.ErrorContext(ctx, "a hook panicked while a dial was being placed", "task_id", e.in.Task.ID, "dial", e.in.N, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				err = errors.New("voicetask: OnPlaced panicked: its hook, or the store, is at fault")
			}
		}()
		return hook(c)
	}
}

// onPlaced keeps the id of a call whose Place still blocks. It uses a copy of the
// row, since Place may call it from a goroutine of its own.
func (e *execution) onPlaced(ctx context.Context, c provider.Call) error {
	c.Key = e.in.Key
	rec, err := e.get(context.WithoutCancel(ctx), e.in.Task.ID)
	if err != nil {
		return err
	}
	if err := e.observe(context.WithoutCancel(ctx), &rec, e.in.N, e.provider.Name(), c); err != nil {
		return err
	}
	if rec.CancelRequestedAt.IsZero() {
		return nil
	}
	// The task was cancelled while the call had no id to end it by.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTimeout)
	defer cancel()
	return e.provider.End(bounded, c.ID)
}

// place sends the one request and writes down what came of it. From here on the
// activity's context no longer counts: a deploy or an outage of Temporal must not
// cut a dial short.
func (e *execution) place(ctx context.Context, req provider.Request) (Dialled, error) {
	ctx = context.WithoutCancel(ctx)
	bounded, cancel := context.WithTimeout(ctx, e.placeTimeout())
	defer cancel()
	_ = fault.Point(ctx, fault.PlaceBegun)
	c, err := e.provider.Place(bounded, req)
	_ = fault.Point(ctx, fault.PlaceReplied)
	switch {
	case err == nil && c.ID == "" && c.Status != provider.StatusEnded:
		err = &provider.Error{Provider: e.provider.Name(), Op: "place", Kind: provider.KindOutcomeUnknown,
			Err: errors.New("the provider returned a live call without an id")}
	case err == nil && c.Status == provider.StatusEnded && c.Outcome == "":
		c.Outcome = provider.OutcomeUnknown
	}
	e.judged(ctx, c, err)
	switch kind := provider.KindOf(err); {
	case err == nil:
		return e.placed(ctx, c)
	case kind.NotPlaced():
		return e.notPlaced(ctx, err)
	}
	return e.ambiguous(ctx, err)
}

func (e *execution) placeTimeout() time.Duration {
	longest := executeTimeout - executeMargin
	if e.traits.Blocking {
		return longest
	}
	return min(longest, ringing(e.policy, e.traits.SetupTime))
}

// placed keeps the call's id. If only the store is down the id is returned all the
// same: the workflow's history is the second witness.
func (e *execution) placed(ctx context.Context, c provider.Call) (Dialled, error) {
	if c.CreatedAt.IsZero() {
		c.CreatedAt = e.now()
	}
	c.Key = e.in.Key
	e.witness.placed(c.ID)
	told := false
	err := persist(ctx, func(ctx context.Context) error {
		err := e.observe(ctx, &e.rec, e.in.N, e.provider.Name(), c)
		if err != nil && !told {
			told = true
			e.witness.tellPlaced(ctx)
		}
		return err
	}, isRefusal)
	if err != nil {
		e.cfg.Logger.ErrorContext(ctx, "a call was placed but its id could not be stored; the workflow keeps it", "task_id", e.rec.ID, "dial", e.in.N, "error", quiet(e.in.Task, err))
		return e.answer(Dialled{Call: c}), nil
	}
	_ = fault.Point(ctx, fault.FencePlaced)
	// An event may have ended the call while Place was on its way back.
	if a := fence.Find(&e.rec, e.in.N); a != nil {
		c = c.Merge(fence.CallOf(*a))
	}
	return e.answer(Dialled{Call: c}), nil
}
