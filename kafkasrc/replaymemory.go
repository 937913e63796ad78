package kafkasrc

import (
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// rememberWithin is the time for the last offsets to be committed.
const rememberWithin = 30 * time.Second

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

// remember waits until what was stored is committed: it is the memory of the next Replay.
func (r *replay) remember() error {
	for until := time.Now().Add(rememberWithin); ; {
		missing := false
		for id, offset := range r.stored {
			missing = missing || r.committed[id] < offset
		}
		switch {
		case !missing:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("the offsets of group %q were not committed within %v: the next replay will write some records again", r.cfg.Group, rememberWithin)
		}
		if ev, ok := r.client.Poll(100).(kafka.OffsetsCommitted); ok {
			r.noteCommitted(ev)
		}
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
