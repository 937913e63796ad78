package kafkasrc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/superservices/voice/voicetask"
)

// submitTimeout is how long one Submit may take.
const submitTimeout = 30 * time.Second

// probeEvery is how often the Submitter is tried while the fallback does its work.
const probeEvery = 5 * time.Second

// A failover submits to primary, and to fallback while primary is down: once every Submit to
// it failed for a while, until one succeeds. Safe for concurrent use.
type failover struct {
	primary  voicetask.Submitter
	fallback voicetask.Submitter // nil: there is none
	after    time.Duration

	active atomic.Bool // the fallback does the work

	mu     sync.Mutex
	since  time.Time // of the first failure without a success behind it; zero: none
	probed time.Time // when primary was last tried while active
}

// Submit has the meaning of voicetask.Submitter.
func (f *failover) Submit(ctx context.Context, t voicetask.Task) error {
	if f.active.Load() && !f.probe() {
		return submit(ctx, f.fallback, t)
	}
	err := submit(ctx, f.primary, t)
	if f.fallback == nil || ctx.Err() != nil || !f.down(err) {
		return err
	}
	// primary may have accepted t and lost the answer: the claim in the shared store
	// lets only one of the two carry it out.
	return submit(ctx, f.fallback, t)
}

// submit bounds one call, so that a Submitter that hangs is one that fails.
func submit(ctx context.Context, s voicetask.Submitter, t voicetask.Task) error {
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	return s.Submit(ctx, t)
}

// probe reports whether it is time, and the caller's turn, to try primary again.
func (f *failover) probe() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.probed) < probeEvery {
		return false
	}
	f.probed = time.Now()
	return true
}

// down takes note of what primary answered and reports whether the fallback is due.
func (f *failover) down(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || errors.Is(err, voicetask.ErrInvalidTask) { // an answer
		f.since = time.Time{}
		f.active.Store(false)
		return false
	}
	now := time.Now()
	if f.since.IsZero() {
		f.since = now
	}
	if !f.active.Load() && now.Sub(f.since) >= f.after {
		f.active.Store(true)
		f.probed = now
	}
	return f.active.Load()
}
