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
	stop := e.witness.keepBeating()
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
	line     []provider.Provider // that may make this dial, in order
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
	if errors.Is(err, ErrInvalidTask) { // too large for a row
		return Dialled{End: provider.OutcomeConfigError, Rule: RuleInvalid, Reason: err.Error()}, nil
	}
	if err != nil {
		return Dialled{}, err
	}
	e.rec = rec
	e.in.Task = e.asSubmitted()
	if e.rowWasLost(created) {
		return e.lost(ctx)
	}
	if done, answered, err := e.known(ctx); answered || err != nil {
		return done, err
	}
	if refused, over := e.closed(); over {
		return refused, nil
	}
	if prev := fence.Find(&e.rec, e.in.N-1); prev != nil && len(prev.OtherCallIDs) > 0 {
		return e.decline(ctx, Dialled{End: provider.OutcomeUnknown, Rule: RuleUnknown, Reason: "two calls were placed by the dial before: a person decides"})
	}
	if err := e.choose(ctx); err != nil {
		return Dialled{}, err
	}
	verdict, err := e.judge(ctx)
	if err != nil {
		return Dialled{}, err
	}
	if !verdict.passes() {
		return e.heed(ctx, verdict)
	}
	if verdict := e.broken(ctx); !verdict.passes() {
		return e.heed(ctx, verdict)
	}
	return e.dial(ctx)
}

// asSubmitted is the task with its unknown fields byte for byte: on its way through
// Temporal JSON was compacted and escaped. The row has what was submitted.
func (e *execution) asSubmitted() Task {
	if len(e.rec.Task) == 0 || !sameTask(e.rec.Task, e.in.Task) {
		return e.in.Task
	}
	t, err := ParseTask(e.rec.Task)
	if err != nil {
		return e.in.Task
	}
	return t
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
	if e.cfg.swept(e.provider) {
		d.AwaitAfter = -1
	}
	if d.Call.ID != "" {
		d.CancelRequestedAt = e.rec.CancelRequestedAt
	}
	return d
}

// rowWasLost reports whether another witness says more than the row does: the
// store has lost what it had acknowledged, and cannot fence this dial. A row aborted
// under the witness's own token has lost nothing: its holder could not send any more.
func (e *execution) rowWasLost(created bool) bool {
	sends, givenBack := 0, ""
	if a := fence.Find(&e.rec, e.in.N); a != nil {
		sends = a.Sends
		if a.State == store.AttemptAborted {
			givenBack = a.Token
		}
	}
	if s := e.witness.before; s.Key == e.in.Key && s.Send > sends && (s.Token == "" || s.Token != givenBack) {
		return true
	}
	return created && e.witness.attempt > 1 && !durable(e.cfg.Store)
}

func (e *execution) lost(ctx context.Context) (Dialled, error) {
	const why = "the store has lost the row of this dial: it may have been sent"
	_ = e.choose(ctx) // whom to ask about it later, if that is known
	err := e.move(ctx, &e.rec, func(r *store.Record) error {
		if err := fence.Lost(r, e.in.N, why); err != nil {
			return err
		}
		a := fence.Find(r, e.in.N)
		if a.SentAt.IsZero() {
			a.SentAt = e.now()
		}
		if a.Provider == "" && e.provider != nil {
			a.Provider = e.provider.Name()
		}
		return nil
	})
	switch {
	case errors.Is(err, fence.ErrLost): // it has come back
	case err != nil && !errors.Is(err, fence.ErrOrder):
		return Dialled{}, err
	default:
		e.rowLost(ctx)
	}
	if errors.Is(err, fence.ErrOrder) { // the rows of the dials before it are gone, too
		return e.refused(ctx, err)
	}
	done, _, err := e.known(ctx)
	return done, err
}

func (e *execution) rowLost(ctx context.Context) {
	named := ""
	if a := fence.Find(&e.rec, e.in.N); a != nil {
		named = a.Provider
	}
	e.notice(ctx, provider.NoticeUnknownOutcome, named, e.rec.ID, e.in.Key)
	e.cfg.Logger.ErrorContext(ctx, "the store has lost the row of a dial: it cannot be proved whether a phone rang", "task_id", e.rec.ID, "dial", e.in.N)
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
	err := fence.Claimable(e.rec, e.engine, e.now())
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
	if err := e.lineUp(ctx, p); err != nil {
		return err
	}
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
		if a := fence.Find(r, e.in.N); a != nil && !mayBePutOff(a.State) {
			return fence.ErrLost // another execution has dialled meanwhile
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

// mayBePutOff reports whether nobody can be dialling.
func mayBePutOff(s store.AttemptState) bool {
	switch s {
	case store.AttemptReserved, store.AttemptAborted, store.AttemptNotSent:
		return true
	}
	return false
}

// heed does as a verdict says: the end of the task, or a later time.
func (e *execution) heed(ctx context.Context, verdict Dialled) (Dialled, error) {
	if verdict.End != "" {
		return e.decline(ctx, verdict)
	}
	return e.putOff(ctx, verdict)
}

// decline ends the task by the judge's word. What another execution has reserved is
// given up first, so that it cannot pass the fence behind the result; what has passed
// it already is looked at, not declined.
func (e *execution) decline(ctx context.Context, d Dialled) (Dialled, error) {
	err := e.move(ctx, &e.rec, func(r *store.Record) error {
		a := fence.Find(r, e.in.N)
		switch {
		case a == nil, a.State == store.AttemptAborted, a.State == store.AttemptNotSent:
			return errNoChange
		case a.State != store.AttemptReserved:
			return fence.ErrLost
		}
		if err := fence.Claimable(*r, e.engine, e.now()); err != nil {
			return err
		}
		fence.Abort(r, e.in.N, d.Rule)
		return nil
	})
	if err != nil && !errors.Is(err, errNoChange) {
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
		a := fence.Find(r, e.in.N)
		if a == nil || a.State != store.AttemptReserved || a.Token != e.token {
			return errNoChange
		}
		fence.Abort(r, e.in.N, "the server could not be asked")
		return nil
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
	e.judged(ctx, err)
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
