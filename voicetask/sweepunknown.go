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

// sweepUnknown asks the platforms about unknown dials whose next look is due: a page in
// each pass, the longest due first.
func (s *Sweeper) sweepUnknown(ctx context.Context) error {
	page, err := s.list(ctx, store.Query{
		Statuses: endedStatuses, DueFrom: time.Unix(0, 0), DueBefore: s.raw.now(), Limit: sweepPage, // most that ended are due no more
	})
	if err != nil {
		return err
	}
	var failed error
	for _, r := range page {
		if ctx.Err() != nil || r.DueAt.IsZero() {
			continue
		}
		if err := s.lookLate(ctx, r); err != nil {
			failed = err // one is enough to tell of
		}
	}
	return failed
}

// lookLate takes the look, which is one process's, and asks. What it finds is
// delivered like an event.
func (s *Sweeper) lookLate(ctx context.Context, r store.Record) error {
	a, open := undecided(r)
	next := time.Time{}
	if open {
		next = lateLook(s.raw.now(), sentAt(a))
	}
	seen := r.Version
	err := s.raw.move(ctx, &r, func(now *store.Record) error {
		if now.Version != seen {
			return errNoChange // somebody else was faster
		}
		now.DueAt = next
		return nil
	})
	switch {
	case errors.Is(err, errNoChange):
		return nil
	case err != nil || !open:
		return err
	}
	p, ok := s.cfg.Providers.Lookup(a.Provider)
	if !ok {
		return nil
	}
	c, found := s.evidence(ctx, p, a)
	if !found {
		return nil
	}
	if c.Status != provider.StatusEnded && (r.Outcome == provider.OutcomeCancelled || !r.CancelRequestedAt.IsZero()) {
		bounded, cancel := context.WithTimeout(ctx, providerTimeout)
		defer cancel()
		if err := p.End(bounded, c.ID); err != nil {
			s.cfg.Logger.WarnContext(ctx, "a call of a cancelled task turned up late and could not be ended", "task_id", r.ID, "error", masked(err.Error()))
		}
	}
	return s.deliver(ctx, a, c)
}

// sentAt is when a dial was sent, as far as its row can tell.
func sentAt(a store.Attempt) time.Time {
	for _, at := range []time.Time{a.SentAt, a.DialledAt, a.ReservedAt} {
		if !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// undecided returns the dial of an ended task of which the end is not known.
func undecided(r store.Record) (store.Attempt, bool) {
	for _, a := range r.Attempts {
		switch a.State {
		case store.AttemptUnknown, store.AttemptPlaced, store.AttemptSending:
			return a, true
		case store.AttemptEnded:
			if a.CallID != "" && a.Outcome == provider.OutcomeUnknown && a.Reason == "" { // nobody told of its end
				return a, true
			}
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
