package kafkasrc

import (
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

// script answers calls one after the other, the last answer again and again.
func script(answers ...error) func() error {
	n := -1
	return func() error {
		n = min(n+1, len(answers)-1)
		return answers[n]
	}
}

type outcome struct {
	settled  bool
	took     time.Duration
	letters  []Message
	submits  int
	counters *counters
}

var errAway = errors.New("away")

// settle runs one record through a dispatcher, by a clock of its own.
func settle(t *testing.T, m Message, decode, submit, bury func() error, giveUpAfter, cancelAfter time.Duration) (out outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		count := &counters{}
		d := dispatcher{
			decode: func(context.Context, Message) (voicetask.Task, error) { return voicetask.Task{ID: "t"}, decode() },
			submit: func(_ context.Context, task voicetask.Task) error {
				if task.ID != "t" {
					t.Errorf("another task: %+v", task)
				}
				out.submits++
				return submit()
			},
			bury: func(_ context.Context, m Message) error {
				out.letters = append(out.letters, m)
				return bury()
			},
			maxBytes: 100, grave: grave{topic: "dlq", group: "g"},
			notes: newConditions(slog.New(slog.DiscardHandler)), count: count,
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		given := make(chan struct{})
		if giveUpAfter > 0 {
			time.AfterFunc(giveUpAfter, func() { close(given) })
		}
		if cancelAfter > 0 {
			time.AfterFunc(cancelAfter, cancel)
		}
		began := time.Now()
		out.settled = d.settle(ctx, given, m)
		out.took, out.counters = time.Since(began), count
	})
	return out
}

func TestSettle(t *testing.T) {
	var (
		fine    = script(nil)
		invalid = fmt.Errorf("%w: no", voicetask.ErrInvalidTask)
		m       = Message{Topic: "in", Value: []byte("{}")}
		hour    = time.Hour
	)
	for name, tt := range map[string]struct {
		m                        Message
		decode, submit, bury     func() error
		giveUp, cancel           time.Duration
		settled                  bool
		submits, letters         int
		submitted, dead, retries int64
		class, attempts          string
		least, most              time.Duration
	}{
		"accepted":         {m: m, decode: fine, submit: fine, bury: fine, settled: true, submits: 1, submitted: 1},
		"accepted later":   {m: m, decode: fine, submit: script(errAway, errAway, nil), bury: fine, settled: true, submits: 3, submitted: 1, retries: 2, least: 225 * time.Millisecond, most: 375 * time.Millisecond},
		"long outage":      {m: m, decode: fine, submit: script(append(make100(errAway), nil)...), bury: fine, settled: true, submits: 101, submitted: 1, retries: 100, least: 5 * time.Minute, most: 11 * time.Minute},
		"decoded later":    {m: m, decode: script(Temporary(errAway), nil), submit: fine, bury: fine, settled: true, submits: 1, submitted: 1, least: 75 * time.Millisecond, most: hour},
		"not decoded":      {m: m, decode: script(errAway), submit: fine, bury: fine, settled: true, letters: 1, dead: 1, class: "decode", attempts: "1"},
		"no task":          {m: m, decode: script(invalid), submit: fine, bury: fine, settled: true, letters: 1, dead: 1, class: "invalid_task", attempts: "1"},
		"refused":          {m: m, decode: fine, submit: script(errAway, invalid), bury: fine, settled: true, submits: 2, letters: 1, dead: 1, retries: 1, class: "invalid_task", attempts: "2", most: hour},
		"too large":        {m: Message{Value: make([]byte, 101)}, decode: fine, submit: fine, bury: fine, settled: true, letters: 1, dead: 1, class: "too_large", attempts: "1"},
		"just fits":        {m: Message{Value: make([]byte, 100)}, decode: fine, submit: fine, bury: fine, settled: true, submits: 1, submitted: 1},
		"buried later":     {m: m, decode: script(errAway), submit: fine, bury: script(errAway, errAway, errAway, nil), settled: true, letters: 4, dead: 1, class: "decode", attempts: "1", most: hour},
		"given up":         {m: m, decode: fine, submit: script(errAway), bury: fine, giveUp: 10 * time.Second, submits: 8, retries: 7, least: 10 * time.Second, most: 10 * time.Second},
		"given up buried":  {m: m, decode: script(errAway), submit: fine, bury: script(errAway), giveUp: time.Second, letters: -1, class: "decode", attempts: "1", least: time.Second, most: time.Second},
		"given up decode":  {m: m, decode: script(Temporary(errAway)), submit: fine, bury: fine, giveUp: time.Second, least: time.Second, most: time.Second},
		"cancelled":        {m: m, decode: fine, submit: script(errAway), bury: fine, cancel: time.Second, submits: 4, retries: 3, least: time.Second, most: time.Second},
		"panic in decode":  {m: m, decode: func() error { panic("+4930123456") }, submit: fine, bury: fine, settled: true, letters: 1, dead: 1, class: "decode", attempts: "1"},
		"typed nil":        {m: m, decode: func() error { return (*hostError)(nil) }, submit: fine, bury: fine, settled: true, letters: 1, dead: 1, class: "decode", attempts: "1"},
		"cancelled decode": {m: m, decode: script(context.Canceled), submit: fine, bury: fine, settled: true, letters: 1, dead: 1, class: "decode", attempts: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := settle(t, tt.m, tt.decode, tt.submit, tt.bury, tt.giveUp, tt.cancel)
			c := got.counters
			if got.settled != tt.settled || (tt.letters >= 0 && len(got.letters) != tt.letters) || c.submitted.Load() != tt.submitted || c.deadLettered.Load() != tt.dead {
				t.Errorf("settled %v, %d letters, %d submitted, %d dead", got.settled, len(got.letters), c.submitted.Load(), c.deadLettered.Load())
			}
			// Pauses vary by a quarter: so does the number of tries in a given time.
			if jitter := int64(2); tt.giveUp+tt.cancel == 0 && (got.submits != tt.submits || c.retries.Load() != tt.retries) ||
				int64(got.submits) > int64(tt.submits)+jitter || int64(got.submits) < int64(tt.submits)-jitter || got.submits > 0 && c.retries.Load() != int64(got.submits-1) {
				t.Errorf("%d submits, %d retries", got.submits, c.retries.Load())
			}
			if got.took < tt.least || got.took > tt.most {
				t.Errorf("took %v, want %v to %v", got.took, tt.least, tt.most)
			}
			for _, l := range got.letters {
				class, _ := l.header(HeaderClass)
				attempts, _ := l.header(HeaderAttempts)
				reason, _ := l.header(HeaderMessage)
				if string(class) != tt.class || string(attempts) != tt.attempts || strings.Contains(string(reason), "4930123456") || l.Topic != "dlq" {
					t.Errorf("letter with %q", l.Headers)
				}
			}
		})
	}
}

// A hostError is as hosts write them: its nil pointer is an error that panics when asked for its text.
type hostError struct{ text string }

func (e *hostError) Error() string { return e.text }

// TestDecodeHangs has a host's Decode hang twice, until its time is over, and then fail or panic: the record is decoded again.
func TestDecodeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		cfg := Config{Decode: func(ctx context.Context, _ Message) (voicetask.Task, error) {
			if calls++; calls <= 2 {
				<-ctx.Done()
				if calls == 2 {
					panic("nobody expected that the registry does not answer")
				}
				return voicetask.Task{}, fmt.Errorf("asking the registry: %w", ctx.Err())
			}
			return voicetask.Task{ID: "t"}, nil
		}}.withDefaults()
		d := dispatcher{
			decode: cfg.Decode, maxBytes: 100, notes: newConditions(cfg.Logger), count: &counters{},
			submit: func(context.Context, voicetask.Task) error { return nil },
			bury:   func(context.Context, Message) error { t.Error("a dead letter"); return nil },
		}
		began := time.Now()
		if !d.settle(t.Context(), nil, Message{Value: []byte("{}")}) || calls != 3 || d.count.submitted.Load() != 1 {
			t.Errorf("%d calls, %d submitted", calls, d.count.submitted.Load())
		}
		if took := time.Since(began); took < 2*decodeTimeout || took > 2*decodeTimeout+time.Second {
			t.Errorf("took %v, want twice %v", took, decodeTimeout)
		}
	})
}

func make100(err error) []error {
	out := make([]error, 100)
	for i := range out {
		out[i] = err
	}
	return out
}
