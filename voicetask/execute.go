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
	e.judgedBefore(ctx)
	e.in.Task = e.asSubmitted()
	if e.rowWasLost(created) {
		if e.senderMayComeBack() {
			return Dialled{}, &later{delay: time.Second, why: "the sender of this dial has not come back yet"}
		}
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
// store has lost what it had acknowledged, and cannot fence this dial.
func (e *execution) rowWasLost(created bool) bool {
	if fence.Forgotten(fence.Find(&e.rec, e.in.N), e.in.Key, e.witness.before) {
		return true
	}
	return created && e.witness.attempt > 1 && !durable(e.cfg.Store)
}

// senderMayComeBack reports whether whoever left the word may only have been held up before
// its compare-and-set, by a collection of garbage or a busy machine: the row is reserved by
// it, and not for long. It may then still send, and this dial need not be unknown. By a
// clock that is far behind the row's there is no such wait.
func (e *execution) senderMayComeBack() bool {
	if !e.reservedBySender() {
		return false
	}
	ago := e.now().Sub(fence.Find(&e.rec, e.in.N).ReservedAt)
	return ago > -senderGrace && ago < senderGrace
}

func (e *execution) reservedBySender() bool {
	a := fence.Find(&e.rec, e.in.N)
	return a != nil && a.State == store.AttemptReserved && a.Token != "" && a.Token == e.witness.before.Token
}

// senderGrace is twice what another execution takes to come.
const senderGrace = 15 * time.Second

func (e *execution) lost(ctx context.Context) (Dialled, error) {
	why := "the store has lost the row of this dial: it may have been sent"
	if e.reservedBySender() {
		why = "its sender died at the fence, or the store has lost that it passed: it may have been sent"
	}
	_ = e.choose(ctx) // whom to ask about it later, if that is known
	err := e.move(ctx, &e.rec, func(r *store.Record) error {
		if err := fence.Lost(r, e.in.N, why); err != nil {
			return err
		}
		a := fence.Find(r, e.in.N)
		if a.SentAt.IsZero() { // from then on it may have been
			a.SentAt = a.ReservedAt
			if now := e.now(); a.SentAt.IsZero() || a.SentAt.After(now) { // or by a clock that is ahead
				a.SentAt = now.Add(-senderGrace)
			}
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
		e.rowLost(ctx, why)
	}
	if errors.Is(err, fence.ErrOrder) { // the rows of the dials before it are gone, too
		return e.refused(ctx, err)
	}
	done, _, err := e.known(ctx)
	return done, err
}

func (e *execution) rowLost(ctx context.Context, why string) {
	named := ""
	if a := fence.Find(&e.rec, e.in.N); a != nil {
		named = a.Provider
	}
	e.notice(ctx, provider.NoticeUnknownOutcome, named, e.rec.ID, e.in.Key)
	e.cfg.Logger.ErrorContext(ctx, "it cannot be proved whether a phone rang", "task_id", e.rec.ID, "dial", e.in.N, "why", why)
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
