package voicetask

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/superservices/voice/store"
)

// dueStatuses are those of open tasks that become due by themselves. A task on hold
// waits for Resume.
var dueStatuses = []store.Status{store.StatusPending, store.StatusScheduled, store.StatusProcessing, store.StatusInProgress}

// sweepDue looks at the open rows that are due. A live call is due no earlier than
// its limits allow, so this costs by what is late, and not by what is open.
func (s *Sweeper) sweepDue(ctx context.Context) error {
	due := store.Query{Statuses: dueStatuses, DueBefore: s.raw.now(), Limit: sweepPage}
	look := s.newLook()
	for r, err := range s.due(ctx, due) {
		switch {
		case errors.Is(err, errCrowd):
			err = s.eachRow(ctx, dueStatuses, func(r store.Record) bool { return look.at(ctx, r) })
			return errors.Join(look.failed, err)
		case err != nil:
			return errors.Join(look.failed, err)
		case !look.at(ctx, r):
			return look.failed
		}
	}
	return look.failed
}

func (s *Sweeper) due(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return dueRows(q, func(q store.Query) ([]store.Record, error) { return s.list(ctx, q) })
}

// liveStatuses are those of tasks that may have a call.
var liveStatuses = []store.Status{store.StatusProcessing, store.StatusInProgress, store.StatusHold}

// sweepLive looks at the rows that may have a live call, also at those that are not due
// before its limits: a call must not go unfollowed for so long. It sees tasks on hold,
// too, which no due time tells of.
func (s *Sweeper) sweepLive(ctx context.Context) error {
	look := s.newLook()
	look.calls = true
	err := s.eachRow(ctx, liveStatuses, func(r store.Record) bool { return look.at(ctx, r) })
	return errors.Join(look.failed, err)
}

// look is one look at many rows.
type look struct {
	s       *Sweeper
	calls   bool  // asks after live calls, too
	failed  error // one is enough to tell of
	engines int   // questions in a row that the engine did not answer
}

// engineAway is after how many unanswered questions in a row a look is broken off:
// the other rows cannot be asked about, either.
const engineAway = 3

func (s *Sweeper) newLook() *look { return &look{s: s} }

// at looks at a row, and reports whether to go on. What cannot be done now is done
// at the next look.
func (l *look) at(ctx context.Context, r store.Record) bool {
	if ctx.Err() != nil {
		return false
	}
	err := spared(func() error { return l.s.visit(ctx, r, l.calls) })
	var away *engineError
	switch {
	case err == nil:
		l.engines = 0
		return true
	case errors.As(err, &away):
		l.engines++
	}
	if ctx.Err() == nil {
		t, _ := ParseTask(r.Task) // whose number and name may be in its words
		l.failed = quiet(t, err)
	}
	return l.engines < engineAway
}

// engineError is that the engine could not be asked.
type engineError struct{ error }

func (e *engineError) Unwrap() error { return e.error }

// eachRow calls visit for every row in one of the statuses, page by page, until it
// returns false.
func (s *Sweeper) eachRow(ctx context.Context, statuses []store.Status, visit func(r store.Record) (more bool)) error {
	q := store.Query{Statuses: statuses, Limit: sweepPage}
	for {
		page, err := s.list(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range page {
			if !visit(r) {
				return nil
			}
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].ID
	}
}

func (s *Sweeper) list(ctx context.Context, q store.Query) ([]store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	page, err := s.rows.List(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("voicetask: listing rows: %w", err)
	}
	return page, nil
}

// openDial returns the dial of r that may have a live call, if there is one.
func openDial(r store.Record) (store.Attempt, bool) {
	i := slices.IndexFunc(r.Attempts, func(a store.Attempt) bool {
		return a.State == store.AttemptSending || a.State == store.AttemptPlaced
	})
	if i < 0 {
		return store.Attempt{}, false
	}
	return r.Attempts[i], true
}

// pace spreads requests out.
type pace struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

// wait returns when it is the caller's turn, or when ctx ends.
func (p *pace) wait(ctx context.Context) {
	p.mu.Lock()
	now := time.Now()
	turn := now
	if p.next.After(now) {
		turn = p.next
	}
	p.next = turn.Add(p.every)
	p.mu.Unlock()
	if turn.Equal(now) {
		return
	}
	timer := time.NewTimer(turn.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
