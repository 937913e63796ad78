package voicetask

import (
	"context"
	"errors"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// findSlack is how much earlier than the row says a call is looked for: clocks
// differ.
const findSlack = 5 * time.Minute

// ambiguous handles a reply that was lost: the phone may ring. Nobody dials this
// key again; what was placed is looked for by later executions.
func (e *execution) ambiguous(ctx context.Context, cause error) (Dialled, error) {
	e.cfg.Logger.WarnContext(ctx, "the reply to a dial was lost: it may have gone out", "task_id", e.rec.ID, "dial", e.in.N, "provider", e.provider.Name(), "error", hidden(e.in.Task, describe(cause)))
	err := persist(ctx, func(ctx context.Context) error {
		return e.move(ctx, &e.rec, func(r *store.Record) error {
			if err := fence.Ambiguous(r, e.in.N, e.token); err != nil {
				return err
			}
			fence.Find(r, e.in.N).Reason = describe(cause)
			return nil
		})
	}, isRefusal)
	if err == nil { // else an event was faster, or the store is down: a later execution knows more
		if a := fence.Find(&e.rec, e.in.N); a != nil && e.lookWindow(*a) == 0 {
			return e.unknown(ctx, e.token, describe(cause))
		}
	}
	return Dialled{}, &later{delay: time.Second, why: "the reply to the dial was lost: looking for the call", kind: provider.KindOutcomeUnknown}
}

// look searches for the call of a row that is sending under another token. It
// adopts what it finds; what it does not find proves nothing, so the dial ends
// unknown once the window has passed.
func (e *execution) look(ctx context.Context, a store.Attempt) (Dialled, error) {
	if e.provider == nil {
		return e.unknown(ctx, a.Token, "the provider "+a.Provider+" is no longer registered")
	}
	c, found := e.toldBefore(a)
	if !found {
		c, found = e.find(ctx, a)
	}
	if found {
		err := e.observe(ctx, &e.rec, e.in.N, a.Provider, c)
		if err != nil {
			return Dialled{}, err
		}
		return e.answer(Dialled{Call: c, Reason: "the reply was lost; the call was found"}), nil
	}
	elapsed := e.now().Sub(a.SentAt)
	left := e.lookWindow(a) - elapsed
	if left <= 0 {
		why := "the reply to the dial was lost and the call was not found"
		if a.Reason != "" {
			why += ": " + a.Reason
		}
		return e.unknown(ctx, a.Token, why)
	}
	delay := min(max(elapsed/2, time.Second), 15*time.Second, left)
	return Dialled{}, &later{delay: delay, why: "the reply to the dial was lost: looking for the call", kind: provider.KindOutcomeUnknown}
}

// toldBefore is the call that the sender told the other witness of, when the store did
// not take its id.
func (e *execution) toldBefore(a store.Attempt) (provider.Call, bool) {
	id, told := fence.Told(a, e.witness.before)
	return provider.Call{ID: id, Key: a.Key, Status: provider.StatusQueued, CreatedAt: a.SentAt}, told
}

func (e *execution) find(ctx context.Context, a store.Attempt) (provider.Call, bool) {
	finder, ok := e.provider.(provider.Finder)
	if !ok {
		return provider.Call{}, false
	}
	bounded, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	c, err := finder.Find(bounded, a.Key, a.SentAt.Add(-findSlack))
	if err != nil {
		return provider.Call{}, false // not found, or do not know: the same for us
	}
	c.Key = a.Key
	return c, c.ID != ""
}

// lookWindow is how long after the send a call may still turn up. While its sender
// has not come back, the sender itself may still be waiting for the reply.
func (e *execution) lookWindow(a store.Attempt) time.Duration {
	_, finds := e.provider.(provider.Finder)
	window := time.Duration(0)
	if finds || e.traits.Events {
		window = e.traits.VisibilityLag
		if window == 0 {
			window = provider.DefaultVisibilityLag
		}
	}
	if a.Kind != provider.KindOutcomeUnknown {
		window += e.placeTimeout()
	}
	return window
}

// unknown ends the dial without an answer: visible, counted, never dialled again
// by itself. It is the send under token that was looked for in vain: one that followed
// it is not to be given up for it.
func (e *execution) unknown(ctx context.Context, token, why string) (Dialled, error) {
	err := e.move(ctx, &e.rec, func(r *store.Record) error {
		if !fence.Passed(r, e.in.N, token) {
			return fence.ErrLost
		}
		return fence.Unknown(r, e.in.N, why)
	})
	if errors.Is(err, fence.ErrLost) {
		return Dialled{}, &later{delay: time.Second, why: "the dial has moved on meanwhile"}
	}
	if err != nil {
		return Dialled{}, err
	}
	a := fence.Find(&e.rec, e.in.N)
	e.notice(ctx, provider.NoticeUnknownOutcome, a.Provider, e.rec.ID, a.Key)
	e.cfg.Logger.ErrorContext(ctx, "it cannot be proved whether a phone rang", "task_id", e.rec.ID, "dial", e.in.N, "provider", a.Provider)
	return e.answer(Dialled{Call: fence.CallOf(*a), Rule: RuleUnknown, Reason: why}), nil
}

// providerTimeout bounds one request to a provider other than Place.
const providerTimeout = 30 * time.Second
