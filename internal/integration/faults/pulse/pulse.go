// Package pulse tells how long the machine that a test runs on stood still.
package pulse

import (
	"sync"
	"time"
)

// Pulse measures how long the machine keeps a goroutine waiting that wants to run: what a
// process did too late in that time is not its own fault. Safe for concurrent use.
type Pulse struct {
	quit   chan struct{}
	end    sync.Once
	done   sync.WaitGroup
	mu     sync.Mutex
	worst  time.Duration
	stalls []stall
}

type stall struct {
	until time.Time
	lost  time.Duration
}

const (
	beat    = 10 * time.Millisecond
	notable = 200 * time.Millisecond // a shorter wait is counted as the worst only
)

// Start measures until End.
func Start() *Pulse {
	p := &Pulse{quit: make(chan struct{})}
	p.done.Go(func() {
		for last := time.Now(); ; {
			select {
			case <-p.quit:
				return
			case <-time.After(beat):
			}
			now := time.Now()
			p.saw(now, now.Sub(last)-beat)
			last = now
		}
	})
	return p
}

// End ends it and returns the longest wait. What was measured stays.
func (p *Pulse) End() time.Duration {
	p.end.Do(func() { close(p.quit) })
	p.done.Wait()
	return p.worst
}

func (p *Pulse) saw(now time.Time, waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worst = max(p.worst, waited)
	if waited >= notable {
		p.stalls = append(p.stalls, stall{now, waited})
	}
}

// Lost is how long the machine stood still since a moment, and how often for so long.
func (p *Pulse) Lost(since time.Time, each time.Duration) (lost time.Duration, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stalls {
		if !s.until.After(since) {
			continue
		}
		lost += min(s.lost, s.until.Sub(since))
		if s.lost >= each {
			times++
		}
	}
	return lost, times
}
