package voicetask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// sendBudget is how long after passing the fence the request may still be sent:
// an execution that was frozen in between must not ring a phone late.
const sendBudget = 5 * time.Second

// ExecuteCall decides at the moment of dialling, then passes the fence and dials,
// puts off, or ends the task. It may run any number of times for one dial, at the
// same time too: the row decides, never the number of the attempt.
func (a *activities) ExecuteCall(ctx context.Context, in CallInput) (Dialled, error) {
	e := &execution{activities: a, in: in, token: rand.Text(), witness: newWitness(ctx)}
	stop := e.witness.keepBeating(ctx)
	defer stop()
	if err := fault.Point(ctx, fault.ExecuteBegun); err != nil {
		return Dialled{}, err
	}
	d, err := e.run(ctx)
	if lost := fault.Point(ctx, fault.ExecuteReturned); lost != nil {
		return Dialled{}, lost
	}
	return d, err
}

// execution is one run of ExecuteCall.
type execution struct {
	*activities
	in      CallInput
	token   string // who we are to the fence
	witness *witness

	rec      store.Record
	provider provider.Provider
	traits   provider.Traits
	policy   Policy // resolved
	// hostRedial: the policy came with a Redial of the host's own.
	hostRedial bool
}

func (e *execution) run(ctx context.Context) (Dialled, error) {
	if err := e.in.Task.Validate(); err != nil {
		return Dialled{End: provider.OutcomeConfigError, Rule: RuleInvalid, Reason: err.Error()}, nil
	}
	rec, created, err := e.record(ctx, e.in.Task)
	if err != nil {
		return Dialled{}, err
	}
	e.rec = rec
	if e.rowWasLost(created) {
		return e.lost(ctx)
	}
	if done, answered, err := e.known(ctx); answered || err != nil {
		return done, err
	}
	if refused, over := e.closed(); over {
		return refused, nil
	}
	if err := e.choose(ctx); err != nil {
		return Dialled{}, err
	}
	verdict, err := e.judge(ctx)
	if err != nil {
		return Dialled{}, err
	}
	switch {
	case verdict.End != "":
		return e.answer(verdict), nil
	case !verdict.DialAt.IsZero():
		return e.putOff(ctx, verdict)
	}
	return e.dial(ctx)
}

// answer completes a Dialled with what holds for all of them.
func (e *execution) answer(d Dialled) Dialled {
	if e.provider != nil {
		d.Provider = e.provider.Name()
	}
	d.Call.Key = e.in.Key
	d.Call = forHistory(d.Call)
	d.Policy = e.policy
	d.AwaitAfter = e.policy.awaitAfter(e.traits)
	return d
}

// rowWasLost reports whether another witness says more than the row does: the
// store has lost what it had acknowledged, and cannot fence this dial.
func (e *execution) rowWasLost(created bool) bool {
	sends := 0
	if a := fence.Find(&e.rec, e.in.N); a != nil {
		sends = a.Sends
	}
	if s := e.witness.before; s.Key == e.in.Key && s.Send > sends {
		return true
	}
	return created && e.witness.attempt > 1 && !durable(e.cfg.Store)
}

func (e *execution) lost(ctx context.Context) (Dialled, error) {
	const why = "the store has lost the row of this dial: it may have been sent"
	err := e.move(ctx, &e.rec, func(r *store.Record) error { return fence.Lost(r, e.in.N, why) })
	switch {
	case err == nil:
		e.notice(ctx, provider.NoticeUnknownOutcome, fence.Find(&e.rec, e.in.N).Provider, e.rec.ID, e.in.Key)
		e.cfg.Logger.ErrorContext(ctx, "the store has lost the row of a dial: it cannot be proved whether a phone rang", "task_id", e.rec.ID, "dial", e.in.N)
	case !errors.Is(err, fence.ErrLost):
		return Dialled{}, err
	}
	done, _, err := e.known(ctx)
	return done, err
}

// known answers from the row where it already says what became of the dial.
func (e *execution) known(ctx context.Context) (d Dialled, answered bool, err error) {
	a := fence.Find(&e.rec, e.in.N)
	if a == nil {
		return Dialled{}, false, nil
	}
	switch a.State {
	case store.AttemptPlaced, store.AttemptEnded, store.AttemptUnknown, store.AttemptSending:
	default:
		return Dialled{}, false, nil
	}
	if err := e.adopt(ctx, a.Provider); err != nil {
		return Dialled{}, false, err
	}
	switch {
	case a.State == store.AttemptSending:
		d, err = e.look(ctx, *a)
		return d, true, err
	case usedUp(*a):
		return e.spent(), true, nil
	}
	return e.answer(Dialled{Call: fence.CallOf(*a), Reason: "the dial was made before"}), true, nil
}

// adopt takes over the provider that a row names, and the policy in its company.
func (e *execution) adopt(ctx context.Context, name string) error {
	if p, ok := e.cfg.Providers.Lookup(name); ok {
		e.use(p)
	}
	return e.resolvePolicy(ctx)
}

func (e *execution) use(p provider.Provider) {
	e.provider, e.traits = p, provider.TraitsOf(p)
}

// closed answers for a task that has ended, is being cancelled, or belongs to the
// other engine.
func (e *execution) closed() (Dialled, bool) {
	probe := e.rec
	err := fence.Claim(&probe, e.engine, e.now(), e.leaseUntil())
	switch {
	case errors.Is(err, fence.ErrClosed):
		return Dialled{End: e.rec.Outcome, Rule: RuleClosed, Reason: "the task had ended before"}, true
	case errors.Is(err, fence.ErrOtherEngine):
		return Dialled{End: provider.OutcomeCancelled, Rule: RuleOtherEngine, Reason: "carried out by " + engineKind(e.rec.Owner)}, true
	case !e.rec.CancelRequestedAt.IsZero():
		return Dialled{End: provider.OutcomeCancelled, Rule: RuleCancel, Reason: cancelledBefore(e.in.N)}, true
	}
	return Dialled{}, false
}

// choose finds the provider for this dial and resolves the policy for it.
func (e *execution) choose(ctx context.Context) error {
	t := e.in.Task
	name := ""
	if e.cfg.ProviderFor != nil {
		var err error
		if name, err = e.cfg.ProviderFor(ctx, t); err != nil {
			return fmt.Errorf("voicetask: Config.ProviderFor: %w", err)
		}
	}
	if name == "" {
		name = t.Data.Provider
	}
	p, err := e.cfg.Providers.Select(provider.Choice{
		Provider: name, Quality: t.Data.Quality, Default: e.cfg.DefaultProvider, Room: t.Data.Room, Number: t.Data.ContactNumber,
	})
	if err != nil {
		return err
	}
	e.use(p)
	return e.resolvePolicy(ctx)
}

func (e *execution) resolvePolicy(ctx context.Context) error {
	p := e.cfg.Policy
	if e.cfg.PolicyFor != nil {
		var err error
		if p, err = e.cfg.PolicyFor(ctx, e.in.Task); err != nil {
			return fmt.Errorf("voicetask: Config.PolicyFor: %w", err)
		}
	}
	e.hostRedial = p.Redial != nil
	e.policy = p.resolved(e.traits)
	return nil
}

// putOff writes down when the dial is tried next, and by which rule.
func (e *execution) putOff(ctx context.Context, d Dialled) (Dialled, error) {
	err := e.move(ctx, &e.rec, func(r *store.Record) error {
		until := e.leaseUntil()
		if !until.IsZero() {
			until = d.DialAt.Add(e.lease) // of a task that waits: nobody else need take it before
		}
		if err := fence.Claim(r, e.engine, e.now(), until); err != nil {
			return err
		}
		e.settlePrevious(r)
		fence.Abort(r, e.in.N, d.Rule)
		if r.Status != store.StatusHold {
			r.Status, r.Reason = store.StatusScheduled, storable(reason(d.Rule, d.Reason))
		}
		r.DueAt = d.DialAt
		return nil
	})
	if err != nil {
		return e.refused(ctx, err)
	}
	return e.answer(d), nil
}

// settlePrevious brings the ledger of the dial before this one to rest, in a write
// that is due anyway.
func (e *execution) settlePrevious(r *store.Record) {
	if prev := e.in.Previous; prev.Status == provider.StatusEnded {
		_, _ = fence.Observe(r, e.in.N-1, prev, e.now()) // a missing row is Reserve's to refuse
	}
}

// refused answers for a guard of the fence that did not hold.
func (e *execution) refused(ctx context.Context, err error) (Dialled, error) {
	switch {
	case errors.Is(err, fence.ErrClosed), errors.Is(err, fence.ErrOtherEngine), errors.Is(err, fence.ErrCancelled):
		if d, over := e.closed(); over {
			return e.answer(d), nil
		}
	case errors.Is(err, fence.ErrHeld):
		return e.putOff(ctx, e.onHold())
	case errors.Is(err, fence.ErrSpent):
		return e.spent(), nil
	case errors.Is(err, fence.ErrSent), errors.Is(err, fence.ErrLost):
		return Dialled{}, &later{delay: time.Second, why: "another execution holds this dial"}
	case errors.Is(err, fence.ErrOrder):
		return Dialled{End: provider.OutcomeUnknown, Rule: RuleUnknown, Reason: "the dial before this one is not settled"}, nil
	}
	return Dialled{}, err
}

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
		return Dialled{}, fmt.Errorf("voicetask: this execution of the dial is no longer current: %w", err)
	}
	if ctx.Err() != nil {
		e.retract(ctx)
		return Dialled{}, context.Cause(ctx)
	}
	_ = fault.Point(ctx, fault.FenceConfirmed)
	passed := time.Now()
	if err := e.pass(ctx); err != nil {
		e.retract(ctx)
		return e.refused(ctx, err)
	}
	_ = fault.Point(ctx, fault.FenceSending)
	if tooLate(passed) {
		return e.notPlaced(ctx, &provider.Error{Provider: e.provider.Name(), Op: "place", Kind: provider.KindUnavailable,
			Err: errors.New("held up between the fence and the send: not sent")})
	}
	return e.place(ctx, req)
}

// retract takes back the word left at the other witness: nothing was sent after all.
// Should that fail, a later execution takes it for a lost row: the safe side.
func (e *execution) retract(ctx context.Context) {
	if a := fence.Find(&e.rec, e.in.N); a != nil && a.State != store.AttemptSending {
		_ = e.witness.confirm(context.WithoutCancel(ctx), sent{Key: e.in.Key, Token: e.token, Send: a.Sends})
	}
}

// notYet is how long a dial that was not sent must still wait.
func (e *execution) notYet() time.Duration {
	a := fence.Find(&e.rec, e.in.N)
	if a == nil || a.State != store.AttemptNotSent {
		return 0
	}
	return a.NotBefore.Sub(e.now())
}

// pass moves the row to sending. When the store's answer was lost the row itself
// tells whether the write was ours.
func (e *execution) pass(ctx context.Context) error {
	send := func(r *store.Record) error { return fence.Send(r, e.in.N, e.token, e.now()) }
	err := e.move(ctx, &e.rec, send)
	if err == nil || isRefusal(err) {
		return err
	}
	fresh, readErr := e.get(ctx, e.rec.ID)
	if readErr != nil {
		return err // nothing was sent; a later execution looks at the row
	}
	e.rec = fresh
	if a := fence.Find(&e.rec, e.in.N); a != nil && a.State == store.AttemptSending && a.Token == e.token {
		return nil
	}
	return e.move(ctx, &e.rec, send)
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
	return req, nil
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
	return min(longest, e.policy.RingTimeout+2*executeMargin)
}

// placed keeps the call's id. If only the store is down the id is returned all the
// same: the workflow's history is the second witness.
func (e *execution) placed(ctx context.Context, c provider.Call) (Dialled, error) {
	if c.CreatedAt.IsZero() {
		c.CreatedAt = e.now()
	}
	c.Key = e.in.Key
	e.witness.placed(ctx, e.in.Key, e.token, c.ID)
	err := persist(ctx, func(ctx context.Context) error {
		return e.observe(ctx, &e.rec, e.in.N, e.provider.Name(), c)
	}, isRefusal)
	if err != nil {
		e.cfg.Logger.ErrorContext(ctx, "a call was placed but its id could not be stored; the workflow keeps it", "task_id", e.rec.ID, "dial", e.in.N, "error", err)
		return e.answer(Dialled{Call: c}), nil
	}
	_ = fault.Point(ctx, fault.FencePlaced)
	// An event may have ended the call while Place was on its way back.
	if a := fence.Find(&e.rec, e.in.N); a != nil {
		c = c.Merge(fence.CallOf(*a))
	}
	return e.answer(Dialled{Call: c}), nil
}
