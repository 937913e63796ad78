package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// ReplayConfig configures Replay.
type ReplayConfig struct {
	// Brokers are host:port of some brokers of the cluster. Required.
	Brokers []string
	// DeadLetterTopic is where the dead letters are. Required.
	DeadLetterTopic string
	// Keep chooses dead letters; it sees them as they lie there, dlq. headers included. Nil
	// means all. What it does not choose is passed over for good, in this Group.
	Keep func(m Message) bool
	// Edit mends a record, which it sees as it will be written: with its original topic, key,
	// value and headers. It returns the record to write; slices of m it copies before it changes
	// them. Nil means unchanged.
	Edit func(m Message) Message
	// DryRun counts, and changes nothing.
	DryRun bool
	// Group's offsets on the dead-letter topic are the memory that makes a second run
	// change nothing. Another Group starts from the beginning. It should have no other
	// use. Zero means DeadLetterTopic + "_replay".
	Group string
	// Librdkafka has further settings of librdkafka; what Replay relies on is refused by name.
	Librdkafka map[string]any
}

const (
	askTimeout     = 10 * time.Second // for what is asked of the brokers at the beginning
	rememberWithin = 30 * time.Second // for the last offsets to be committed
	replayBatch    = 500
	replayBytes    = 16 << 20
)

// Replay puts dead letters back on the topic they came from, up to those present when it
// began. Each is written with its original key, value and headers and acknowledged by all
// replicas before it counts as replayed and its offset is committed; after an error or a
// cancelled ctx a further Replay goes on from there. Skipped counts what Keep did not choose and
// records that are no dead letters of this package. Two Replays of one Group at the same
// time may write records twice, which the task ids make harmless.
func Replay(ctx context.Context, cfg ReplayConfig) (replayed, skipped int, err error) {
	r, err := newReplay(cfg)
	if err != nil {
		return 0, 0, err
	}
	err = r.run(ctx)
	return r.replayed, r.skipped, err
}

// A replay is one run of Replay. One goroutine does it.
type replay struct {
	cfg    ReplayConfig
	conf   settings
	writer *writer
	client *reader

	ends      map[int32]int64 // of the partitions that have dead letters to come
	stored    map[int32]int64 // what the group is to remember
	committed map[int32]int64 // what it is known to remember

	replayed, skipped int
}

func newReplay(cfg ReplayConfig) (*replay, error) {
	setDefault(&cfg.Group, cfg.DeadLetterTopic+replaySuffix)
	if err := checkBrokers(cfg.Brokers); err != nil {
		return nil, fmt.Errorf("kafkasrc: ReplayConfig.Brokers %w", err)
	}
	if err := checkTopic(cfg.DeadLetterTopic); err != nil {
		return nil, fmt.Errorf("kafkasrc: ReplayConfig.DeadLetterTopic %w", err)
	}
	if err := checkGroup(cfg.Group); err != nil {
		return nil, fmt.Errorf("kafkasrc: ReplayConfig.Group %w", err)
	}
	own, err := parseSettings(cfg.Librdkafka, refusedAlways, refusedReading, refusedGroup, refusedWriting, refusedDeadLetters)
	if err != nil {
		return nil, fmt.Errorf("kafkasrc: ReplayConfig.Librdkafka: %w", err)
	}
	notes := newConditions(slog.New(slog.DiscardHandler))
	return &replay{
		cfg: cfg,
		conf: own.with(settings{"client.id": "kafkasrc"}, settings{
			"bootstrap.servers":        strings.Join(cfg.Brokers, ","),
			"group.id":                 cfg.Group,
			"enable.auto.commit":       "true",
			"auto.commit.interval.ms":  "200",
			"enable.auto.offset.store": "false",
			"auto.offset.reset":        "earliest",
			"enable.partition.eof":     "true",
		}),
		writer:    &writer{name: "replay", conf: writerSettings(cfg.Brokers, own), notes: notes},
		ends:      map[int32]int64{},
		stored:    map[int32]int64{},
		committed: map[int32]int64{},
	}, nil
}

func (r *replay) run(ctx context.Context) (err error) {
	if r.client, err = openReader(r.conf, func(kafka.LogEvent) {}); err != nil {
		return fmt.Errorf("kafkasrc: replay: %w", err)
	}
	defer func() {
		err = errors.Join(err, r.client.shut(askTimeout))
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = r.writer.close(closing) // what counts has been acknowledged
	}()

	from, err := r.begin()
	if err != nil {
		return fmt.Errorf("kafkasrc: replay of %q: %w", r.cfg.DeadLetterTopic, err)
	}
	if len(from) == 0 {
		return nil
	}
	if err := r.client.Assign(from); err != nil {
		return fmt.Errorf("kafkasrc: replay of %q: %w", r.cfg.DeadLetterTopic, err)
	}
	err = r.read(ctx)
	if err = errors.Join(err, r.remember()); err != nil {
		return fmt.Errorf("kafkasrc: replay of %q: %w", r.cfg.DeadLetterTopic, err)
	}
	return nil
}

// begin finds out where to read from, and sets where to end.
func (r *replay) begin() ([]kafka.TopicPartition, error) {
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
