package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A listener polls for what is known to be on the topics: where nothing comes for long, somebody who
// waits for Replay is to know.
type listener struct {
	client *reader
	limit  time.Duration
	silent time.Duration // polled in vain
	last   error         // what the client reported meanwhile
}

func (r *replay) listen() *listener {
	return &listener{client: r.client, limit: r.conf.duration("socket.timeout.ms")}
}

// next is a message, an end of a partition, or nil if neither is there at the moment.
func (l *listener) next(ctx context.Context) (kafka.Event, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	began := time.Now()
	switch ev := l.client.Poll(100).(type) {
	case *kafka.Message:
		l.silent, l.last = 0, nil
		return ev, ev.TopicPartition.Error
	case kafka.PartitionEOF:
		l.silent, l.last = 0, nil
		return ev, nil
	case kafka.Error:
		if l.last = ev; ev.IsFatal() {
			return nil, ev
		}
	}
	if l.silent += time.Since(began); l.silent > l.limit {
		return nil, fmt.Errorf("nothing has come for %v (socket.timeout.ms): %w", l.limit, errors.Join(errSilent, l.last))
	}
	return nil, nil
}
