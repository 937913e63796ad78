package kafkasrc_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestRestart stops the consumer again and again while Submits are in progress, some of them
// slow, some failing, some too slow for the drain.
func TestRestart(t *testing.T) {
	c := broker(t)
	records := c.tasks("r", 3000)
	produce(t, c, records...)
	s := &submitter{fail: func(ctx context.Context, _ string, nth int) error {
		switch rand.IntN(40) {
		case 0:
			return errDown
		case 1: // longer than the drain
			select {
			case <-time.After(400 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
		return nil
	}}
	w := watchOffsets(t, c, fixed(records), func(id string) bool { return s.count(id) > 0 })

	cut := 0
	for run := 0; s.total() < len(records); run++ {
		if run > 60 {
			t.Fatalf("%d of %d accepted after %d runs", s.total(), len(records), run)
		}
		cfg := config(c, s)
		cfg.InFlight = 48
		cfg.DrainTimeout = 150 * time.Millisecond
		r := start(t, cfg)
		before := s.total()
		eventually(t, "some progress", func() bool { return s.total() >= min(before+200, len(records)) })
		if err := r.stop(t); err != nil {
			cut++ // says that some were still in hand
		}
	}
	// The last run has nothing left to interrupt.
	r := start(t, config(c, s))
	eventually(t, "no lag", func() bool {
		st := r.Stats()
		return st.Ready && st.Lag == 0 && st.InFlight == 0 && committedSum(c, c.group, c.topic) == int64(len(records))
	})
	r.mustStop(t)
	s.wantAccepted(t, ids(records))
	wantCommitted(t, c, c.group, c.topic)
	w.wantSeen(t, int64(len(records)))
	if cut == 0 {
		t.Error("no stop ever interrupted a Submit: the test tested nothing")
	}
	again := 0
	for _, id := range ids(records) {
		again += s.count(id) - 1
	}
	t.Logf("%d stops interrupted Submits; %d of %d accepted more than once", cut, again, len(records))
}

// TestDown has the Submitter fail for a while: nothing is skipped, the group keeps its
// member, reading goes on by itself.
func TestDown(t *testing.T) {
	for _, how := range []string{"failing", "hanging"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			records := c.tasks("d", 1500)
			produce(t, c, records...)
			var down atomic.Bool
			back := make(chan struct{})
			s := &submitter{fail: func(ctx context.Context, _ string, _ int) error {
				if !down.Load() {
					return nil
				}
				if how == "hanging" {
					<-back
					return nil
				}
				return errDown
			}}
			var mu sync.Mutex
			w := watchOffsets(t, c, func() []*kgo.Record { mu.Lock(); defer mu.Unlock(); return slices.Clip(records) }, func(id string) bool { return s.count(id) > 0 })
			down.Store(true)
			cfg := config(c, s)
			cfg.InFlight = 32
			// What throws it out is to be that it does not poll: heartbeats may be late by some seconds.
			cfg.Librdkafka["max.poll.interval.ms"] = 8000
			cfg.Librdkafka["session.timeout.ms"] = 8000
			cfg.Librdkafka["heartbeat.interval.ms"] = 500
			r := start(t, cfg)
			eventually(t, "paused", func() bool { return r.Stats().Paused })
			var members map[string]int
			eventually(t, "the group is stable", func() bool { members = c.members(t, c.group); return len(members) == 1 })
			generation := c.generation(t, c.group)
			// Longer than max.poll.interval.ms: a consumer that does not poll is thrown out.
			time.Sleep(10 * time.Second)
			if st := r.Stats(); s.total() != 0 || st.InFlight != 32 || !st.Ready || !st.Paused {
				t.Errorf("while down: %d accepted, %+v", s.total(), st)
			}
			// All of it, also in partitions that were never fetched before the pause, and what
			// arrives behind it.
			eventually(t, "the lag is known", func() bool { return r.Stats().Lag == int64(len(records)) })
			more := c.tasks("more", 40)
			produce(t, c, more...)
			mu.Lock()
			records = append(records, more...)
			mu.Unlock()
			eventually(t, "the lag grows while paused", func() bool { return r.Stats().Lag == int64(len(records)) })
			down.Store(false)
			close(back)
			eventually(t, "all accepted", func() bool { return s.total() == len(records) })
			var then map[string]int // the brokers may have no answer just now
			eventually(t, "the group is stable still", func() bool { then = c.members(t, c.group); return len(then) > 0 })
			if now := c.generation(t, c.group); now != generation || !maps.Equal(members, then) {
				t.Errorf("membership was lost: generation %d, then %d; members %v, then %v", generation, now, members, then)
			}
			eventually(t, "running again", func() bool { st := r.Stats(); return !st.Paused && st.Lag == 0 })
			r.mustStop(t)
			if st := r.Stats(); how == "failing" && st.Retries == 0 || st.Received != int64(len(records)) {
				t.Errorf("%+v", st)
			}
			s.wantAccepted(t, ids(records))
			wantCommitted(t, c, c.group, c.topic)
			w.wantSeen(t, 1)
		})
	}
}
