package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	// rememberWithin is the time for offsets to be committed.
	rememberWithin = 30 * time.Second
	rememberPause  = 200 * time.Millisecond
)

// announce has the group remember, before a batch is written, that it is being written and
// where the topics it goes to ended before. Nothing of the batch counts as done yet.
func (r *replay) announce(ctx context.Context, batch []*kafka.Message, topics []string) error {
	ends, err := r.endsOf(topics)
	if err != nil {
		return err
	}
	first := batch[0].TopicPartition
	for _, m := range batch {
		if tp := m.TopicPartition; tp.Partition < first.Partition || tp.Partition == first.Partition && tp.Offset < first.Offset {
			first = tp
		}
	}
	note := newPlan(batch, ends).String()
	if len(note) > maxPlan {
		note = "" // brokers would refuse it: an interruption may then write the batch twice
	}
	return r.commit(ctx, remembered(first, first.Offset, note))
}

// remember has the group remember that a batch is dealt with, in one commit for all of its
// partitions, one of which had the plan.
func (r *replay) remember(ctx context.Context, batch []*kafka.Message) error {
	next := map[int32]kafka.TopicPartition{}
	for _, m := range batch { // those of a partition come in order
		next[m.TopicPartition.Partition] = remembered(m.TopicPartition, m.TopicPartition.Offset+1, "")
	}
	return r.commit(ctx, slices.Collect(maps.Values(next))...)
}

// rememberPlan does the same for the batch of an interrupted replay, of which records may be gone.
func (r *replay) rememberPlan(ctx context.Context, p plan) error {
	var next []kafka.TopicPartition
	for id, s := range p.batch {
		at := max(s.to, r.todo[id].from)
		next = append(next, remembered(kafka.TopicPartition{Topic: &r.cfg.DeadLetterTopic, Partition: id}, kafka.Offset(at), ""))
	}
	return r.commit(ctx, next...)
}

func remembered(tp kafka.TopicPartition, offset kafka.Offset, note string) kafka.TopicPartition {
	return kafka.TopicPartition{Topic: tp.Topic, Partition: tp.Partition, Offset: offset, LeaderEpoch: tp.LeaderEpoch, Metadata: &note}
}

var errSilent = errors.New("the brokers do not answer")

// commit waits until the brokers have the offsets. The client's own call has no time limit.
func (r *replay) commit(ctx context.Context, offsets ...kafka.TopicPartition) error {
	last := errSilent
	for until := time.Now().Add(rememberWithin); time.Now().Before(until); time.Sleep(rememberPause) {
		done := make(chan error, 1)
		go func() { done <- r.commitOnce(offsets) }()
		select {
		case last = <-done:
		case <-time.After(time.Until(until)): // it may hang for good
		}
		if last == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("the offsets of group %q were not committed: %w", r.cfg.Group, last)
}

func (r *replay) commitOnce(offsets []kafka.TopicPartition) error {
	committed, err := r.client.CommitOffsets(offsets)
	for _, tp := range committed {
		if tp.Error != nil {
			err = tp.Error
		}
	}
	return err
}
