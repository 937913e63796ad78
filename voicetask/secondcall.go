package voicetask

import (
	"cmp"
	"context"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// endSecondCalls hangs up one of two calls that a platform has placed under one key:
// the one that nobody answered; with both unanswered the later one. Ending a call
// that has ended is no error, so this may be repeated. What cannot be asked about now
// is looked at again the next time: it reports whether one may be up still.
func (a *activities) endSecondCalls(ctx context.Context, p provider.Provider, att store.Attempt) (open bool) {
	followed, known := a.followed(ctx, p, att)
	if !known {
		return true
	}
	for _, id := range att.OtherCallIDs {
		other, err := a.ask(ctx, p, id)
		switch {
		case err != nil:
			open = true
			continue
		case other.Status == provider.StatusEnded:
			continue
		}
		open = true
		other.ID = id
		loser, found := oneTooMany(followed, other)
		if !found {
			continue // somebody talks on it: an alarm was raised, a person decides
		}
		bounded, cancel := context.WithTimeout(ctx, providerTimeout)
		err = p.End(bounded, loser.ID)
		cancel()
		if err != nil {
			a.cfg.Logger.WarnContext(ctx, "a second call under one key could not be ended; it is tried again", "key", att.Key, "error", masked(err.Error()))
		}
	}
	return open
}

// followed is the call that a dial's row tells of, as it stands now.
func (a *activities) followed(ctx context.Context, p provider.Provider, att store.Attempt) (c provider.Call, known bool) {
	row := fence.CallOf(att)
	if att.State != store.AttemptPlaced {
		return row, att.State == store.AttemptEnded
	}
	c, err := a.ask(ctx, p, att.CallID)
	return row.Merge(c), err == nil
}

// oneTooMany says which of two calls of one dial is to be ended; the second is live.
func oneTooMany(c, d provider.Call) (loser provider.Call, found bool) {
	switch {
	case c.Status == provider.StatusEnded:
		return d, d.AnsweredAt.IsZero()
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
