package kafkasrc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/superservices/voice/voicetask"
)

type submitFunc func(ctx context.Context, t voicetask.Task) error

func (f submitFunc) Submit(ctx context.Context, t voicetask.Task) error { return f(ctx, t) }

func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer error
		primary, fallback := 0, 0
		var log bytes.Buffer
		f := &failover{
			notes:    newConditions(slog.New(slog.NewTextHandler(&log, nil))),
			primary:  submitFunc(func(context.Context, voicetask.Task) error { primary++; return answer }),
			fallback: submitFunc(func(context.Context, voicetask.Task) error { fallback++; return nil }),
			after:    time.Minute,
		}
		check := func(what string, wantErr error, wantPrimary, wantFallback int, wantActive bool) {
			t.Helper()
			primary, fallback = 0, 0
			if err := f.Submit(t.Context(), voicetask.Task{}); !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %v", what, err)
			}
			if primary != wantPrimary || fallback != wantFallback || f.active.Load() != wantActive {
				t.Errorf("%s: primary %d, fallback %d, active %v", what, primary, fallback, f.active.Load())
			}
		}
		check("up", nil, 1, 0, false)
		time.Sleep(time.Hour)
		answer = errAway
		check("the first failure", errAway, 1, 0, false)
		time.Sleep(59 * time.Second)
		check("not yet", errAway, 1, 0, false)
		answer = voicetask.ErrInvalidTask
		check("an answer", voicetask.ErrInvalidTask, 1, 0, false)
		answer = errAway
		time.Sleep(59 * time.Second)
		check("the clock began anew", errAway, 1, 0, false)
		time.Sleep(time.Minute)
		check("a minute of failures", nil, 1, 1, true)
		check("no probe yet", nil, 0, 1, true)
		time.Sleep(probeEvery)
		check("a probe that fails", nil, 1, 1, true)
		check("one probe at a time", nil, 0, 1, true)
		answer = nil
		time.Sleep(probeEvery)
		check("a probe that succeeds", nil, 1, 0, false)
		check("back", nil, 1, 0, false)
		if took, gave := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "level=INFO"); took != 1 || gave != 1 {
			t.Errorf("the log says %d times that the fallback took over, and %d times that it gave back:\n%s", took, gave, log.String())
		}
	})
}

// TestFailoverHang has Submitter hang: each call is cut off, and counts as a failure.
func TestFailoverHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		f := &failover{
			primary:  submitFunc(func(ctx context.Context, _ voicetask.Task) error { <-ctx.Done(); return ctx.Err() }),
			fallback: submitFunc(func(context.Context, voicetask.Task) error { taken++; return nil }),
			after:    45 * time.Second,
			notes:    newConditions(slog.New(slog.DiscardHandler)),
		}
		began := time.Now()
		if err := f.Submit(t.Context(), voicetask.Task{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first: %v", err)
		}
		time.Sleep(15 * time.Second)
		if err := f.Submit(t.Context(), voicetask.Task{}); err != nil || taken != 1 {
			t.Errorf("the second: %v, %d taken over", err, taken)
		}
		if took := time.Since(began); took != 22500*time.Millisecond+15*time.Second+22500*time.Millisecond {
			t.Errorf("two calls of half the time each, and the pause, took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f = &failover{primary: f.primary, fallback: f.fallback}
		if err := f.Submit(ctx, voicetask.Task{}); !errors.Is(err, context.Canceled) || !f.since.IsZero() {
			t.Errorf("a stop counts as a failure: %v", err)
		}
	})
}

// TestFailoverPanic has both Submitters panic: each is one that fails, and what is logged says where
// and of which type, and nothing of what was said.
func TestFailoverPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "+4930123456"
		var log bytes.Buffer
		f := &failover{
			primary: submitFunc(func(context.Context, voicetask.Task) error { throw(secret); return nil }),
			fallback: submitFunc(func(context.Context, voicetask.Task) error {
				panic(fmt.Errorf("%w: %s", voicetask.ErrInvalidTask, secret))
			}),
			after: time.Minute,
			notes: newConditions(slog.New(slog.NewTextHandler(&log, nil))),
			count: &counters{},
		}
		check := func(what string, want ...string) {
			t.Helper()
			log.Reset()
			err := f.Submit(t.Context(), voicetask.Task{})
			if err == nil {
				t.Fatalf("%s: no error", what)
			}
			if errors.Is(err, voicetask.ErrInvalidTask) {
				t.Errorf("%s: the record would become a dead letter", what)
			}
			for _, text := range []string{err.Error(), log.String()} {
				for _, w := range want {
					if !strings.Contains(text, w) {
						t.Errorf("%s: want %q in: %s", what, w, text)
					}
				}
				if strings.Contains(text, secret) || strings.Contains(text, secret[1:]) {
					t.Errorf("%s: the number is in: %s", what, text)
				}
			}
		}
		check("a string", "Config.Submitter panicked with a string in", "kafkasrc.throw")
		if f.active.Load() {
			t.Error("one panic calls for the fallback")
		}
		time.Sleep(time.Minute)
		check("an error that is ErrInvalidTask", "Config.Fallback panicked with a *fmt.wrapError in", "TestFailoverPanic")
		f.fallback = submitFunc(func(context.Context, voicetask.Task) error { return (*hostError)(nil) })
		time.Sleep(repeatAfter)
		check("an error that has no text", "Config.Fallback panicked with a runtime.errorString in", "(*hostError).Error")
		if !f.active.Load() || f.count.panics.Load() != 5 {
			t.Errorf("the fallback is due: %v; %d panics counted, want 5", f.active.Load(), f.count.panics.Load())
		}
	})
}

// TestCaught wants the host's function named also where the runtime threw for it.
func TestCaught(t *testing.T) {
	var none []int
	p := caughtIn(func() { none[len(t.Name())]++ })
	if text := p.Error(); !strings.Contains(text, "it panicked with a runtime.boundsError in") || !strings.Contains(text, "kafkasrc.TestCaught.func1") {
		t.Error(text)
	}
	if stack := p.stack(); !strings.Contains(stack, "kafkasrc.caughtIn\n") || !strings.Contains(stack, "fallback_test.go:") {
		t.Errorf("the stack is\n%s", stack)
	}
}

//go:noinline
func throw(value any) { panic(value) }

func caughtIn(f func()) (p *panicked) {
	defer func() { p = caught("it", recover()) }()
	f()
	return nil
}

// TestFailoverLate has a call fail that began long before another was answered: it says nothing
// of the time before that.
func TestFailoverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failover{after: 20 * time.Second, notes: newConditions(slog.New(slog.DiscardHandler))}
		began := time.Now()
		time.Sleep(30 * time.Second)
		f.down(nil, time.Now())
		if f.down(errAway, began) {
			t.Error("the fallback is due at once")
		}
		time.Sleep(10 * time.Second)
		if f.down(errAway, time.Now()) {
			t.Error("the fallback is due after 10 s")
		}
		time.Sleep(10 * time.Second)
		if !f.down(errAway, time.Now()) {
			t.Error("the fallback is not due after 20 s")
		}
	})
}

func TestConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := newConditions(slog.New(slog.NewTextHandler(&log, nil)))
		lines := func(want int) {
			t.Helper()
			if got := strings.Count(log.String(), "\n"); got != want {
				t.Errorf("%d lines, want %d:\n%s", got, want, log.String())
			}
			log.Reset()
		}
		c.over("a", "never began")
		lines(0)
		for range 100 {
			c.note(slog.LevelWarn, "a", "down")
		}
		c.note(slog.LevelWarn, "b", "another")
		lines(2)
		time.Sleep(repeatAfter)
		c.note(slog.LevelWarn, "a", "down")
		if !strings.Contains(log.String(), "more=99") {
			t.Errorf("the line does not count: %s", log.String())
		}
		c.over("a", "up")
		if !strings.Contains(log.String(), "after=1m0s") {
			t.Errorf("the line does not say how long: %s", log.String())
		}
		lines(2)
		for range 100 { // it comes and goes
			c.note(slog.LevelWarn, "a", "down")
			c.over("a", "up")
		}
		lines(0)
	})
}
