package voicetask

import (
	"cmp"
	"context"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// endSecondCalls hangs up one of two calls that a platform has placed under one key:
// the one that nobody answered; with both unanswered the later one. Ending a call
// that has ended is no error, so this may be repeated. What cannot be asked about now
// is looked at again the next time.
func (a *activities) endSecondCalls(ctx context.Context, p provider.Provider, att store.Attempt) {
	if att.CallID == "" {
		return
	}
	followed := provider.Call{Status: provider.StatusEnded}
	if att.State != store.AttemptEnded {
		var err error
		if followed, err = a.ask(ctx, p, att.CallID); err != nil {
			return
		}
	}
	followed = followed.Merge(provider.Call{ID: att.CallID, CreatedAt: att.DialledAt, AnsweredAt: att.AnsweredAt})
	for _, id := range att.OtherCallIDs {
		other, err := a.ask(ctx, p, id)
		if err != nil || other.Status == provider.StatusEnded {
			continue
		}
		other.ID = id
		loser, found := oneTooMany(followed, other)
		if !found {
			continue // somebody talks on both: an alarm was raised, a person decides
		}
		bounded, cancel := context.WithTimeout(ctx, providerTimeout)
		err = p.End(bounded, loser.ID)
		cancel()
		if err != nil {
			a.cfg.Logger.WarnContext(ctx, "a second call under one key could not be ended; it is tried again", "key", att.Key, "error", masked(err.Error()))
		}
	}
}

// oneTooMany says which of two calls of one dial is to be ended; d is live.
func oneTooMany(c, d provider.Call) (loser provider.Call, found bool) {
	switch {
	case c.Status == provider.StatusEnded:
		return d, d.AnsweredAt.IsZero() // somebody who talks is left to talk
	case !c.AnsweredAt.IsZero() && !d.AnsweredAt.IsZero():
		return provider.Call{}, false
	case !c.AnsweredAt.IsZero():
		return d, true
	case !d.AnsweredAt.IsZero():
		return c, true
	}
	if cmp.Or(c.CreatedAt.Compare(d.CreatedAt), cmp.Compare(c.ID, d.ID)) > 0 {
		return c, true
	}
	return d, true
}
