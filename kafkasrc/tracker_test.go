package kafkasrc

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// oracle is the tracker as one would write it without a thought of speed.
type oracle struct {
	records []entry
}

func (o *oracle) watermark() (int64, int32) {
	next, epoch := int64(noOffset), int32(0)
	for _, r := range o.records {
		if !r.done {
			break
		}
		next, epoch = r.offset+1, r.epoch
	}
	return next, epoch
}

func (o *oracle) size() int {
	for i, r := range o.records {
		if !r.done {
			return len(o.records) - i
		}
	}
	return 0
}

// drive lets a tracker and the oracle do the same; each byte is a step.
func drive(t *testing.T, steps []byte) {
	t.Helper()
	var (
		tr     = newTracker()
		or     oracle
		seqs   []uint64
		offset int64
	)
	for _, b := range steps {
		switch {
		case b < 110: // a record, perhaps behind a gap, perhaps of a new leader
			offset += 1 + int64(b%3)*int64(b%7)
			epoch := int32(offset / 50)
			seqs = append(seqs, tr.add(offset, epoch))
			or.records = append(or.records, entry{offset: offset, epoch: epoch})
		case len(seqs) == 0:
			tr.settle(uint64(b)) // of nothing
		case b < 180: // one of the oldest that are open
			i := len(seqs) - or.size() + int(b%8)
			i = min(i, len(seqs)-1)
			tr.settle(seqs[i])
			or.records[i].done = true
		default: // any, perhaps again
			i := int(b) * 7919 % len(seqs)
			tr.settle(seqs[i])
			or.records[i].done = true
		}
		next, epoch := or.watermark()
		if tr.next != next || next != noOffset && tr.epoch != epoch || tr.size() != or.size() {
			t.Fatalf("watermark %d@%d with %d tracked, want %d@%d with %d", tr.next, tr.epoch, tr.size(), next, epoch, or.size())
		}
	}
}

func TestTracker(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		steps := make([]byte, 2000)
		for i := range steps {
			steps[i] = byte(rnd.Uint32())
		}
		drive(t, steps)
	}
}

func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 1, 2, 120, 200, 121, 255, 3, 4, 130})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) < 5000 { // the oracle is slow
			drive(t, steps)
		}
	})
}

// TestTrackerReset has offsets go back, as after a topic was made anew.
func TestTrackerReset(t *testing.T) {
	tr := newTracker()
	tr.settle(tr.add(100, 7))
	tr.settle(tr.add(0, -1))
	if tr.next != 1 || tr.epoch != -1 {
		t.Errorf("watermark %d@%d", tr.next, tr.epoch)
	}
}

func TestPartition(t *testing.T) {
	p := newPartition("t", 1)
	if next, _ := p.watermark(); next != noOffset {
		t.Errorf("watermark %d of nothing", next)
	}
	var wg sync.WaitGroup
	for offset := range int64(1000) {
		seq, _ := p.begin(offset, 0)
		wg.Go(func() { p.end(seq, offset != 700) })
	}
	wg.Wait()
	active, tracked := p.load()
	if next, _ := p.watermark(); next != 700 || active != 0 || tracked != 300 {
		t.Errorf("watermark %d, %d active, %d tracked", next, active, tracked)
	}
	p.giveUp()
	p.giveUp()
	select {
	case <-p.given:
	default:
		t.Error("not given up")
	}
}

func BenchmarkTracker(b *testing.B) {
	tr := newTracker()
	var open [64]uint64
	b.ReportAllocs()
	for i := range b.N {
		tr.settle(open[i&63])
		open[i&63] = tr.add(int64(i), 0)
	}
}
