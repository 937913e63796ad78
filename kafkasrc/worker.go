package kafkasrc

import "github.com/confluentinc/confluent-kafka-go/v2/kafka"

// A job is a record in hand: it has a slot, and its partition tracks it.
type job struct {
	part   *partition
	seq    uint64
	record *kafka.Message
}

// hand gives j to a worker that has nothing to do, or to a new one. There are never more of them
// than slots, and they stay until the end: a goroutine for each record would spend a quarter
// of the time growing its stack.
func (l *lane) hand(j job) {
	select {
	case l.jobs <- j:
	default:
		l.workers.Go(func() {
			l.do(j)
			for j := range l.jobs {
				l.do(j)
			}
		})
	}
}

// do settles the record, if it can, and gives its slot back.
func (l *lane) do(j job) {
	settled := l.dispatcher.settle(l.workCtx, j.part.given, messageOf(j.record))
	j.part.end(j.seq, settled)
	l.state.inFlight.Add(-1)
	l.share.give()
}
