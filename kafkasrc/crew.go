package kafkasrc

import (
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A job is a record in hand: it has a slot, and its partition tracks it.
type job struct {
	part   *partition
	seq    uint64
	record *kafka.Message
}

// do settles the record, if it can, and gives its slot back.
func (l *lane) do(j job) {
	settled := l.dispatcher.settle(l.workCtx, j.part.given, messageOf(j.record))
	j.part.end(j.seq, settled)
	l.state.inFlight.Add(-1)
	l.share.give()
}

// A crew is the goroutines that do the jobs of a lane, and the jobs that wait for one. Each
// takes one job at a time, so none waits behind a slow Submit while others are free.
//
// Waking somebody costs more than many a job. So only one is called at a time, and whoever
// takes a job calls the next if there are more: as many come as are kept waiting by
// their Submits, and hardly more. Of those at rest the last one to rest is called first.
// Taking turns, hundreds of stacks would be scanned, shrunk and grown again all the
// time, for a quarter of the CPU.
type crew struct {
	do    func(job)
	limit int // of workers

	mu      sync.Mutex
	waiting queue
	size    int       // workers there are
	resting []*worker // of them, without a job; the last one rested last
	called  bool      // somebody is on the way to the jobs that wait
	over    bool

	all sync.WaitGroup
}

func newCrew(limit int, do func(job)) *crew { return &crew{do: do, limit: limit} }

type worker struct{ call chan struct{} }

// hand adds a job. It may not be called after end.
func (c *crew) hand(j job) {
	c.mu.Lock()
	c.waiting.push(j)
	c.callNext()
	c.mu.Unlock()
}

// callNext calls somebody to the jobs that wait, unless somebody is on the way: who rests,
// or somebody new, who then stays. Where all there may be are busy, the first to be free
// takes the job. It needs mu.
func (c *crew) callNext() {
	last := len(c.resting) - 1
	switch {
	case c.called || c.waiting.len() == 0:
	case last >= 0:
		c.called = true
		w := c.resting[last]
		c.resting = c.resting[:last]
		w.call <- struct{}{}
	case c.size < c.limit:
		c.called = true
		c.size++
		w := &worker{call: make(chan struct{}, 1)}
		c.all.Go(func() { c.work(w) })
	}
}

// work does jobs until the end, resting in between.
func (c *crew) work(w *worker) {
	arrived := true
	for {
		j, more := c.next(w, arrived)
		if arrived = !more; more {
			c.do(j)
			continue
		}
		if _, more = <-w.call; !more {
			return
		}
	}
}

// next takes a job, or puts w to rest if there is none.
func (c *crew) next(w *worker, arrived bool) (j job, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if arrived {
		c.called = false
	}
	if c.waiting.len() > 0 {
		j = c.waiting.pop()
		c.callNext()
		return j, true
	}
	if c.over {
		close(w.call)
	} else {
		c.resting = append(c.resting, w)
	}
	return j, false
}

// end lets everybody go who has nothing to do, and the others when they are done.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, w := range c.resting {
		close(w.call)
	}
	c.resting = nil
}
