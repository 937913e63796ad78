package kafkasrc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/superservices/voice/internal/unasked"
	"github.com/superservices/voice/voicetask"
)

// submitTimeout is how long one Submit may take. Where a fallback waits, it is less: a client
// that goes on trying by itself, as Temporal's does, must not hide for long that nobody answers.
const (
	submitTimeout  = 30 * time.Second
	leastToPrimary = 5 * time.Second
)

// probeEvery is how often the Submitter is tried while the fallback does its work.
const probeEvery = 5 * time.Second

// A failover submits to primary, and to fallback while primary is down: once every Submit to
// it failed for a while, until one succeeds. Safe for concurrent use.
type failover struct {
	primary  voicetask.Submitter
	fallback voicetask.Submitter // nil: there is none
	after    time.Duration
	notes    *conditions
	count    *counters

	active atomic.Bool // the fallback does the work

	mu       sync.Mutex
	since    time.Time // when the first call began that failed, without a success behind it; zero: none
	answered time.Time // when primary last answered
	probed   time.Time // when primary was last tried while active
}

// Submit has the meaning of voicetask.Submitter.
func (f *failover) Submit(ctx context.Context, t voicetask.Task) error {
	switch {
	case f.fallback == nil:
		return f.submit(ctx, "Config.Submitter", f.primary, t, f.limit())
	case f.active.Load() && !f.probe():
		return f.submit(ctx, "Config.Fallback", f.fallback, t, submitTimeout)
	}
	began := time.Now()
	asking, byRow := unasked.Watch(ctx)
	err := f.submit(asking, "Config.Submitter", f.primary, t, f.limit())
	// What the row answers alone, or the store that both share does not, says nothing of Temporal: tasks
	// that have ended, or that the fallback has, come again while it is away.
	if ctx.Err() != nil || byRow() || !f.down(err, began) {
		return err
	}
	// primary may have accepted t and lost the answer: the claim in the shared store
	// lets only one of the two carry it out.
	return f.submit(ctx, "Config.Fallback", f.fallback, t, submitTimeout)
}

// limit is the time for one Submit to primary: two of them in a row fit in what it may fail.
func (f *failover) limit() time.Duration {
	if f.fallback == nil {
		return submitTimeout
	}
	return min(submitTimeout, max(f.after/2, leastToPrimary))
}

// submit makes one call of a Submitter one that fails if it hangs or panics. Left alone, a record
// at which Submit panics would end every consumer it comes to, one after the other.
func (f *failover) submit(ctx context.Context, whose string, s voicetask.Submitter, t voicetask.Task, limit time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			p := caught(whose, r)
			f.count.panics.Add(1)
			f.notes.note(slog.LevelError, whose+" panic", "Submit panicked; its record waits and is tried again",
				slog.String("error", p.Error()), slog.String("stack", p.stack()))
			err = p
		}
	}()
	err = s.Submit(ctx, t)
	speak(err)
	return err
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

// down takes note of what primary answered to a call that began then, and reports whether the
// fallback is due.
func (f *failover) down(err error, began time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if err == nil || errors.Is(err, voicetask.ErrInvalidTask) { // an answer
		f.since, f.answered = time.Time{}, now
		if f.active.Swap(false) {
			f.notes.over("fallback", "Config.Submitter answers again: Config.Fallback has given back")
		}
		return false
	}
	if began.Before(f.answered) {
		began = f.answered // it hung while others were answered
	}
	if f.since.IsZero() || began.Before(f.since) {
		f.since = began
	}
	if !f.active.Load() && now.Sub(f.since) >= f.after {
		f.active.Store(true)
		f.probed = now
	}
	if !f.active.Load() {
		return false
	}
	f.notes.still(slog.LevelWarn, "fallback", "Config.Submitter has failed for Config.FallbackAfter: Config.Fallback does the work")
	return true
}
