package kafkasrc

import (
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
