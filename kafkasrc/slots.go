package kafkasrc

import "sync"

// slots bounds the Submits in progress, in both lanes together. Safe for
// concurrent use.
type slots struct {
	mu    sync.Mutex
	free  int
	first *share // takes precedence while it waits
	all   []*share
}

// A share is what one lane may take of the slots.
type share struct {
	of      *slots
	limit   int
	used    int
	waiting bool
	// wake is signalled whenever a slot becomes free.
	wake chan struct{}
}

func newSlots(n int) *slots { return &slots{free: n} }

// share adds a lane that may take limit slots. The first one added goes before others.
func (s *slots) share(limit int) *share {
	sh := &share{of: s, limit: max(1, limit), wake: make(chan struct{}, 1)}
	if s.first == nil {
		s.first = sh
	}
	s.all = append(s.all, sh)
	return sh
}

// take takes a slot if there is one. If not, the lane waits for one from then on, until it
// takes one or calls leave.
func (sh *share) take() bool {
	s := sh.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 || sh.used >= sh.limit || (s.first.waiting && s.first != sh) {
		sh.waiting = true
		return false
	}
	s.free--
	sh.used++
	sh.waiting = false
	return true
}

// leave says that the lane waits no more.
func (sh *share) leave() {
	sh.of.mu.Lock()
	sh.waiting = false
	sh.of.mu.Unlock()
	sh.of.wakeAll()
}

// give gives a slot back.
func (sh *share) give() {
	s := sh.of
	s.mu.Lock()
	s.free++
	sh.used--
	s.mu.Unlock()
	s.wakeAll()
}

func (s *slots) wakeAll() {
	for _, sh := range s.all {
		select {
		case sh.wake <- struct{}{}:
		default: // it has been signalled already
		}
	}
}

// inUse is how many slots the lane holds, and available how many more it could take.
func (sh *share) inUse() (used, available int) {
	sh.of.mu.Lock()
	defer sh.of.mu.Unlock()
	return sh.used, min(sh.limit-sh.used, sh.of.free)
}
