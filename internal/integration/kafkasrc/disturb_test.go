package kafkasrc_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// A disturbance is what was done to the brokers and the network while storms blew.
type disturbance struct {
	rounds, moved, cut int
	delayed            int64 // answers
	failed             []error
}

// disturb troubles brokers and network until over is closed, and each thing at least once; then it
// closes once. The leaders that move are those of one storm's topic after the other's.
func disturb(ctx context.Context, storms []*storm, once chan<- struct{}, over <-chan struct{}) (d disturbance) {
	w := storms[0].w
	try := func(what string, err error) {
		if err != nil {
			d.failed = append(d.failed, fmt.Errorf("%s: %w", what, err))
		}
	}
	// A group's dead members stay in it for a session, which begins anew with each coordinator: if
	// those came faster than sessions end, no rebalance would.
	const short, long = 2 * time.Second, stormSession + 5*time.Second
	steps := []struct {
		calm time.Duration // behind it
		do   func()
	}{
		{short, func() { d.cut += w.Cut() }},
		{short, func() {
			w := storms[d.rounds%len(storms)].w
			// Brokers that were just troubled may take their time to tell.
			before := leaders(ctx, w)
			for until := time.Now().Add(patience / 3); len(before) == 0 && time.Now().Before(until); time.Sleep(150 * time.Millisecond) {
				before = leaders(ctx, w)
			}
			try("leaders", w.MoveLeaders(ctx, w.topic))
			for until := time.Now().Add(patience / 3); time.Now().Before(until); time.Sleep(150 * time.Millisecond) {
				if now := leaders(ctx, w); len(before) > 0 && len(now) > 0 && !maps.Equal(before, now) {
					d.moved++
					break
				}
			}
		}},
		{short, func() { w.Slow(300 * time.Millisecond); time.Sleep(3 * time.Second); w.Slow(0) }},
		{long, func() { try("coordinators", w.MoveCoordinators(ctx)) }},
		{long, func() { try("restart", w.Restart(ctx, d.rounds%2 == 1)) }},
	}
	// Without members there is nobody to be troubled. Storms blow as many at a time as there are processors.
	blows := func(s *storm) bool { return s.sent.Load() > 0 }
	for waiting := true; waiting && !slices.ContainsFunc(storms, blows); {
		select {
		case <-over:
			waiting = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	for ; ; d.rounds++ {
		for i, step := range steps {
			step.do()
			if d.rounds == 0 && i == len(steps)-1 {
				close(once)
			}
			select {
			case <-over:
				if d.rounds > 0 || i == len(steps)-1 {
					d.rounds++
					d.delayed = w.Delayed()
					return d
				}
			case <-time.After(step.calm):
			}
		}
	}
}

// check fails unless everything was done, and hit something.
func (d disturbance) check(t *testing.T) {
	t.Logf("measured: %d rounds; leaders seen to move %d times, %d answers late, %d connections cut, coordinators moved, brokers restarted", d.rounds, d.moved, d.delayed, d.cut)
	if d.cut == 0 || d.moved == 0 || d.delayed == 0 {
		t.Error("one of them hit nothing")
	}
	for _, err := range d.failed {
		t.Error(err)
	}
}

// leaders are the topic's, by partition; nil when the brokers cannot be asked just now.
func leaders(ctx context.Context, w *world) map[int32]int32 {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	meta, err := w.Admin().Metadata(ctx, w.topic)
	if err != nil {
		return nil
	}
	out := map[int32]int32{}
	for id, p := range meta.Topics[w.topic].Partitions {
		out[id] = p.Leader
	}
	return out
}
