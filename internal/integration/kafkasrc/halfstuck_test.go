package kafkasrc_test

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestHalfStuck has more than half of the slots taken by records whose Submit fails again and again, and
// all of them for a moment, so that reading pauses: it goes on with the slots that are left.
func TestHalfStuck(t *testing.T) {
	c := broker(t)
	const poisoned = 5 // of 8 slots
	poison, others := c.tasks("bad", poisoned), c.tasks("good", 300)
	for _, r := range poison {
		r.Partition = 0
	}
	for i, r := range others {
		r.Partition = int32(1 + i%(mainPartitions-1)) // not behind them
	}
	slow, paused := map[string]bool{}, make(chan struct{})
	for _, r := range others[:12] {
		slow[string(r.Key)] = true
	}
	s := &submitter{fail: func(_ context.Context, id string, _ int) error {
		switch {
		case strings.HasPrefix(id, "bad"):
			return errDown
		case slow[id]:
			<-paused // longer than polling waits for a slot
		}
		return nil
	}}
	produce(t, c, poison...)
	cfg := config(c, s)
	cfg.InFlight, cfg.NoBulk = 8, true
	r := start(t, cfg)
	eventually(t, "the bad ones have their slots", func() bool { return r.Stats().InFlight == poisoned })
	produce(t, c, others...)
	eventually(t, "reading has paused", func() bool { return r.Stats().Paused })
	close(paused)
	eventually(t, "the good ones are accepted", func() bool { return s.total() == len(others) })
	// The last good one gives its slot back a moment after it was accepted.
	eventually(t, "only the bad ones are in hand", func() bool { return r.Stats().InFlight == poisoned })
	if st := r.Stats(); st.InFlight != poisoned || slices.ContainsFunc(ids(poison), func(id string) bool { return s.count(id) > 0 }) {
		t.Errorf("the bad ones are to be in hand: %+v", st)
	}
	r.mustStop(t)
}
