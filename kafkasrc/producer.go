package kafkasrc

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/superservices/voice/voicetask"
)

// ProducerConfig configures NewProducer.
type ProducerConfig struct {
	// Brokers are host:port of some brokers of the cluster. Required.
	Brokers []string
	// Topic defaults to DefaultTopic.
	Topic string
	// BulkTopic defaults to Topic + "_bulk".
	BulkTopic string
	// Librdkafka has further settings of librdkafka: TLS, SASL, compression. What the
	// Producer relies on is refused by name. A record that is not acknowledged within
	// message.timeout.ms fails; the default here is 30 s.
	Librdkafka map[string]any
}

// Producer writes tasks in the message contract, idempotent, acknowledged by all
// replicas. Safe for concurrent use.
type Producer struct {
	cfg ProducerConfig
	w   *writer

	mu      sync.Mutex
	closing bool
	sends   sync.WaitGroup
}

// NewProducer checks cfg; it dials nothing.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	cfg.Brokers = append([]string(nil), cfg.Brokers...)
	setDefault(&cfg.Topic, DefaultTopic)
	setDefault(&cfg.BulkTopic, cfg.Topic+bulkSuffix)
	if err := checkBrokers(cfg.Brokers); err != nil {
		return nil, fmt.Errorf("kafkasrc: ProducerConfig.Brokers %w", err)
	}
	if err := checkTopic(cfg.Topic); err != nil {
		return nil, fmt.Errorf("kafkasrc: ProducerConfig.Topic %w", err)
	}
	if err := checkTopic(cfg.BulkTopic); err != nil {
		return nil, fmt.Errorf("kafkasrc: ProducerConfig.BulkTopic %w", err)
	}
	own, err := parseSettings(cfg.Librdkafka, refusedAlways, refusedWriting)
	if err != nil {
		return nil, fmt.Errorf("kafkasrc: ProducerConfig.Librdkafka: %w", err)
	}
	conf := writerSettings(cfg.Brokers, own)
	if err := conf.probe(true); err != nil {
		return nil, fmt.Errorf("kafkasrc: ProducerConfig.Librdkafka: %w", err)
	}
	notes := newConditions(slog.New(slog.DiscardHandler))
	return &Producer{cfg: cfg, w: &writer{name: "producer", conf: conf, notes: notes}}, nil
}

// Send writes t to the topic, or to the bulk topic, keyed by its id, and returns
// once the brokers have it. An invalid task is refused with voicetask.ErrInvalidTask. After any
// other error the task may or may not have been written: send it again, the id makes that safe.
func (p *Producer) Send(ctx context.Context, t voicetask.Task, bulk bool) error {
	m, err := p.record(t, bulk)
	if err != nil {
		return err
	}
	if !p.begin() {
		return errClosed
	}
	defer p.sends.Done()
	if err := p.w.send(ctx, m); err != nil {
		return fmt.Errorf("task %q: %w", t.ID, err)
	}
	return nil
}

// record is t in the message contract.
func (p *Producer) record(t voicetask.Task, bulk bool) (Message, error) {
	if err := t.Validate(); err != nil {
		return Message{}, err
	}
	value, err := t.MarshalJSON()
	if err != nil {
		return Message{}, fmt.Errorf("kafkasrc: task %q: %w", t.ID, err)
	}
	m := Message{
		Topic:   p.cfg.Topic,
		Key:     []byte(t.ID),
		Value:   value,
		Headers: []Header{{Key: headerContentType, Value: []byte("application/json")}},
	}
	if bulk {
		m.Topic = p.cfg.BulkTopic
	}
	return m, nil
}

// begin counts a Send in, unless Close was called.
func (p *Producer) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.sends.Add(1)
	}
	return !p.closing
}

// Close refuses further Sends, waits for those in progress until ctx is done, and
// releases the client. Closing again does nothing.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	again := p.closing
	p.closing = true
	p.mu.Unlock()
	if again {
		return nil
	}
	err := p.w.close(ctx)
	p.sends.Wait() // each has its report, or knows that none will come
	return err
}
