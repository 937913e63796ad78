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

	from, err := r.begin(ctx)
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
