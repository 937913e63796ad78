package voicetask

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// Breaker keeps dials from an account that fails: one whose key was revoked, whose
// wallet is empty, whose trunk refuses us, or whose platform is down would otherwise
// end a whole campaign, task by task.
//
// It counts two things in a row, for each account by itself. One is sends that failed:
// an error of Place that says unauthenticated, rejected, not_found, unavailable or
// outcome_unknown; a call that was accepted, or refused for want of a free line, starts
// that count anew. The other is accepted calls that ended provider_fault or
// config_error: only a call that reached a phone or the number's end (completed,
// voicemail, no answer, busy, declined, invalid number) starts that one anew, since a
// platform may accept what it cannot dial. A bad request is the task's own and counts
// nowhere.
//
// Each worker process counts what it sees itself: the sends it makes, the ends it finds
// by polling, and those that its tasks' next step or result tells of within a few
// minutes. So K workers need up to K times as many failures before all of them have
// stopped, and a new process starts with its breakers closed.
type Breaker struct {
	// Failures in a row, of either kind, open it; default 5.
	Failures int
	// Cooldown is how long it stays open. Then one dial is let through, and another
	// after each further Cooldown until one tells: what had failed and now works closes
	// the breaker, another failure opens it again. Of a call the end tells, so this may
	// take as long as a call. Default 1 min.
	Cooldown time.Duration
}

func (b Breaker) check() error {
	switch {
	case b.Failures < 0:
		return fmt.Errorf("Failures is %d: use 1 or more, or 0 for %d", b.Failures, defaultFailures)
	case b.Cooldown < 0:
		return fmt.Errorf("Cooldown is %v: use a positive duration, or 0 for %v", b.Cooldown, defaultCooldown)
	}
	return nil
}

const (
	defaultFailures = 5
	defaultCooldown = time.Minute
)

// breakers are the breakers of a worker, by provider. The nil *breakers lets
// everything pass.
type breakers struct {
	Breaker
	mu    sync.Mutex
	each  map[string]*breakerState
	ended recently
}

// breakerState is of one account.
type breakerState struct{ sends, calls streak }

// streak is failures of one kind in a row.
type streak struct {
	failures int
	last     time.Time // the latest of them was noted
	until    time.Time // zero: closed
}

func (s *breakerState) until() time.Time {
	if s.calls.until.After(s.sends.until) {
		return s.calls.until
	}
	return s.sends.until
}

func newBreakers(b *Breaker) *breakers {
	if b == nil {
		return nil
	}
	s := &breakers{Breaker: *b, each: map[string]*breakerState{}, ended: recently{seed: maphash.MakeSeed()}}
	fill(&s.Failures, defaultFailures)
	fill(&s.Cooldown, defaultCooldown)
	return s
}

// ready reports whether a dial may go through the account.
func (b *breakers) ready(name string, now time.Time) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.each[name]
	return s == nil || !now.Before(s.until())
}

// take is ready for the dial that is about to go: of those that come after the
// cooldown one passes and the rest wait for what becomes of it, or for the next turn.
func (b *breakers) take(name string, now time.Time) (until time.Time, open bool) {
	if b == nil {
		return time.Time{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.each[name]
	switch {
	case s == nil || s.until().IsZero():
		return time.Time{}, false
	case now.Before(s.until()):
		return s.until(), true
	}
	for _, open := range []*streak{&s.sends, &s.calls} {
		if !open.until.IsZero() {
			open.until = now.Add(b.Cooldown)
		}
	}
	return time.Time{}, false
}

// freshFor is for how long the end of a call tells of its account: of a dial whose task is
// redialled hours later it tells what was then.
const freshFor = 5 * time.Minute

// noteEnd counts how a call ended at that time. A failure of long ago opens nothing, and
// a phone that was reached before the latest failure takes none back.
func (b *breakers) noteEnd(name string, e evidence, at, now time.Time) (opened bool) {
	if now.Sub(at) > freshFor || (e == reachedPhone && at.Before(b.failedLast(name))) {
		return false
	}
	return b.note(name, e, now)
}

func (b *breakers) failedLast(name string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.each[name]
	switch {
	case s == nil:
		return time.Time{}
	case s.calls.last.After(s.sends.last):
		return s.calls.last
	}
	return s.sends.last
}

// note counts. opened is true for the failure that opened the breaker.
func (b *breakers) note(name string, e evidence, now time.Time) (opened bool) {
	if b == nil || e == tellsNothing {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.each[name]
	if s == nil {
		s = &breakerState{}
		b.each[name] = s
	}
	switch e {
	case reachedPhone:
		*s = breakerState{}
	case accepted:
		s.sends = streak{}
	case sendFailed:
		return b.fails(&s.sends, now)
	case callFailed:
		return b.fails(&s.calls, now)
	}
	return false
}

func (b *breakers) fails(s *streak, now time.Time) (opened bool) {
	s.last = now
	if s.failures++; s.failures < b.Failures {
		return false
	}
	s.until = now.Add(b.Cooldown)
	return s.failures == b.Failures
}

// first reports whether the end of this dial was not counted yet: several steps of a
// task come by it, and each may run more than once.
func (b *breakers) first(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended.add(key)
}

// recently remembers the last few thousand keys, by their hashes: two generations, of
// which the older one goes when the younger is full.
type recently struct {
	seed       maphash.Seed
	young, old map[uint64]struct{}
}

const generation = 4096

func (r *recently) add(key string) (isNew bool) {
	h := maphash.String(r.seed, key)
	if _, known := r.young[h]; known {
		return false
	}
	if _, known := r.old[h]; known {
		return false
	}
	if r.young == nil || len(r.young) >= generation {
		r.young, r.old = map[uint64]struct{}{}, r.young
	}
	r.young[h] = struct{}{}
	return true
}
