package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	askTimeout  = 10 * time.Second // for what is asked of the brokers at the beginning
	replayBatch = 500
	replayBytes = 16 << 20
)

// begin finds out where to read from, and sets where to end.
func (r *replay) begin(ctx context.Context) ([]kafka.TopicPartition, error) {
	topic := r.cfg.DeadLetterTopic
	timeout := int(askTimeout.Milliseconds())
	meta, err := r.client.GetMetadata(&topic, false, timeout)
	if err != nil {
		return nil, err
	}
	var list []kafka.TopicPartition
	info := meta.Topics[topic]
	if info.Error.Code() != kafka.ErrNoError {
		return nil, info.Error
	}
	for _, p := range info.Partitions {
		list = append(list, kafka.TopicPartition{Topic: &topic, Partition: p.ID, Offset: kafka.OffsetInvalid})
	}
	if len(list) == 0 {
		return nil, errors.New("the topic has no partitions")
	}
	committed, err := r.client.Committed(list, timeout)
	switch {
	case isKafka(err, kafka.ErrGroupIDNotFound): // it remembers nothing yet
	case err != nil:
		return nil, err
	default:
		list = committed
	}
	var from []kafka.TopicPartition
	for _, tp := range list {
		if tp.Error != nil && !isKafka(tp.Error, kafka.ErrGroupIDNotFound) {
			return nil, tp.Error
		}
		tp.Error = nil
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		low, high, err := r.client.QueryWatermarkOffsets(topic, tp.Partition, timeout)
		if err != nil {
			return nil, err
		}
		if start := int64(tp.Offset); start < low || start > high { // none, or of a topic of that name long ago
			tp.Offset = kafka.Offset(low)
		}
		if int64(tp.Offset) < high {
			r.ends[tp.Partition] = high
			from = append(from, tp)
		}
	}
	return from, nil
}

// read takes dead letters up to the ends, in batches.
func (r *replay) read(ctx context.Context) error {
	var batch []*kafka.Message
	size := 0
	for len(r.ends) > 0 && ctx.Err() == nil {
		idle := false
		switch ev := r.client.Poll(100).(type) {
		case nil:
			idle = true
		case *kafka.Message:
			id := ev.TopicPartition.Partition
			end, open := r.ends[id]
			if open && int64(ev.TopicPartition.Offset) < end {
				batch = append(batch, ev)
				size += len(ev.Value)
			}
			if int64(ev.TopicPartition.Offset) >= end-1 {
				delete(r.ends, id)
			}
		case kafka.PartitionEOF: // the last offsets may be gaps
			delete(r.ends, ev.Partition)
		case kafka.OffsetsCommitted:
			r.noteCommitted(ev)
		case kafka.Error:
			if ev.IsFatal() {
				return ev
			}
		}
		if idle || len(r.ends) == 0 || len(batch) >= replayBatch || size >= replayBytes {
			if err := r.write(ctx, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
	}
	if len(r.ends) > 0 {
		return context.Cause(ctx)
	}
	return nil
}

// write puts a batch back, and remembers what was acknowledged.
func (r *replay) write(ctx context.Context, batch []*kafka.Message) error {
	chosen := make([]bool, len(batch))
	sent := make([]delivery, len(batch))
	n, err := 0, error(nil) // n records are on their way, or need no way
	for ; n < len(batch) && err == nil; n++ {
		var out Message
		if out, chosen[n] = r.choose(messageOf(batch[n])); !chosen[n] || r.cfg.DryRun {
			continue
		}
		if err = checkTopic(out.Topic); err != nil {
			err = fmt.Errorf("the topic that ReplayConfig.Edit returned %w", err)
			break
		}
		if sent[n], err = r.writer.enqueue(out); err != nil {
			break
		}
	}
	for i, m := range batch[:n] {
		if sent[i].on != nil {
			if aerr := r.writer.await(ctx, sent[i]); aerr != nil {
				return aerr
			}
		}
		if chosen[i] {
			r.replayed++
		} else {
			r.skipped++
		}
		if serr := r.store(m.TopicPartition); serr != nil {
			return serr
		}
	}
	return err
}

// choose returns the record that a dead letter stands for, if it is to be written.
func (r *replay) choose(m Message) (Message, bool) {
	out, ok := exhume(m)
	if !ok || r.cfg.Keep != nil && !r.cfg.Keep(m) {
		return Message{}, false
	}
	if r.cfg.Edit != nil {
		out = r.cfg.Edit(out)
	}
	return out, true
}
