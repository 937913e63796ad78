package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrAlreadyRun is returned by the second Run of a Consumer.
var ErrAlreadyRun = errors.New("kafkasrc: consumer has already run")

// Consumer reads until its Run ends.
type Consumer struct {
	cfg      Config
	count    counters
	failover *failover
	letters  *writer
	lanes    []*lane // the main one first
	ran      atomic.Bool
}

// NewConsumer validates; it dials nothing.
func NewConsumer(cfg Config) (*Consumer, error) {
	idle := cfg.Fallback == nil && cfg.FallbackAfter != 0
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	refused := []map[string]string{refusedAlways, refusedReading, refusedGroup, refusedWriting, refusedDeadLetters}
	if cfg.GroupProtocol == protocolConsumer {
		refused = append(refused, refusedKIP848)
	}
	own, err := parseSettings(cfg.Librdkafka, refused...)
	if err != nil {
		return nil, fmt.Errorf("kafkasrc: Config.Librdkafka: %w", err)
	}
	if err := cfg.consumerSettings(own, cfg.Group).probe(false); err != nil {
		return nil, fmt.Errorf("kafkasrc: Config.Librdkafka: %w", err)
	}
	writing := writerSettings(cfg.Brokers, own)
	if err := writing.probe(true); err != nil {
		return nil, fmt.Errorf("kafkasrc: Config.Librdkafka: %w", err)
	}

	if idle {
		cfg.Logger.Info("kafkasrc: Config.FallbackAfter does nothing: Config.Fallback is not set, so records wait while Submits fail")
	}
	notes := newConditions(cfg.Logger)
	c := &Consumer{cfg: cfg}
	c.failover = &failover{primary: cfg.Submitter, fallback: cfg.Fallback, after: cfg.FallbackAfter, notes: notes, count: &c.count}
	c.letters = &writer{name: "dead letters", conf: writing, notes: notes}
	all := newSlots(cfg.InFlight)
	c.addLane(own, cfg.Topic, cfg.Group, all.share(cfg.InFlight))
	if !cfg.NoBulk {
		c.addLane(own, cfg.BulkTopic, cfg.Group+bulkSuffix, all.share(int(cfg.BulkShare*float64(cfg.InFlight))))
	}
	return c, nil
}

func (c *Consumer) addLane(own settings, topic, group string, share *share) {
	conf := c.cfg.consumerSettings(own, group)
	notes := newConditions(c.cfg.Logger.With("topic", topic, "group", group))
	l := &lane{
		topic:    topic,
		group:    group,
		optional: len(c.lanes) > 0,
		conf:     conf,
		drain:    c.cfg.DrainTimeout,
		// A partition may be held back this long in a rebalance without being thrown out.
		revokeWait: min(c.cfg.DrainTimeout, conf.duration("max.poll.interval.ms")/3),
		// Bounds the repetition after a crash, and still lets one partition use all slots.
		maxTracked: max(1024, 2*share.limit),
		share:      share,
		notes:      notes,
		count:      &c.count,
		dispatcher: dispatcher{
			decode:   c.cfg.Decode,
			submit:   c.failover.Submit,
			bury:     c.letters.send,
			maxBytes: c.cfg.MaxMessageBytes,
			grave:    grave{topic: c.cfg.DeadLetterTopic, group: group, connect: c.cfg.ConnectHeaders},
			notes:    notes,
			count:    &c.count,
		},
		parts: map[int32]*partition{},
	}
	l.crew = newCrew(share.limit, l.do)
	c.lanes = append(c.lanes, l)
}

// Run reads and submits until ctx is cancelled; then it drains and returns nil. Another
// error means that Kafka refuses the consumer for good, or that the stop was not clean. A
// Consumer runs once: then ErrAlreadyRun.
func (c *Consumer) Run(ctx context.Context) error {
	if !c.ran.CompareAndSwap(false, true) {
		return ErrAlreadyRun
	}
	lanes, ctx := errgroup.WithContext(ctx)
	for _, l := range c.lanes {
		lanes.Go(func() error {
			if err := l.run(ctx); err != nil {
				return fmt.Errorf("kafkasrc: topic %q: %w", l.topic, err)
			}
			return nil
		})
	}
	err := lanes.Wait()
	// Whoever waits for a dead letter has ended or was given up with its record.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if cerr := c.letters.close(closing); err == nil {
		err = cerr
	}
	return err
}
