package voicetask

import (
	"context"
	"errors"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// visit looks at an open row, and has it followed if nobody came to it in time; with
// calls also if it has a live one that nobody follows.
func (s *Sweeper) visit(ctx context.Context, r store.Record, calls bool) error {
	s.endSecondCalls(ctx, r)
	_, unheard := s.unheard(r)
	if !s.overdue(r) && !unheard && !(calls && s.hasQuietCall(r)) {
		return nil
	}
	if e, ok := s.workflow.(engine); ok && !e.serves(r) {
		return nil
	}
	s.asked.wait(ctx)
	bounded, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	return s.takeUp(bounded, r)
}

// overdue reports whether somebody ought to have come to the row by now. A task on
// hold waits for Resume, unless it has a call or is being cancelled.
func (s *Sweeper) overdue(r store.Record) bool {
	late := overdueBy
	now := s.raw.now()
	if directOwned(r) {
		if now = s.earlier(); r.LeaseUntil.After(now) {
			return false
		}
		late = directOverdueBy
	}
	if _, dialling := openDial(r); r.Status == store.StatusHold && !dialling && r.CancelRequestedAt.IsZero() {
		return false
	}
	return r.DueAt.Before(now.Add(-late))
}

// hasQuietCall reports a live call of which nothing was heard for a while.
func (s *Sweeper) hasQuietCall(r store.Record) bool {
	_, live := openDial(r)
	return live && !directOwned(r) && r.UpdatedAt.Before(s.clock().Add(-overdueBy))
}

// takeUp does what is to be done about a row that is overdue.
func (s *Sweeper) takeUp(ctx context.Context, r store.Record) error {
	running, err := s.workflow.Running(ctx, r.ID)
	switch {
	case errors.Is(err, ErrUnknownTask):
		return nil // gone meanwhile
	case err != nil:
		return &engineError{err}
	}
	t, err := ParseTask(r.Task)
	if err != nil && running {
		return nil // its workflow has its own copy, and a newer version of us may have written it
	}
	if err != nil {
		bad := Task{ID: r.ID, AgentID: r.AgentID}
		end := ending{outcome: provider.OutcomeConfigError, rule: RuleInvalid, words: err.Error(), dials: len(r.Attempts)}
		return s.acts.RecordResult(ctx, end.input(bad))
	}
	if err := spared(func() error { return s.endOverlong(ctx, t, &r) }); err != nil { // the rest is to be done all the same
		s.cfg.Logger.WarnContext(ctx, "a call beyond its limits could not be ended yet", "task_id", r.ID, "error", quiet(t, err))
	}
	if running {
		return s.remind(ctx, t, r)
	}
	return s.follow(ctx, t, r)
}

// follow hands a task that nobody follows to its engine.
func (s *Sweeper) follow(ctx context.Context, t Task, r store.Record) error {
	if directOwned(r) && !s.overdue(r) {
		return nil // what has been written meanwhile tells the store's clock
	}
	if _, direct := s.workflow.(*Direct); !direct && !r.CancelRequestedAt.IsZero() && len(r.Attempts) == 0 {
		return s.workflow.Cancel(ctx, r.ID) // ends it in its row
	}
	now := s.raw.now()
	if directOwned(r) {
		now = s.earlier() // a Direct that is alive looks by its own clock
	}
	if mine, err := s.claim(ctx, &r, now.Add(restartPatience-overdueBy)); err != nil || !mine {
		return err
	}
	if dial, dialling := openDial(r); dialling && !r.CancelRequestedAt.IsZero() {
		if _, err := s.hangUp(ctx, t, dial, true); err != nil { // then by the new workflow, which the row's mark tells
			s.cfg.Logger.WarnContext(ctx, "the call of a cancelled task could not be ended yet", "task_id", r.ID, "error", quiet(t, err))
		}
	}
	return s.restart(ctx, t, r)
}

// remind tells a workflow that runs what it ought to know, from the row.
func (s *Sweeper) remind(ctx context.Context, t Task, r store.Record) error {
	asked := r.CancelRequestedAt
	a, unheard := s.unheard(r)
	if !s.overdue(r) && !unheard || asked.IsZero() && !unheard {
		return nil
	}
	since := a.EndedAt
	if !asked.IsZero() {
		since = asked
	}
	if mine, err := s.claim(ctx, &r, s.raw.now().Add(remindAfter(s.raw.now().Sub(since))-overdueBy)); err != nil || !mine {
		return err
	}
	if unheard {
		if e, ok := s.workflow.(engine); ok {
			if err := e.retell(ctx, r, a); err != nil {
				return &engineError{err}
			}
		}
	}
	if asked.IsZero() {
		return nil
	}
	if err := s.workflow.Cancel(ctx, r.ID); err != nil {
		return &engineError{err}
	}
	if dial, open := openDial(r); open && s.raw.now().Sub(asked) > hangUpPatience {
		// No worker comes to it, or the workflow has ended without knowing of the call.
		_, err := s.hangUp(ctx, t, dial, true)
		return err
	}
	return nil
}

// remindAfter is how long an engine has for what it was told: ever longer.
func remindAfter(since time.Duration) time.Duration {
	return min(max(since/2, overdueBy), 10*time.Minute)
}

// restartPatience is how long a restarted task is left alone.
const restartPatience = time.Minute

// hangUpPatience is how long the engine has to end a call that is to be ended.
const hangUpPatience = 2 * time.Minute

// unheard returns the last dial of a row if it has ended and the engine has not gone
// on since: the signal was lost, or whoever had stored the end died before he sent
// it. It is said again ever less often, for a day.
func (s *Sweeper) unheard(r store.Record) (store.Attempt, bool) {
	n := len(r.Attempts)
	if n == 0 || r.Status == store.StatusScheduled || directOwned(r) {
		return store.Attempt{}, false
	}
	a := r.Attempts[n-1]
	since := s.raw.now().Sub(a.EndedAt)
	if a.State != store.AttemptEnded || a.CallID == "" || since > lateLooksFor {
		return store.Attempt{}, false
	}
	return a, s.clock().Sub(r.UpdatedAt) > remindAfter(since)
}

// claim writes when the row is due next, if it is as it was seen: of several processes
// one may go on.
func (s *Sweeper) claim(ctx context.Context, r *store.Record, next time.Time) (mine bool, err error) {
	seen, due := r.Version, r.DueAt
	err = s.raw.move(ctx, r, func(now *store.Record) error {
		if now.Version != seen {
			return errNoChange // somebody else was faster
		}
		now.DueAt = next
		return nil
	})
	if errors.Is(err, errNoChange) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.skew.Store(int64(r.UpdatedAt.Sub(s.raw.now())))
	before := *r
	if before.DueAt = due; directOwned(before) && !before.Status.Terminal() && !s.overdue(before) && !due.Equal(next) {
		// It looked abandoned by a wrong clock only.
		return false, s.raw.move(ctx, r, func(now *store.Record) error {
			if now.DueAt.Equal(next) {
				now.DueAt = due
			}
			return nil
		})
	}
	return true, nil
}
