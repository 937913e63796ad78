package voicetask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// notPlaced handles an error that proves that no phone rang.
func (e *execution) notPlaced(ctx context.Context, cause error) (Dialled, error) {
	var vendor *provider.Error
	errors.As(cause, &vendor)
	kind := provider.KindOf(cause)
	e.cfg.Logger.WarnContext(ctx, "a dial was not placed", "task_id", e.rec.ID, "dial", e.in.N, "provider", e.provider.Name(), "error", hidden(e.in.Task, describe(cause)))
	again := false
	var wait time.Duration
	err := persist(ctx, func(ctx context.Context) error {
		return e.move(ctx, &e.rec, func(r *store.Record) error {
			a := fence.Find(r, e.in.N)
			if a == nil {
				return fence.ErrNoAttempt // the store has lost it
			}
			sends := a.Sends
			elsewhere := e.untried(sends)
			again = (worthAnotherSend(kind) || elsewhere) && fence.SendsLeft(*a)
			wait = backoff(sends)
			switch {
			case elsewhere:
				wait = time.Second // what failed does not concern the next
			case vendor != nil:
				wait = max(wait, min(vendor.RetryAfter, time.Hour))
			}
			if err := fence.NotSent(r, e.in.N, e.token, kind, e.now().Add(wait)); err != nil {
				return err
			}
			if again {
				return nil
			}
			return fence.GiveUp(r, e.in.N, outcomeOf(kind), describe(cause), e.now())
		})
	}, isRefusal)
	switch {
	case err != nil:
		return e.refused(ctx, err) // the row still says sending: a later execution looks
	case again:
		return Dialled{}, &later{delay: wait, why: "the dial was not placed: " + string(kind), kind: kind}
	case worthAnotherSend(kind):
		return e.spent(), nil
	}
	return e.answer(Dialled{Call: fence.CallOf(*fence.Find(&e.rec, e.in.N)), Reason: describe(cause)}), nil
}

// spent answers for a dial that used up its sends: final, unless the host's own
// redial policy says otherwise.
func (e *execution) spent() Dialled {
	a := fence.Find(&e.rec, e.in.N)
	d := Dialled{Call: fence.CallOf(*a), Rule: RuleSends, Reason: fmt.Sprintf("not placed in %d sends: %s", a.Sends, cmp.Or(a.Reason, string(a.Kind)))}
	d.Call.Status = provider.StatusEnded
	d.Call.Outcome = outcomeOf(a.Kind)
	if !e.hostRedial {
		d.End = d.Call.Outcome
	}
	return e.answer(d)
}

// usedUp reports whether a dial has ended because it used up its sends.
func usedUp(a store.Attempt) bool {
	return a.State == store.AttemptEnded && a.Sends >= fence.MaxSends && worthAnotherSend(a.Kind) && a.CallID == "" && a.DialledAt.IsZero()
}

func worthAnotherSend(k provider.Kind) bool {
	return k == provider.KindRateLimited || k == provider.KindUnavailable
}

// outcomeOf folds the kind of a certain error into the outcome of the dial.
func outcomeOf(k provider.Kind) provider.Outcome {
	switch k {
	case provider.KindRateLimited:
		return provider.OutcomeRateLimited
	case provider.KindUnavailable:
		return provider.OutcomeProviderFault
	case provider.KindOutcomeUnknown:
		return provider.OutcomeUnknown
	}
	return provider.OutcomeConfigError
}

// describe is an error of a provider in words that may be stored: a URL in it may be
// the right to listen to the call, or to end it.
func describe(err error) string {
	const most = 300
	return cut(urlLike.ReplaceAllString(err.Error(), "[url]"), most)
}
