package voicetask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

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

// endedStatuses are those of a task whose dial may have ended unknown, or have a
// second call.
var endedStatuses = []store.Status{store.StatusFailed, store.StatusCancelled, store.StatusCompleted}

// sweepUnknown asks the platforms about the unknown dials of ended tasks whose next
// look is due.
func (s *Sweeper) sweepUnknown(ctx context.Context) error {
	now := s.raw.now()
	due := store.Query{Statuses: endedStatuses, DueFrom: time.Unix(0, 0), DueBefore: now, Limit: sweepPage} // most that ended are due no more
	var page []store.Record
	var failed error
	take := func(r store.Record) bool {
		if page = append(page, r); len(page) == sweepPage {
			failed = cmp.Or(s.lookLate(ctx, page), failed)
			page = page[:0]
		}
		return ctx.Err() == nil
	}
	for r, err := range s.due(ctx, due) {
		if errors.Is(err, errCrowd) {
			err = s.walkEnded(ctx, now, take)
		}
		if err != nil {
			failed = err
			break
		}
		if r.ID != "" && !take(r) {
			break
		}
	}
	return cmp.Or(s.lookLate(ctx, page), failed)
}

// walkEnded goes through all ended tasks, where the store cannot tell which are due: it
// ignores Query.DueFrom. That is dear, and therefore rare.
func (s *Sweeper) walkEnded(ctx context.Context, now time.Time, take func(r store.Record) bool) error {
	if now.Before(s.nextWalk) {
		return nil
	}
	s.nextWalk = now.Add(rarestLook)
	return s.eachRow(ctx, endedStatuses, func(r store.Record) bool {
		return r.DueAt.IsZero() || !r.DueAt.Before(now) || take(r)
	})
}

// lateDial is a dial of an ended task that is looked for.
type lateDial struct {
	rec store.Record
	store.Attempt
}

// lookLate takes the looks that are due, each of which is one process's, and asks.
func (s *Sweeper) lookLate(ctx context.Context, page []store.Record) (failed error) {
	byProvider := map[string][]lateDial{}
	for _, r := range page {
		if ctx.Err() != nil {
			break
		}
		mine, err := s.takeLook(ctx, r)
		switch {
		case err != nil:
			failed = err
			continue
		case !mine:
			continue
		}
		failed = cmp.Or(spared(func() error { s.endSecondCalls(ctx, r); return nil }), failed)
		if a, open := undecided(r); open {
			byProvider[a.Provider] = append(byProvider[a.Provider], lateDial{r, a})
		}
	}
	for name, dials := range byProvider {
		failed = cmp.Or(spared(func() error { return s.askLate(ctx, name, dials) }), failed)
	}
	return failed
}

// takeLook writes down when the next look is.
func (s *Sweeper) takeLook(ctx context.Context, r store.Record) (bool, error) {
	next := time.Time{}
	if a, open := undecided(r); open {
		next = lateLook(s.raw.now(), sentAt(a))
	} else if a, two := withSecondCall(r); two && s.raw.now().Sub(sentAt(a)) < secondCallsFor {
		next = s.raw.now().Add(firstLateLook)
	}
	return s.claim(ctx, &r, next)
}

// secondCallsFor is how long after a dial its second call is looked at, once the task
// has ended: no call lasts longer.
const secondCallsFor = time.Hour

func withSecondCall(r store.Record) (store.Attempt, bool) {
	for _, a := range r.Attempts {
		if len(a.OtherCallIDs) > 0 {
			return a, true
		}
	}
	return store.Attempt{}, false
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

// askLate asks a platform about dials: by one listing for those without a call id,
// where it can list, else about each. What turns up is delivered like an event.
func (s *Sweeper) askLate(ctx context.Context, name string, dials []lateDial) error {
	p, ok := s.cfg.Providers.Lookup(name)
	if !ok {
		return nil
	}
	listed, err := s.listLate(ctx, p, dials)
	failed := err
	for _, d := range dials {
		if ctx.Err() != nil {
			break
		}
		c, found := listed[d.Key]
		if _, lists := p.(provider.Lister); !found && (d.CallID != "" || !lists) {
			c, found = s.evidence(ctx, p, d.Attempt)
		}
		if !found {
			continue
		}
		failed = cmp.Or(spared(func() error {
			s.endLate(ctx, p, d, c)
			return s.deliver(ctx, d.Attempt, c)
		}), failed)
	}
	return failed
}

// listLate looks for the dials without a call id on the platform's list.
func (s *Sweeper) listLate(ctx context.Context, p provider.Provider, dials []lateDial) (map[string]provider.Call, error) {
	lister, ok := p.(provider.Lister)
	wanted, since := map[string]bool{}, time.Time{}
	for _, d := range dials {
		if d.CallID != "" {
			continue
		}
		wanted[d.Key] = true
		if at := sentAt(d.Attempt); since.IsZero() || at.Before(since) {
			since = at
		}
	}
	if !ok || len(wanted) == 0 {
		return nil, nil
	}
	found := map[string]provider.Call{}
	bounded, cancel := context.WithTimeout(ctx, lateListTimeout)
	defer cancel()
	for c, err := range lister.List(bounded, since.Add(-findSlack)) {
		if err != nil {
			return found, fmt.Errorf("voicetask: listing the calls of %s: %w", p.Name(), err)
		}
		if wanted[c.Key] && c.ID != "" {
			found[c.Key] = c
		}
		if len(found) == len(wanted) {
			break
		}
	}
	return found, nil
}

// lateListTimeout bounds one listing of up to a day's calls.
const lateListTimeout = 2 * time.Minute

// endLate hangs up a call that turned up late and that nobody wants any more: its task
// was cancelled, or it has lasted longer than any call may.
func (s *Sweeper) endLate(ctx context.Context, p provider.Provider, d lateDial, c provider.Call) {
	if c.Status == provider.StatusEnded {
		return
	}
	t, _ := ParseTask(d.rec.Task) // of an erased one the policy is the host's own
	limit, err := s.limit(ctx, t, d.Attempt)
	placed := sentAt(d.Attempt)
	if c.CreatedAt.After(placed) { // by the platform's clock: both must say that it is long ago
		placed = c.CreatedAt
	}
	beyond := s.clock().Sub(placed) > limit
	if unwanted := !d.rec.CancelRequestedAt.IsZero() || d.rec.Outcome == provider.OutcomeCancelled; err != nil || (!beyond && !unwanted) {
		return
	}
	s.raw.notice(ctx, provider.NoticeOverdueCall, d.Provider, d.rec.ID, d.Key)
	bounded, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	if err := p.End(bounded, c.ID); err != nil && !errors.Is(err, provider.ErrUnsupported) {
		s.cfg.Logger.WarnContext(ctx, "a call that turned up late could not be ended; it is tried again", "task_id", d.rec.ID, "error", masked(err.Error()))
	}
}
