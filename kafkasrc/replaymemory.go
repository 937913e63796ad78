package kafkasrc

import (
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	// rememberWithin is the time for the last offsets to be committed.
	rememberWithin = 30 * time.Second
	// rememberAsk is how long the client may be silent about that.
	rememberAsk = 2 * time.Second
)

// store has the client commit that everything up to tp is dealt with.
func (r *replay) store(tp kafka.TopicPartition) error {
	if r.cfg.DryRun {
		return nil
	}
	tp.Offset++
	stored, err := r.client.StoreOffsets([]kafka.TopicPartition{tp})
	for _, s := range stored {
		if s.Error != nil {
			err = s.Error
		}
	}
	if err != nil {
		return fmt.Errorf("storing the offset: %w", err)
	}
	r.stored[tp.Partition] = int64(tp.Offset)
	return nil
}

// remember waits until what was stored is committed: it is the memory of the next Replay. The
// client tells of its commits; should it miss one, it is given the offsets again, and the
// brokers are asked.
func (r *replay) remember() error {
	askAt := time.Now().Add(rememberAsk)
	for until := time.Now().Add(rememberWithin); ; {
		missing := r.missing()
		switch now := time.Now(); {
		case len(missing) == 0:
			return nil
		case now.After(until):
			return fmt.Errorf("the offsets of group %q were not committed within %v: the next replay will write some records again", r.cfg.Group, rememberWithin)
		case now.After(askAt):
			r.askCommitted(missing)
			askAt = time.Now().Add(rememberAsk)
		}
		if ev, ok := r.client.Poll(100).(kafka.OffsetsCommitted); ok {
			r.noteCommitted(ev)
		}
	}
}

// missing are the offsets that are stored and not known to be committed.
func (r *replay) missing() []kafka.TopicPartition {
	var list []kafka.TopicPartition
	for id, offset := range r.stored {
		if r.committed[id] < offset {
			list = append(list, kafka.TopicPartition{Topic: &r.cfg.DeadLetterTopic, Partition: id, Offset: kafka.Offset(offset)})
		}
	}
	return list
}

func (r *replay) askCommitted(missing []kafka.TopicPartition) {
	_, _ = r.client.StoreOffsets(missing) // where that fails the brokers do not know them either
	if committed, err := r.client.Committed(missing, int(rememberAsk.Milliseconds())); err == nil {
		r.noteCommitted(kafka.OffsetsCommitted{Offsets: committed})
	}
}

func (r *replay) noteCommitted(ev kafka.OffsetsCommitted) {
	if ev.Error != nil {
		return // made again
	}
	for _, tp := range ev.Offsets {
		if tp.Error == nil {
			r.committed[tp.Partition] = int64(tp.Offset)
		}
	}
}
