package kafkasrc

import (
	"errors"
	"log/slog"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// storeOffsets hands watermarks that have moved to the client, which commits them
// in the background. No synchronous commit is made anywhere: one may block without limit
// while a broker is away, and is not checked against the assignment.
func (l *lane) storeOffsets() {
	var list []kafka.TopicPartition
	for _, p := range l.parts {
		if next, epoch := p.watermark(); next != noOffset && next != p.stored {
			tp := l.topicPartition(p)
			tp.Offset = kafka.Offset(next)
			if epoch >= 0 {
				tp.LeaderEpoch = &epoch
			}
			list = append(list, tp)
		}
	}
	if len(list) == 0 {
		return
	}
	// Of a mixed list the errors are in the partitions only.
	stored, err := l.client.StoreOffsets(list)
	for _, tp := range stored {
		p := l.parts[tp.Partition]
		switch {
		case p == nil:
		case tp.Error == nil:
			p.stored = int64(tp.Offset)
		case !isGone(tp.Error):
			l.notes.note(slog.LevelError, "store", "storing offsets failed; they are stored again", slog.String("error", errorText(tp.Error, nil)))
		}
	}
	if len(stored) == 0 && err != nil {
		l.notes.note(slog.LevelError, "store", "storing offsets failed; they are stored again", slog.String("error", errorText(err, nil)))
	}
}

// isGone is what the client says of a partition that is not assigned (any more), which
// happens in rebalances and is no trouble.
func isGone(err error) bool {
	return isKafka(err, kafka.ErrState, kafka.ErrUnknownPartition)
}

// isKafka reports whether err is one of Kafka's with one of the codes.
func isKafka(err error, codes ...kafka.ErrorCode) bool {
	var kerr kafka.Error
	return errors.As(err, &kerr) && slices.Contains(codes, kerr.Code())
}

// committed takes note of a commit in the background. One that failed is made again: the
// client itself forgets offsets refused for want of membership.
func (l *lane) committed(ev kafka.OffsetsCommitted) {
	err := ev.Error
	for _, tp := range ev.Offsets {
		if tp.Error != nil {
			err = tp.Error
		}
		if p := l.parts[tp.Partition]; p != nil && (ev.Error != nil || tp.Error != nil) {
			p.stored = noOffset
		}
	}
	switch {
	case err == nil:
		l.notes.over("commit", "offsets are committed again")
	case isKafka(err, kafka.ErrNoOffset): // nothing to commit
	default:
		l.notes.note(slog.LevelWarn, "commit", "committing offsets failed; they are committed again", slog.String("error", errorText(err, nil)))
	}
}

func (l *lane) topicPartition(p *partition) kafka.TopicPartition {
	return kafka.TopicPartition{Topic: &p.topic, Partition: p.id}
}
