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
// began, each once. Each is written with its original key, value and headers and acknowledged by
// all replicas before it counts as replayed and its offset is committed. After an error, a
// cancelled ctx or a crash a further Replay, with the same Keep and Edit, goes on from there: it
// first finishes the batch that was interrupted. What was written of that it finds on the topics, by
// its bytes, and does not write again, also if it is interrupted itself. Skipped counts what Keep did
// not choose and records that are no dead letters of this package. Brokers that fall silent for a minute
// (the setting socket.timeout.ms) are an error.
//
// Its limits, beyond which a record may be written twice, which the task ids make harmless for as
// long as the rows of the tasks are kept:
//
//   - Two Replays of one Group at the same time know nothing of each other. Run one.
//   - What an interrupted batch needs is kept beside one of the Group's offsets, and fits there for
//     topics of about 500 partitions in all (offset.metadata.max.bytes, 4 KiB by default). With more,
//     an interruption may have a batch, of 500 records or about 16 MiB, written again.
//   - Brokers forget the offsets of a Group that is not used for offsets.retention.minutes (7 days
//     by default). Keep dead letters no longer than that, or give each run that comes later a Keep
//     that looks at HeaderTime.
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

	todo map[int32]stretch // of each partition of the dead-letter topic

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
		conf: own.with(settings{"client.id": "kafkasrc", "socket.timeout.ms": "60000"}, settings{
			"bootstrap.servers":        strings.Join(cfg.Brokers, ","),
			"group.id":                 cfg.Group,
			"enable.auto.commit":       "false",
			"enable.auto.offset.store": "false",
			"auto.offset.reset":        "earliest",
			"enable.partition.eof":     "true",
		}),
		writer: &writer{name: "replay", conf: writerSettings(cfg.Brokers, own), notes: notes},
		todo:   map[int32]stretch{},
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

	if err = r.all(ctx); err != nil {
		return fmt.Errorf("kafkasrc: replay of %q: %w", r.cfg.DeadLetterTopic, err)
	}
	return nil
}

// all first finishes what was interrupted.
func (r *replay) all(ctx context.Context) error {
	interrupted, err := r.begin(ctx)
	if err != nil {
		return err
	}
	for _, p := range interrupted {
		if err := r.finish(ctx, p); err != nil {
			return err
		}
	}
	return r.inBatches(ctx)
}
