package voicetask

import (
	"context"
	"errors"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// evidence is what something that happened says about an account.
type evidence int

const (
	tellsNothing evidence = iota
	accepted              // the platform takes our requests
	reachedPhone          // and what it takes it can dial
	sendFailed
	callFailed // it took the call, and could not make it or keep it up
)

// evidenceOfSend reads what Place returned. That a call was accepted proves no more
// than that: a trunk without credentials is found out after it.
func evidenceOfSend(c provider.Call, err error) evidence {
	switch provider.KindOf(err) {
	case "":
		if e := evidenceOfEnd(c); e == callFailed || e == reachedPhone && c.ID != "" {
			return e
		}
		return accepted // a number refused without a call is the word of the door, not of a line
	case provider.KindRateLimited:
		return accepted
	case provider.KindUnauthenticated, provider.KindRejected, provider.KindNotFound, provider.KindUnavailable:
		return sendFailed
	case provider.KindOutcomeUnknown:
		if errors.Is(err, context.Canceled) {
			return tellsNothing
		}
		return sendFailed
	}
	return tellsNothing
}

// evidenceOfEnd reads how a call has ended. What we ended ourselves, and what nobody
// can explain, says nothing about the platform.
func evidenceOfEnd(c provider.Call) evidence {
	if c.Status != provider.StatusEnded {
		return tellsNothing
	}
	switch c.Outcome {
	case provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeNoAnswer, provider.OutcomeBusy,
		provider.OutcomeDeclined, provider.OutcomeInvalidNumber:
		return reachedPhone
	case provider.OutcomeTimedOut:
		if !c.AnsweredAt.IsZero() {
			return reachedPhone
		}
	case provider.OutcomeProviderFault, provider.OutcomeConfigError:
		return callFailed
	}
	return tellsNothing
}

// judged tells the breaker what came of a send.
func (e *execution) judged(ctx context.Context, c provider.Call, err error) {
	if e.breakers == nil {
		return
	}
	if c.ID != "" && evidenceOfEnd(c) != tellsNothing {
		e.breakers.first(e.in.Key) // counted here, and not again by what follows
	}
	what := evidenceOfSend(c, err)
	e.tell(ctx, e.provider.Name(), e.in.Key, what, e.breakers.note(e.provider.Name(), what, e.now()))
}

// judgedBefore tells it how the dial before this one ended, which an event may have
// told to another process.
func (e *execution) judgedBefore(ctx context.Context) {
	prev := fence.Find(&e.rec, e.in.N-1)
	if prev == nil {
		return
	}
	c := fence.CallOf(*prev)
	if e.in.Previous.ID == prev.CallID {
		c = c.Merge(e.in.Previous)
	}
	e.callEnded(ctx, prev.Provider, prev.Key, c)
}

// lastEnded tells it how the last dial of a task that has its result ended.
func (a *activities) lastEnded(ctx context.Context, r store.Record) {
	if n := len(r.Attempts); n > 0 && r.Attempts[n-1].State == store.AttemptEnded {
		a.callEnded(ctx, r.Attempts[n-1].Provider, r.Attempts[n-1].Key, fence.CallOf(r.Attempts[n-1]))
	}
}

// callEnded counts the end of a call, once. A dial without a call id ended in Place,
// and was counted there.
func (a *activities) callEnded(ctx context.Context, name, key string, c provider.Call) {
	what := evidenceOfEnd(c)
	if a.breakers == nil || c.ID == "" || what == tellsNothing || !a.breakers.first(key) {
		return
	}
	now := a.now()
	at := c.EndedAt
	if at.IsZero() || at.After(now) {
		at = now
	}
	a.tell(ctx, name, key, what, a.breakers.noteEnd(name, what, at, now))
}

func (a *activities) tell(ctx context.Context, name, key string, what evidence, opened bool) {
	if !opened {
		return
	}
	taskID, _, _ := provider.SplitKey(key)
	a.notice(ctx, provider.NoticeBreakerOpen, name, taskID, key)
	a.cfg.Logger.ErrorContext(ctx, "a provider failed many times in a row: no dials through it for a while", "provider", name, "calls", what == callFailed)
}
