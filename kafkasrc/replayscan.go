package kafkasrc

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// endsOf are where the topics end now. A topic that is not there has no partitions.
func (r *replay) endsOf(topics []string) (map[string][]int64, error) {
	ends := map[string][]int64{}
	for _, topic := range topics {
		partitions, err := r.partitions(topic)
		if isKafka(err, kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic) {
			err = nil
		}
		if err != nil {
			return nil, err
		}
		ends[topic] = make([]int64, len(partitions))
		for _, tp := range partitions {
			_, high, err := r.client.QueryWatermarkOffsets(topic, tp.Partition, int(askTimeout.Milliseconds()))
			if err != nil {
				return nil, fmt.Errorf("asking for the end of %q: %w", topic, err)
			}
			if int(tp.Partition) < len(ends[topic]) {
				ends[topic][tp.Partition] = high
			}
		}
	}
	return ends, nil
}

// A fingerprint stands for the bytes of a record.
type fingerprint [16]byte

// fingerprintOf tells records apart by topic, key, value and headers; null is not empty.
func fingerprintOf(m Message) fingerprint {
	h := sha256.New()
	put := func(b []byte) {
		n := int64(len(b))
		if b == nil {
			n = -1
		}
		_ = binary.Write(h, binary.BigEndian, n) // a hash takes everything
		_, _ = h.Write(b)
	}
	put([]byte(m.Topic))
	put(m.Key)
	put(m.Value)
	for _, header := range m.Headers {
		put([]byte(header.Key))
		put(header.Value)
	}
	return fingerprint(h.Sum(nil)[:16])
}

// unwritten is what of out the interrupted replay did not write.
func (r *replay) unwritten(ctx context.Context, p plan, out []Message) ([]Message, error) {
	if len(out) == 0 {
		return nil, nil
	}
	wanted := map[fingerprint]int{}
	for _, m := range out {
		wanted[fingerprintOf(m)] = 0
	}
	if err := r.count(ctx, p, wanted); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(m Message) bool {
		print := fingerprintOf(m)
		wanted[print]--
		return wanted[print] >= 0
	}), nil
}

// count counts those of the wanted records that came to the plan's topics since.
func (r *replay) count(ctx context.Context, p plan, wanted map[fingerprint]int) error {
	open := map[string]map[int32]int64{} // the ends that are to be reached
	var from []kafka.TopicPartition
	left := 0
	for topic := range p.ends {
		now, err := r.endsOf([]string{topic})
		if err != nil {
			return err
		}
		open[topic] = map[int32]int64{}
		for id, end := range now[topic] {
			if start := p.from(topic, int32(id)); start < end {
				from = append(from, kafka.TopicPartition{Topic: &topic, Partition: int32(id), Offset: kafka.Offset(start)})
				open[topic][int32(id)] = end
				left++
			}
		}
	}
	if left == 0 {
		return nil
	}
	if err := r.client.Assign(from); err != nil {
		return err
	}
	reached := func(topic string, partition int32) {
		if _, is := open[topic][partition]; is {
			delete(open[topic], partition)
			left--
		}
	}
	brokers := r.listen()
	for left > 0 {
		ev, err := brokers.next(ctx)
		if err != nil {
			return err
		}
		switch ev := ev.(type) {
		case *kafka.Message:
			m := messageOf(ev)
			if end, is := open[m.Topic][m.Partition]; is {
				if print := fingerprintOf(m); has(wanted, print) {
					wanted[print]++
				}
				if m.Offset >= end-1 {
					reached(m.Topic, m.Partition)
				}
			}
		case kafka.PartitionEOF: // the last offsets may be gaps
			reached(*ev.Topic, ev.Partition)
		}
	}
	return r.client.Unassign()
}

func has[K comparable, V any](m map[K]V, key K) bool {
	_, is := m[key]
	return is
}
