package kafkasrc

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A plan says which dead letters a batch consists of, and where the topics it goes to ended before
// it was written. It is kept beside the group's offsets (as their metadata) while the batch is
// written: a replay that finds one knows that another was interrupted, in what, and where to
// look for what that one wrote. It finishes just that batch under the same plan, however often it
// is interrupted itself, before it begins another. What is written is looked for among these dead
// letters only: one that was put back, and buried again since, is a new one.
type plan struct {
	batch map[int32]stretch
	ends  map[string][]int64 // by topic and partition
}

// A stretch is the offsets of a partition from one up to another.
type stretch struct{ from, to int64 }

const (
	planMark = "kafkasrc replay 2"
	// maxPlan keeps a plan within what brokers store with an offset (offset.metadata.max.bytes,
	// 4 KiB by default): topics of some 500 partitions.
	maxPlan = 4000
	base36  = 36 // short
)

func newPlan(batch []*kafka.Message, ends map[string][]int64) plan {
	p := plan{batch: map[int32]stretch{}, ends: ends}
	for _, m := range batch { // those of a partition come in order
		id, offset := m.TopicPartition.Partition, int64(m.TopicPartition.Offset)
		s, more := p.batch[id]
		if !more {
			s.from = offset
		}
		s.to = offset + 1
		p.batch[id] = s
	}
	return p
}

func (p plan) String() string {
	var b strings.Builder
	b.WriteString(planMark + ";")
	for i, id := range slices.Sorted(maps.Keys(p.batch)) {
		if i > 0 {
			b.WriteByte(',')
		}
		s := p.batch[id]
		b.WriteString(short(int64(id)) + ":" + short(s.from) + "-" + short(s.to))
	}
	for _, topic := range slices.Sorted(maps.Keys(p.ends)) {
		b.WriteString(";" + topic + "=")
		for i, end := range p.ends[topic] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(short(end))
		}
	}
	return b.String()
}

func short(n int64) string { return strconv.FormatInt(n, base36) }

// long is the inverse of short. It is false for what is no offset.
func long(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, base36, 64)
	return n, err == nil && n >= 0
}

// parsePlan is the inverse of String. It is false for what is no plan.
func parsePlan(s string) (plan, bool) {
	parts := strings.Split(s, ";")
	if parts[0] != planMark || len(parts) < 2 {
		return plan{}, false
	}
	p := plan{batch: map[int32]stretch{}, ends: map[string][]int64{}}
	for part := range strings.SplitSeq(parts[1], ",") {
		id, offsets, _ := strings.Cut(part, ":")
		from, to, _ := strings.Cut(offsets, "-")
		n, is := long(id)
		first, isFirst := long(from)
		end, isEnd := long(to)
		if !is || !isFirst || !isEnd || int64(int32(n)) != n {
			return plan{}, false
		}
		p.batch[int32(n)] = stretch{first, end}
	}
	for _, part := range parts[2:] {
		topic, list, _ := strings.Cut(part, "=")
		if checkTopic(topic) != nil {
			return plan{}, false
		}
		p.ends[topic] = nil
		for text := range strings.SplitSeq(list, ",") {
			if text == "" { // the topic was not there
				continue
			}
			end, is := long(text)
			if !is {
				return plan{}, false
			}
			p.ends[topic] = append(p.ends[topic], end)
		}
	}
	return p, true
}

// from is where in a partition the batch begins. A partition that was not there has nothing
// but what came later.
func (p plan) from(topic string, partition int32) int64 {
	if ends := p.ends[topic]; int(partition) < len(ends) {
		return ends[partition]
	}
	return 0
}
