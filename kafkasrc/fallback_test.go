package kafkasrc

import (
	"bytes"
	"context"
	"errors"
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
		f := &failover{
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
		}
		if err := f.Submit(t.Context(), voicetask.Task{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first: %v", err)
		}
		time.Sleep(15 * time.Second)
		if err := f.Submit(t.Context(), voicetask.Task{}); err != nil || taken != 1 {
			t.Errorf("the second: %v, %d taken over", err, taken)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f = &failover{primary: f.primary, fallback: f.fallback}
		if err := f.Submit(ctx, voicetask.Task{}); !errors.Is(err, context.Canceled) || !f.since.IsZero() {
			t.Errorf("a stop counts as a failure: %v", err)
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
