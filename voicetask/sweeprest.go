package voicetask

import (
	"sync"
	"time"
)

// resting are the platforms that are asked nothing for a while, because they let a
// question hang: each one would hold up all tasks behind it for as long as its patience.
type resting struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const (
	slowAnswer = 10 * time.Second
	restFor    = time.Minute
)

func (r *resting) is(platform string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until[platform])
}

// timed is called before a question, and what it returns behind the answer.
func (r *resting) timed(platform string) (answered func()) {
	asked := time.Now()
	return func() {
		if now := time.Now(); now.Sub(asked) > slowAnswer {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.until == nil {
				r.until = map[string]time.Time{}
			}
			r.until[platform] = now.Add(restFor)
		}
	}
}

// keySet is a set of dial keys. It forgets them all rather than grow without bound.
type keySet struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

const mostKeys = 10_000

func (s *keySet) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.keys[key]
	return ok
}

func (s *keySet) set(key string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !in {
		delete(s.keys, key)
		return
	}
	if s.keys == nil || len(s.keys) >= mostKeys {
		s.keys = map[string]struct{}{}
	}
	s.keys[key] = struct{}{}
}
