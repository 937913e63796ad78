package voicetask

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// Breaker keeps dials from an account that fails: one whose key was revoked, whose
// wallet is empty, or whose platform is down would otherwise end a whole campaign,
// task by task. It counts failures in a row, in each worker for itself.
type Breaker struct {
	// Failures in a row open it; default 5. What counts is an error of Place that
	// says unauthenticated, rejected, not_found, unavailable or outcome_unknown. A
	// bad request is the task's own, and a full line says that the account works.
	Failures int
	// Cooldown is how long it stays open. Then one dial is let through: it closes
	// the breaker or opens it again. Default 1 min.
	Cooldown time.Duration
}

// breakers are the breakers of a worker, by provider. The nil *breakers lets
// everything pass.
type breakers struct {
	Breaker
	mu   sync.Mutex
	each map[string]*breakerState
}

type breakerState struct {
	failures int
	until    time.Time // zero: closed
}

func newBreakers(b *Breaker) *breakers {
	if b == nil {
		return nil
	}
	s := &breakers{Breaker: *b, each: map[string]*breakerState{}}
	if s.Failures <= 0 {
		s.Failures = 5
	}
	if s.Cooldown <= 0 {
		s.Cooldown = time.Minute
	}
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
	return s == nil || !now.Before(s.until)
}

// take is ready for the dial that is about to go: of those that come after the
// cooldown one passes and the rest wait for what becomes of it.
func (b *breakers) take(name string, now time.Time) (until time.Time, open bool) {
	if b == nil {
		return time.Time{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.each[name]
	switch {
	case s == nil || s.until.IsZero():
		return time.Time{}, false
	case now.Before(s.until):
		return s.until, true
	}
	s.until = now.Add(b.Cooldown)
	return time.Time{}, false
}

type breakerVerdict int

const (
	neutral breakerVerdict = iota
	works
	fails
)

// verdictOn says what an answer of Place proves about the account.
func verdictOn(err error) breakerVerdict {
	switch provider.KindOf(err) {
	case "", provider.KindRateLimited:
		return works
	case provider.KindUnauthenticated, provider.KindRejected, provider.KindNotFound, provider.KindUnavailable:
		return fails
	case provider.KindOutcomeUnknown:
		if errors.Is(err, context.Canceled) {
			return neutral
		}
		return fails
	}
	return neutral
}

// note counts. opened is true for the failure that opened the breaker.
func (b *breakers) note(name string, v breakerVerdict, now time.Time) (opened bool) {
	if b == nil || v == neutral {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.each[name]
	if s == nil {
		s = &breakerState{}
		b.each[name] = s
	}
	if v == works {
		*s = breakerState{}
		return false
	}
	if s.failures++; s.failures < b.Failures {
		return false
	}
	opened = s.failures == b.Failures
	s.until = now.Add(b.Cooldown)
	return opened
}
