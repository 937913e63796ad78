package kafkasrc

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestSlots(t *testing.T) {
	s := newSlots(4)
	main, bulk := s.share(4), s.share(2)
	for i, step := range []struct {
		do   func() bool
		want bool
	}{
		{bulk.take, true}, {bulk.take, true}, {bulk.take, false}, // its share is used up
		{main.take, true}, {main.take, true}, {main.take, false}, // all are
	} {
		if got := step.do(); got != step.want {
			t.Fatalf("step %d: %v", i, got)
		}
	}
	bulk.give()
	if bulk.take() {
		t.Fatal("bulk took the slot that main waits for")
	}
	if !main.take() {
		t.Fatal("main did not get the free slot")
	}
	main.give()
	if !bulk.take() {
		t.Fatal("bulk did not get a slot that nobody waits for")
	}
	if main.take() {
		t.Fatal("there are more slots than there are")
	}
	bulk.give()
	main.leave()
	if !bulk.take() {
		t.Fatal("main left, and bulk does not get the slot")
	}
	if used, available := main.inUse(); used != 2 || available != 0 {
		t.Errorf("main uses %d, could have %d", used, available)
	}
	if sh := newSlots(1).share(0); !sh.take() {
		t.Error("a share has no slot at all")
	}
}

// TestSlotsTogether has two lanes take and give for all they are worth: none stalls, and no
// bound is exceeded.
func TestSlotsTogether(t *testing.T) {
	const n, rounds = 8, 3000
	s := newSlots(n)
	shares := []*share{s.share(n), s.share(n / 2)}
	var work, lanes sync.WaitGroup
	for _, sh := range shares {
		lanes.Go(func() {
			for range rounds {
				for !sh.take() {
					<-sh.wake
				}
				if used, _ := sh.inUse(); used > sh.limit {
					t.Errorf("%d slots used of a share of %d", used, sh.limit)
				}
				work.Go(sh.give)
			}
		})
	}
	lanes.Wait()
	work.Wait()
	if s.free != n {
		t.Errorf("%d slots free in the end", s.free)
	}
}

// TestShares has both lanes with more to do than there are slots, for each BulkShare: the bulk
// lane holds its share of the slots at most, and, once the normal lane is quiet, just that.
func TestShares(t *testing.T) {
	const inFlight, rounds = 100, 200_000
	for _, bulkShare := range []float64{0.01, 0.1, 0.25, 0.5, 0.9, 1} {
		cfg := valid()
		cfg.InFlight, cfg.BulkShare = inFlight, bulkShare
		consumer, err := NewConsumer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		normal, bulk := consumer.lanes[0].share, consumer.lanes[1].share
		rnd := rand.New(rand.NewPCG(1, uint64(100*bulkShare)))
		var held []*share
		most, sum := 0, 0
		step := func(backlog ...*share) { // a slot becomes free, and both want it
			if n := len(held); n > 0 {
				i := rnd.IntN(n)
				held[i].give()
				held[i] = held[n-1]
				held = held[:n-1]
			}
			for _, i := range rnd.Perm(len(backlog)) {
				for backlog[i].take() {
					held = append(held, backlog[i])
				}
			}
			used, _ := bulk.inUse()
			most, sum = max(most, used), sum+used
		}
		for range rounds {
			step(normal, bulk)
		}
		want := int(bulkShare * inFlight)
		if used, _ := normal.inUse(); most > want || used < inFlight-want {
			t.Errorf("share %v: bulk held up to %d of %d slots, normal has %d", bulkShare, most, inFlight, used)
		}
		normal.leave()
		sum = 0
		for range rounds {
			step(bulk)
		}
		if mean := float64(sum) / rounds; mean < 0.98*float64(want) || mean > float64(want) {
			t.Errorf("share %v: alone, bulk held %.1f slots on average, want %d", bulkShare, mean, want)
		}
	}
}
