package voicetask

import (
	"context"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// overlong is how much longer than its limits a call may last before the sweeper
// ends it: its workflow and its platform ought to have done so.
const overlong = 2 * time.Minute

// endOverlong asks about a call that is up beyond its limits. Its end is delivered; a
// call that is up still is hung up.
//
// How long it has lasted is the store's to say: the clocks of the worker that dialled
// and of this process may be wrong, and must not cut a conversation short. The row was
// written when the call was placed or later; what it is written now tells how long ago
// that was.
func (s *Sweeper) endOverlong(ctx context.Context, t Task, r *store.Record) error {
	dial, open := openDial(*r)
	if !open || dial.CallID == "" {
		return nil
	}
	known := s.overlong.has(dial.Key)
	limit, err := s.limit(ctx, t, dial)
	before := r.UpdatedAt
	if now := s.clock(); err != nil || s.resting.is(dial.Provider) || r.DueAt.After(now) || (!known && now.Sub(before) <= limit) {
		return err
	}
	mine, err := s.claim(ctx, r, r.DueAt)
	if err != nil || !mine || (!known && r.UpdatedAt.Sub(before) <= limit) {
		return err
	}
	over, err := s.hangUp(ctx, t, dial, false)
	s.overlong.set(dial.Key, !over) // the proof is gone from the row: it has been written
	return err
}

// limit is how long a call may last before the sweeper ends it.
func (s *Sweeper) limit(ctx context.Context, t Task, a store.Attempt) (time.Duration, error) {
	e := &execution{activities: s.raw, in: CallInput{Task: t}}
	err := e.adopt(ctx, a.Provider)
	return e.policy.RingTimeout + e.policy.MaxCallDuration + overlong, err
}

// clock is the store's, as far as it is known: what was written last tells by how much
// ours is wrong.
func (s *Sweeper) clock() time.Time { return s.raw.now().Add(time.Duration(s.skew.Load())) }

// earlier is the earlier of the store's clock and ours, for what both must agree on.
func (s *Sweeper) earlier() time.Time {
	if now := s.clock(); now.Before(s.raw.now()) {
		return now
	}
	return s.raw.now()
}

// hangUp asks how a call stands, ends it if it is up, and delivers what is new. It
// reports whether the call is over.
func (s *Sweeper) hangUp(ctx context.Context, t Task, dial store.Attempt, cancel bool) (over bool, err error) {
	p, ok := s.cfg.Providers.Lookup(dial.Provider)
	if !ok {
		return false, nil // nobody here can end it
	}
	c, found := s.evidence(ctx, p, dial)
	if !found {
		return false, nil
	}
	if c.Status != provider.StatusEnded {
		s.cfg.Logger.WarnContext(ctx, "a call is up that ought to be over: hanging up", "task_id", t.ID, "dial", dial.N, "provider", dial.Provider)
		s.raw.notice(ctx, provider.NoticeOverdueCall, dial.Provider, t.ID, dial.Key)
		began := s.raw.now()
		if c, err = s.acts.EndCall(ctx, CallInput{Task: t, N: dial.N, Key: dial.Key, Provider: dial.Provider, CallID: c.ID, Cancel: cancel}); err != nil {
			return false, err
		}
		if !cancel && c.Status == provider.StatusEnded && !c.EndedAt.Before(began.Add(-clockSlack)) {
			c.Outcome = provider.OutcomeTimedOut // what its workflow would have said
		}
	}
	if c.ID == "" {
		return false, nil
	}
	return c.Status == provider.StatusEnded, s.deliver(ctx, dial, c)
}

// evidence is what the platform says of a dial, if it says anything.
func (s *Sweeper) evidence(ctx context.Context, p provider.Provider, a store.Attempt) (provider.Call, bool) {
	if s.resting.is(a.Provider) {
		return provider.Call{}, false
	}
	defer s.resting.timed(a.Provider)()
	if a.CallID == "" {
		e := &execution{activities: s.raw, provider: p}
		return e.find(ctx, a)
	}
	c, err := s.raw.ask(ctx, p, a.CallID)
	if err != nil {
		return provider.Call{}, false
	}
	return fence.CallOf(store.Attempt{CallID: a.CallID, Key: a.Key, AnsweredAt: a.AnsweredAt}).Merge(c), true
}

// endSecondCalls hangs up what a row's dials have too many, see
// activities.endSecondCalls. It reports whether one may be up still.
func (s *Sweeper) endSecondCalls(ctx context.Context, r store.Record) (open bool) {
	for _, a := range r.Attempts {
		if p, ok := s.cfg.Providers.Lookup(a.Provider); ok && len(a.OtherCallIDs) > 0 && !s.resting.is(a.Provider) {
			answered := s.resting.timed(a.Provider)
			open = s.raw.endSecondCalls(ctx, p, a) || open
			answered()
		}
	}
	return open
}
