package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const askTimeout = 10 * time.Second // for what is asked of the brokers

// partitions lists those of a topic.
func (r *replay) partitions(topic string) ([]kafka.TopicPartition, error) {
	meta, err := r.client.GetMetadata(&topic, false, int(askTimeout.Milliseconds()))
	if err != nil {
		return nil, fmt.Errorf("asking the brokers (are Brokers and Librdkafka right?) for its partitions: %w", err)
	}
	info := meta.Topics[topic]
	if info.Error.Code() != kafka.ErrNoError {
		return nil, info.Error
	}
	var list []kafka.TopicPartition
	for _, p := range info.Partitions {
		list = append(list, kafka.TopicPartition{Topic: &topic, Partition: p.ID, Offset: kafka.OffsetInvalid})
	}
	return list, nil
}

// begin finds out what is to be done in each partition, and what was interrupted.
func (r *replay) begin(ctx context.Context) (interrupted []plan, err error) {
	timeout := int(askTimeout.Milliseconds())
	list, err := r.partitions(r.cfg.DeadLetterTopic)
	if err != nil {
		return nil, err
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
	for _, tp := range list {
		if tp.Error != nil && !isKafka(tp.Error, kafka.ErrGroupIDNotFound) {
			return nil, tp.Error
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		low, high, err := r.client.QueryWatermarkOffsets(*tp.Topic, tp.Partition, timeout)
		if err != nil {
			return nil, err
		}
		start := int64(tp.Offset)
		if start > high { // of a topic of that name long ago
			start, tp.Metadata = low, nil
		}
		r.todo[tp.Partition] = stretch{max(start, low), high}
		if tp.Metadata != nil {
			if p, is := parsePlan(*tp.Metadata); is {
				interrupted = append(interrupted, p)
			}
		}
	}
	return interrupted, nil
}

// finish deals with the batch of a replay that was interrupted.
func (r *replay) finish(ctx context.Context, p plan) error {
	list := map[int32]stretch{}
	for id, s := range p.batch {
		todo := r.todo[id]
		list[id] = stretch{max(s.from, todo.from), min(s.to, todo.to)}
	}
	var batch []*kafka.Message
	err := r.read(ctx, list, func(m *kafka.Message, _ bool) error {
		if m != nil {
			batch = append(batch, m)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.write(ctx, batch, &p); err != nil {
		return err
	}
	for id, s := range p.batch {
		todo := r.todo[id]
		r.todo[id] = stretch{max(s.to, todo.from), todo.to}
	}
	return nil
}
