package voicetask

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// stepTimeout bounds one step; the longest is a blocking provider's call.
const stepTimeout = executeTimeout

// step does what is due for one task and writes when it is due next. Its error means
// that this could not be written: the row is due still.
func (d *Direct) step(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	err := d.advance(ctx, id)
	var wait *later
	delay := 10 * time.Second
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wait):
		delay = wait.delay
	case errors.Is(err, fence.ErrOtherEngine), errors.Is(err, fence.ErrClosed), errors.Is(err, store.ErrNotFound):
		return nil
	default:
		d.cfg.Logger.WarnContext(ctx, "a step of a task failed and is tried again", "task_id", id, "error", err)
	}
	return d.dueAt(ctx, id, d.raw.now().Add(delay))
}

// endInHand hangs up, while another step is in hand, whatever has an id already.
func (d *Direct) endInHand(ctx context.Context, id string) error {
	rec, err := d.raw.get(ctx, id)
	if err != nil {
		return err
	}
	if n := len(rec.Attempts); n > 0 {
		t, err := ParseTask(rec.Task)
		if err != nil {
			return err
		}
		s := &directStep{Direct: d, t: t, rec: rec}
		if _, err := d.acts.EndCall(ctx, s.input(n, rec.Attempts[n-1].Provider, Policy{}, true)); err != nil {
			return err
		}
	}
	return d.dueAt(ctx, id, d.raw.now().Add(2*time.Second))
}

// dueAt puts the next step off, and renews the claim until then.
func (d *Direct) dueAt(ctx context.Context, id string, at time.Time) error {
	_, err := d.ledger.modify(ctx, id, func(r *store.Record) error {
		due := at
		if soon := d.raw.now().Add(2 * time.Second); soon.Before(due) && urgent(*r) {
			due = soon // somebody wrote while the step was in hand
		}
		if err := fence.Claim(r, d.owner, d.raw.now(), due.Add(d.raw.lease)); err != nil {
			return err
		}
		r.DueAt = due
		return nil
	})
	return err
}

// urgent reports that a row cannot wait: its call has ended, or is to be ended.
func urgent(r store.Record) bool {
	n := len(r.Attempts)
	return !r.CancelRequestedAt.IsZero() || (n > 0 && r.Attempts[n-1].State == store.AttemptEnded && r.Status != store.StatusScheduled)
}

// advance is one step: what the workflow does between two waits. A panic of the
// host's code is an error: one bad gate must not end the process, and all its other
// tasks with it.
func (d *Direct) advance(ctx context.Context, id string) (err error) {
	var t Task
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("voicetask: a step of task %s panicked: %v", id, p)
		}
		err = quiet(t, err)
	}()
	rec, err := d.raw.get(ctx, id)
	if err != nil {
		return err
	}
	if err := d.raw.move(ctx, &rec, func(r *store.Record) error {
		return fence.Claim(r, d.owner, d.raw.now(), d.raw.leaseUntil())
	}); err != nil {
		return err
	}
	if t, err = ParseTask(rec.Task); err != nil {
		bad := Task{ID: rec.ID, AgentID: rec.AgentID}
		return d.finish(ctx, bad, ending{outcome: provider.OutcomeConfigError, rule: RuleInvalid, words: err.Error()})
	}
	s := &directStep{Direct: d, t: t, rec: rec}
	return s.next(ctx)
}

// finish records the result. Once the row has ended it is due no more, so what a host
// does besides (Config.Wrap) and could not do is tried again here, for a minute; the
// workflow tries it without end.
func (d *Direct) finish(ctx context.Context, t Task, e ending) error {
	in := e.input(t).withMetadata()
	err := d.acts.RecordResult(ctx, in)
	for delay := time.Second; err != nil && delay <= 32*time.Second; delay *= 2 {
		if rec, getErr := d.raw.get(ctx, t.ID); getErr != nil || !rec.Status.Terminal() {
			return err // the row is due still
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(delay):
		}
		err = d.acts.RecordResult(ctx, in)
	}
	return err
}

// directStep is one step of one task.
type directStep struct {
	*Direct
	t   Task
	rec store.Record
}

func (s *directStep) next(ctx context.Context) error {
	n := len(s.rec.Attempts)
	if n == 0 {
		return s.dial(ctx, 1, provider.Call{}, time.Time{})
	}
	last := s.rec.Attempts[n-1]
	switch last.State {
	case store.AttemptPlaced:
		return s.follow(ctx, last)
	case store.AttemptEnded:
		if usedUp(last) {
			return s.dial(ctx, n, provider.Call{}, time.Time{}) // it answers whether that is final
		}
		if p, ok := s.cfg.Providers.Lookup(last.Provider); ok && !provider.TraitsOf(p).Events && s.raw.summaryToCome(last.Provider, s.callOf(last)) {
			return s.follow(ctx, last) // asks again
		}
		return s.after(ctx, last, s.callOf(last))
	case store.AttemptUnknown:
		return s.end(ctx, ending{outcome: provider.OutcomeUnknown, rule: RuleUnknown, words: last.Reason, call: s.callOf(last), provider: last.Provider, dials: n})
	case store.AttemptSending:
		if !s.rec.CancelRequestedAt.IsZero() {
			if _, err := s.acts.EndCall(ctx, s.input(last.N, last.Provider, Policy{}, true)); err != nil {
				return err
			}
		}
	}
	return s.dial(ctx, n, provider.Call{}, time.Time{})
}

// callOf is the call of an attempt with what events have noted of it.
func (s *directStep) callOf(a store.Attempt) provider.Call {
	c := fence.CallOf(a)
	if d := draft(s.rec); d.Data.CallID == c.ID && c.ID != "" {
		c.Transcript, c.Summary, c.RecordingURL, c.From = d.Data.Transcript, d.Data.CallSummary, d.Data.RecordingURL, d.Data.AssistantNumber
	}
	return c
}

func (s *directStep) input(n int, prov string, p Policy, cancel bool) CallInput {
	in := CallInput{Task: s.t, N: n, Key: provider.Key(s.t.ID, n), Provider: prov, Policy: p, Cancel: cancel}
	if a := fence.Find(&s.rec, n); a != nil {
		in.CallID = a.CallID
	}
	return in
}

func (s *directStep) end(ctx context.Context, e ending) error { return s.finish(ctx, s.t, e) }

// dial is what the workflow does with execute_call_activity's answer.
func (s *directStep) dial(ctx context.Context, n int, previous provider.Call, notBefore time.Time) error {
	var before store.Attempt // the dial before this one
	if a := fence.Find(&s.rec, n-1); a != nil {
		before = *a
		if previous.Status == "" {
			previous = s.callOf(before)
		}
	}
	in := s.input(n, "", Policy{}, false)
	in.Previous, in.NotBefore = previous, notBefore
	d, err := s.acts.ExecuteCall(ctx, in)
	if errors.Is(err, provider.ErrNoProvider) {
		return s.end(ctx, ending{outcome: provider.OutcomeConfigError, rule: RuleSelection, words: err.Error(), err: err.Error(), dials: n - 1})
	}
	if err != nil {
		return err
	}
	switch {
	case d.End != "":
		e := ending{outcome: d.End, rule: d.Rule, words: d.Reason, provider: d.Provider, call: d.Call, dials: n}
		if d.Call.Status == "" {
			e.dials = n - 1
		}
		if d.Call.Status == "" && n > 1 {
			e.call, e.lastDial, e.provider = previous, previous.Outcome, before.Provider
		}
		return s.end(ctx, e)
	case !d.DialAt.IsZero():
		return nil // the row says when
	}
	fresh, err := s.raw.get(ctx, s.t.ID)
	if err != nil {
		return err
	}
	s.rec = fresh
	if d.Call.Status != provider.StatusEnded {
		wait := d.AwaitAfter
		if wait <= 0 {
			wait = max(d.Policy.PollInterval, 0)
		}
		return s.wait(ctx, wait, d.Policy, s.rec.Attempts[n-1])
	}
	return s.after(ctx, s.rec.Attempts[n-1], d.Call)
}

// wait puts the next look at a live call off, at most to its deadline.
func (s *directStep) wait(ctx context.Context, d time.Duration, p Policy, a store.Attempt) error {
	now, deadline := s.raw.now(), s.deadline(p, a)
	at := deadline
	if d > 0 && now.Add(d).Before(deadline) {
		at = now.Add(d)
	}
	return s.dueAt(ctx, s.t.ID, at)
}

// deadline is when a call has lasted for as long as it may. Of the platform's clock and
// that of the process that dialled the later one counts: a wrong one must not cut a
// conversation short.
func (s *directStep) deadline(p Policy, a store.Attempt) time.Time {
	from := a.DialledAt
	if a.SentAt.After(from) {
		from = a.SentAt
	}
	return from.Add(p.MaxCallDuration)
}

// follow looks at a live call, and ends it on cancel or past its deadline.
func (s *directStep) follow(ctx context.Context, a store.Attempt) error {
	p, err := s.policy(ctx, a.Provider)
	if err != nil {
		return err
	}
	cancelled := !s.rec.CancelRequestedAt.IsZero()
	if cancelled || !s.deadline(p, a).After(s.raw.now()) {
		return s.hangUp(ctx, a, p, cancelled)
	}
	if prov, ok := s.cfg.Providers.Lookup(a.Provider); p.PollInterval < 0 || (ok && s.cfg.swept(prov)) {
		return s.wait(ctx, 0, p, a) // only events tell, or the sweeper
	}
	c, err := s.acts.AwaitCall(ctx, s.input(a.N, a.Provider, p, false))
	var notYet *later
	switch {
	case errors.As(err, &notYet):
		return s.wait(ctx, notYet.delay, p, a)
	case err != nil:
		return err
	case c.Status != provider.StatusEnded:
		return s.wait(ctx, 0, p, a) // only events tell
	}
	return s.after(ctx, a, c)
}

// hangUp ends the call and, once the platform says so or a grace has passed, the
// task.
func (s *directStep) hangUp(ctx context.Context, a store.Attempt, p Policy, cancelled bool) error {
	began := s.raw.now()
	c, err := s.acts.EndCall(ctx, s.input(a.N, a.Provider, p, cancelled))
	if err != nil && began.Sub(s.deadline(p, a)) < hangUpLongest {
		return err // after that the platform's own limits have ended it, or never will
	}
	outcome, rule, since := provider.OutcomeTimedOut, RuleDeadline, s.deadline(p, a)
	if cancelled {
		outcome, rule, since = provider.OutcomeCancelled, RuleCancel, s.rec.CancelRequestedAt
	}
	if c.Status != provider.StatusEnded && began.Sub(since) < hangUpGrace {
		return &later{delay: 2 * time.Second, why: "waiting for the end of the call"}
	}
	if c.Status == provider.StatusEnded && !c.EndedAt.IsZero() && c.EndedAt.Before(since.Add(-clockSlack)) {
		return s.after(ctx, a, c) // it had ended by itself
	}
	if c.ID == "" {
		c = s.callOf(a)
	}
	return s.end(ctx, ending{outcome: outcome, rule: rule, words: c.Reason, provider: a.Provider, call: c, dials: a.N})
}

// after decides what follows a dial that has ended.
func (s *directStep) after(ctx context.Context, a store.Attempt, c provider.Call) error {
	p, err := s.policy(ctx, a.Provider)
	if err != nil {
		return err
	}
	var earlier []provider.Outcome
	for _, before := range s.rec.Attempts {
		if before.N < a.N {
			earlier = append(earlier, before.Outcome)
		}
	}
	wait, again, rule := p.next(s.t, a.N, c, earlier)
	asked := s.rec.CancelRequestedAt
	switch {
	case !asked.IsZero() && !maybeRings(c) && (c.EndedAt.IsZero() || !c.EndedAt.Before(asked.Add(-clockSlack))):
		return s.end(ctx, ending{outcome: provider.OutcomeCancelled, rule: RuleCancel, words: c.Reason, provider: a.Provider, call: c, dials: a.N})
	case !again && hungUpLate(c, s.deadline(p, a).Add(-clockSlack)):
		return s.end(ctx, ending{outcome: provider.OutcomeTimedOut, rule: RuleDeadline, words: c.Reason, provider: a.Provider, call: c, dials: a.N})
	case !again:
		return s.end(ctx, ending{outcome: c.Outcome, rule: rule, words: c.Reason, provider: a.Provider, call: c, dials: a.N})
	case !asked.IsZero():
		return s.end(ctx, ending{outcome: provider.OutcomeCancelled, rule: RuleCancel, words: cancelledBefore(a.N + 1), provider: a.Provider, call: c, lastDial: c.Outcome, dials: a.N})
	}
	return s.dial(ctx, a.N+1, c, s.redialAt(c.EndedAt, wait))
}

// redialAt is when the wait after a dial is over. Where a platform's clock is ahead it
// counts from when its end was seen: a row that was put off for it has waited.
func (s *directStep) redialAt(ended time.Time, wait time.Duration) time.Time {
	now := s.raw.now()
	switch putOff := s.rec.Status == store.StatusScheduled && strings.HasPrefix(s.rec.Reason, RuleRedial+":"); {
	case !ended.IsZero() && !ended.After(now):
		return ended.Add(wait)
	case putOff && !s.rec.DueAt.After(now):
		return now
	}
	return now.Add(wait)
}

func (s *directStep) policy(ctx context.Context, prov string) (Policy, error) {
	e := &execution{activities: s.raw, in: CallInput{Task: s.t}}
	err := e.adopt(ctx, prov)
	return e.policy, err
}
