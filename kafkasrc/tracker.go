package kafkasrc

import "sync"

// A tracker knows how far one partition is settled. Records are added in the order of the
// log and settled in any order; the watermark is the offset behind the last record
// below which everything is settled. Gaps between offsets (compaction, markers of
// transactions) do not matter. Adding and settling cost amortised O(1).
type tracker struct {
	ring []entry // its length is a power of two
	head uint64  // sequence number of the oldest record that is not settled
	tail uint64  // sequence number of the next record

	next  int64 // the watermark; -1 before the first record is settled
	epoch int32 // the leader epoch of the last record below it
}

type entry struct {
	offset int64
	epoch  int32
	done   bool
}

const noOffset = -1

func newTracker() *tracker { return &tracker{ring: make([]entry, 16), next: noOffset} }

// add returns the sequence number under which the record is to be settled.
func (t *tracker) add(offset int64, epoch int32) uint64 {
	if t.size() == len(t.ring) {
		t.grow()
	}
	seq := t.tail
	t.ring[seq&t.mask()] = entry{offset: offset, epoch: epoch}
	t.tail++
	return seq
}

// settle marks a record; marking it again changes nothing.
func (t *tracker) settle(seq uint64) {
	if seq < t.head || seq >= t.tail {
		return
	}
	t.ring[seq&t.mask()].done = true
	for t.head < t.tail {
		e := &t.ring[t.head&t.mask()]
		if !e.done {
			return
		}
		t.next, t.epoch = e.offset+1, e.epoch
		t.head++
	}
}

// size counts the records from the oldest unsettled one on.
func (t *tracker) size() int    { return int(t.tail - t.head) }
func (t *tracker) mask() uint64 { return uint64(len(t.ring) - 1) }

func (t *tracker) grow() {
	bigger := make([]entry, 2*len(t.ring))
	for seq := t.head; seq < t.tail; seq++ {
		bigger[seq&uint64(len(bigger)-1)] = t.ring[seq&t.mask()]
	}
	t.ring = bigger
}

// A partition is one assignment of a partition to this consumer. A later assignment
// of the same partition is another partition, so that Submits which end late settle
// nothing in it.
type partition struct {
	topic string
	id    int32
	// given is closed when the partition is given up: pauses between retries end at once.
	given chan struct{}

	mu     sync.Mutex
	track  *tracker
	active int

	// What follows belongs to the goroutine that polls.
	stopped bool  // given is closed
	full    bool  // too much behind the oldest unsettled record
	paused  bool  // as librdkafka was told
	stored  int64 // the watermark that librdkafka has
	span
}

func newPartition(topic string, id int32) *partition {
	return &partition{topic: topic, id: id, given: make(chan struct{}), track: newTracker(), stored: noOffset, span: unknownSpan}
}

// begin takes a record in hand and returns how many are tracked.
func (p *partition) begin(offset int64, epoch int32) (seq uint64, tracked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active++
	seq = p.track.add(offset, epoch)
	return seq, p.track.size()
}

// end puts it away, settled or not.
func (p *partition) end(seq uint64, settled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	if settled {
		p.track.settle(seq)
	}
}

func (p *partition) watermark() (next int64, epoch int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.track.next, p.track.epoch
}

// load is how many records are in hand, and how many are tracked.
func (p *partition) load() (active, tracked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active, p.track.size()
}

// giveUp ends retries and keeps further records from being taken in hand.
func (p *partition) giveUp() {
	if !p.stopped {
		p.stopped = true
		close(p.given)
	}
}
