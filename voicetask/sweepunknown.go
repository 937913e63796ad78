package voicetask

import (
	"context"
	"errors"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// A dial that ended unknown may still be cleared up by late evidence: it is asked
// about for a day, ever less often. Record.DueAt of the task that has ended says when
// next.
const (
	firstLateLook = time.Minute
	rarestLook    = time.Hour
	lateLooksFor  = 24 * time.Hour
)

// lateLook is when an unknown dial is asked about next; zero, no more.
func lateLook(now, sent time.Time) time.Time {
	age := now.Sub(sent)
	if sent.IsZero() || age > lateLooksFor {
		return time.Time{}
	}
	return now.Add(min(max(age/2, firstLateLook), rarestLook))
}

// endedStatuses are those of a task whose dial may have ended unknown.
var endedStatuses = []store.Status{store.StatusFailed, store.StatusCancelled}

// sweepUnknown asks the platforms about unknown dials whose next look is due.
func (s *Sweeper) sweepUnknown(ctx context.Context) error {
	for ctx.Err() == nil {
		page, err := s.list(ctx, store.Query{
			Statuses: endedStatuses, DueFrom: time.Unix(0, 0), DueBefore: s.raw.now(), Limit: sweepPage, // most that ended are due no more
		})
		if err != nil {
			return err
		}
		looked := 0
		for _, r := range page {
			if r.DueAt.IsZero() {
				continue
			}
			took, err := s.lookLate(ctx, r)
			if err != nil {
				return err
			}
			if took {
				looked++
			}
		}
		if looked == 0 || len(page) < sweepPage {
			return nil
		}
	}
	return nil
}

// lookLate takes the look, which is one process's, and asks. What it finds is
// delivered like an event.
func (s *Sweeper) lookLate(ctx context.Context, r store.Record) (took bool, err error) {
	a, open := undecided(r)
	next := time.Time{}
	if open {
		next = lateLook(s.raw.now(), a.SentAt)
	}
	seen := r.Version
	err = s.raw.move(ctx, &r, func(now *store.Record) error {
		if now.Version != seen {
			return errNoChange // somebody else was faster
		}
		now.DueAt = next
		return nil
	})
	switch {
	case errors.Is(err, errNoChange):
		return false, nil
	case err != nil || !open:
		return err == nil, err
	}
	p, ok := s.cfg.Providers.Lookup(a.Provider)
	if !ok {
		return true, nil
	}
	c, found := s.evidence(ctx, p, a)
	if !found {
		return true, nil
	}
	if c.Status != provider.StatusEnded && r.Outcome == provider.OutcomeCancelled {
		bounded, cancel := context.WithTimeout(ctx, providerTimeout)
		defer cancel()
		if err := p.End(bounded, c.ID); err != nil {
			s.cfg.Logger.WarnContext(ctx, "a call of a cancelled task turned up late and could not be ended", "task_id", r.ID, "error", masked(err.Error()))
		}
	}
	return true, s.deliver(ctx, a, c)
}

// undecided returns the dial of an ended task of which the end is not known.
func undecided(r store.Record) (store.Attempt, bool) {
	for _, a := range r.Attempts {
		if a.State == store.AttemptUnknown || a.State == store.AttemptPlaced || a.State == store.AttemptSending {
			return a, true
		}
	}
	return store.Attempt{}, false
}

// evidence is what the platform says of a dial, if it says anything.
func (s *Sweeper) evidence(ctx context.Context, p provider.Provider, a store.Attempt) (provider.Call, bool) {
	if a.CallID == "" {
		e := &execution{activities: s.raw, provider: p}
		return e.find(ctx, a)
	}
	c, err := s.raw.ask(ctx, p, a.CallID)
	if err != nil {
		return provider.Call{}, false
	}
	c = fence.CallOf(store.Attempt{CallID: a.CallID, Key: a.Key, AnsweredAt: a.AnsweredAt}).Merge(c)
	return c, true
}
