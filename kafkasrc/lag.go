package kafkasrc

import (
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// What measureLag asks the brokers holds up polling, so it is rare, and each kind of
// question has a limit for all partitions together. What does not fit comes next time.
const (
	askEvery   = 5 * time.Second
	askAtMost  = 500 * time.Millisecond
	askOne     = 200 * time.Millisecond
	askTooLate = 20 * time.Millisecond // less is not worth a question
)

// measureLag adds up how far each partition's end is from its watermark. Where nothing was
// settled yet the watermark is where reading began.
func (l *lane) measureLag() {
	for _, p := range l.parts {
		if low, high, err := l.client.GetWatermarkOffsets(p.topic, p.id); err == nil { // asks nobody
			p.fetchTold(low, high)
		}
	}
	if now := time.Now(); now.After(l.nextAsk) {
		l.nextAsk = now.Add(askEvery)
		l.findEnds()
		l.findBases()
	}
	var lag int64
	for _, p := range l.parts {
		if from := p.from(); from != noOffset && p.high != noOffset {
			lag += max(0, p.high-max(from, p.low))
		}
	}
	l.state.lag.Store(lag)
}

// findEnds asks for the ends of partitions from which no fetch has come, or none comes any
// more: those that are paused. Just then, while a Submitter is down, people look at the lag.
func (l *lane) findEnds() {
	var unknown []*partition
	for _, p := range l.parts {
		if p.high == noOffset || p.paused {
			unknown = append(unknown, p)
		}
	}
	slices.SortFunc(unknown, func(a, b *partition) int { return a.asked.Compare(b.asked) })
	until := time.Now().Add(askAtMost)
	for _, p := range unknown {
		left := min(time.Until(until), askOne)
		if left < askTooLate {
			return
		}
		p.asked = time.Now()
		if low, high, err := l.client.QueryWatermarkOffsets(p.topic, p.id, int(left.Milliseconds())); err == nil {
			p.low, p.high = low, high
		}
	}
}

// findBases asks where reading began in partitions of which no record is settled. They
// are few, and asked for once: a partition that is at its end, and those that wait for a
// Submitter that is down.
func (l *lane) findBases() {
	var unknown []kafka.TopicPartition
	for _, p := range l.parts {
		if p.from() == noOffset && p.high > p.low {
			unknown = append(unknown, l.topicPartition(p))
		}
	}
	if len(unknown) == 0 {
		return
	}
	committed, err := l.client.Committed(unknown, int(askAtMost.Milliseconds()))
	if err != nil {
		return // asked again
	}
	for _, tp := range committed {
		p := l.parts[tp.Partition]
		switch {
		case p == nil || tp.Error != nil:
		case tp.Offset >= 0:
			p.base = int64(tp.Offset)
		default:
			p.base = 0 // none: it began with the oldest record
		}
	}
}

// span is what is known of a partition's log. It belongs to the goroutine that polls.
type span struct {
	low, high int64 // noOffset: not known
	fetched   int64 // high as the last fetch told it
	asked     time.Time
	base      int64 // where reading began
}

var unknownSpan = span{low: noOffset, high: noOffset, fetched: noOffset, base: noOffset}

// fetchTold takes note of what the client has from its fetches. An answer to a question
// stands until a fetch brings something new.
func (s *span) fetchTold(low, high int64) {
	if high >= 0 && high != s.fetched {
		s.low, s.high, s.fetched = low, high, high
	}
}

// from is the offset below which nothing is left to do.
func (p *partition) from() int64 {
	if next, _ := p.watermark(); next != noOffset {
		return next
	}
	return p.base
}
