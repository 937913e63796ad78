package vendorhttp

import (
	"sync"
	"time"
)

// seldomGap is the shortest time between two lines about the same trouble.
const seldomGap = time.Second

// Seldom bounds what strangers can make us log: a flood of forged webhooks is a line a
// second, which says how many there were. It is safe for concurrent use, and its zero
// value is ready.
type Seldom struct {
	mu   sync.Mutex
	last time.Time
	kept int
}

// Log calls line with the number of times it was asked since the last line, this one
// included, unless that is less than a second ago.
func (s *Seldom) Log(line func(n int)) {
	s.mu.Lock()
	s.kept++
	if now := time.Now(); s.last.IsZero() || now.Sub(s.last) >= seldomGap {
		n := s.kept
		s.last, s.kept = now, 0
		s.mu.Unlock()
		line(n)
		return
	}
	s.mu.Unlock()
}
