package kafkasrc

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	replayBatch = 500
	replayBytes = 16 << 20
)

// inBatches deals with what is to be done.
func (r *replay) inBatches(ctx context.Context) error {
	var batch []*kafka.Message
	size := 0
	return r.read(ctx, r.todo, func(m *kafka.Message, wait bool) error {
		if m != nil {
			batch = append(batch, m)
			size += len(m.Value)
		}
		if len(batch) == 0 || !wait && len(batch) < replayBatch && size < replayBytes {
			return nil
		}
		err := r.write(ctx, batch, nil)
		batch, size = nil, 0
		return err
	})
}

// read takes the dead letters of a list, one by one. It says when no more are there at the
// moment, or at all; then there may be none.
func (r *replay) read(ctx context.Context, list map[int32]stretch, take func(m *kafka.Message, wait bool) error) error {
	open := map[int32]int64{} // the ends that are to be reached
	var from []kafka.TopicPartition
	for id, s := range list {
		if s.from < s.to {
			open[id] = s.to
			from = append(from, kafka.TopicPartition{Topic: &r.cfg.DeadLetterTopic, Partition: id, Offset: kafka.Offset(s.from)})
		}
	}
	if len(open) == 0 {
		return nil
	}
	if err := r.client.Assign(from); err != nil {
		return err
	}
	brokers := r.listen()
	for len(open) > 0 {
		ev, err := brokers.next(ctx)
		if err != nil {
			return err
		}
		var m *kafka.Message
		switch ev := ev.(type) {
		case *kafka.Message:
			id, offset := ev.TopicPartition.Partition, int64(ev.TopicPartition.Offset)
			end, is := open[id]
			if is && offset < end {
				m = ev
			}
			if offset >= end-1 {
				delete(open, id)
			}
		case kafka.PartitionEOF: // the last offsets may be gaps
			delete(open, ev.Partition)
		}
		if err := take(m, ev == nil || len(open) == 0); err != nil {
			return err
		}
	}
	return nil
}

// write puts a batch back, and has the group remember it. Where another replay was interrupted
// in it, there is its plan.
func (r *replay) write(ctx context.Context, batch []*kafka.Message, begun *plan) error {
	out, err := r.chosen(batch)
	if err != nil {
		return err
	}
	chosen := len(out)
	switch {
	case r.cfg.DryRun:
		r.replayed, r.skipped = r.replayed+chosen, r.skipped+len(batch)-chosen
		return nil
	case begun != nil:
		out, err = r.unwritten(ctx, *begun, out)
	case chosen > 0:
		err = r.announce(ctx, batch, topicsOf(out))
	}
	if err != nil {
		return err
	}
	if err := r.send(ctx, out); err != nil {
		return err
	}
	if begun != nil {
		err = r.rememberPlan(ctx, *begun)
	} else {
		err = r.remember(ctx, batch)
	}
	if err != nil {
		return err
	}
	r.replayed, r.skipped = r.replayed+chosen, r.skipped+len(batch)-chosen
	return nil
}

// chosen returns what is to be written of a batch.
func (r *replay) chosen(batch []*kafka.Message) (out []Message, err error) {
	for _, m := range batch {
		record, is := r.choose(messageOf(m))
		if !is {
			continue
		}
		if err := checkTopic(record.Topic); err != nil {
			return nil, fmt.Errorf("the topic that ReplayConfig.Edit returned %w", err)
		}
		out = append(out, record)
	}
	return out, nil
}

// send writes records and waits until all of them are acknowledged.
func (r *replay) send(ctx context.Context, out []Message) error {
	sent := make([]delivery, 0, len(out))
	var err error
	for _, m := range out {
		var d delivery
		if d, err = r.writer.enqueue(m); err != nil {
			break
		}
		sent = append(sent, d)
	}
	for _, d := range sent {
		if aerr := r.writer.await(ctx, d); err == nil {
			err = aerr
		}
	}
	return err
}

func topicsOf(out []Message) []string {
	topics := map[string]struct{}{}
	for _, m := range out {
		topics[m.Topic] = struct{}{}
	}
	return slices.Sorted(maps.Keys(topics))
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
