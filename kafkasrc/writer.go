package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// errClosed is what a closed writer answers.
var errClosed = errors.New("kafkasrc: the producer is closed")

// A writer writes records one by one and waits for the brokers' acknowledgement. It makes
// its client when the first record comes, and a new one when the client has failed
// for good, as idempotent producers may. Safe for concurrent use.
type writer struct {
	name  string
	conf  settings
	notes *conditions

	// The lock is held for reading while a client is used: closing one that is in use would
	// crash in C.
	mu     sync.RWMutex
	conn   *connection
	closed bool
	pumps  sync.WaitGroup
}

// A connection is one client in the life of a writer.
type connection struct {
	client *kafka.Producer
	gone   chan struct{} // closed with the client: no delivery report comes any more
}

// A delivery is a record on its way.
type delivery struct {
	on     *connection
	report chan kafka.Event
}

// deliveryWait bounds the wait for a delivery report beyond the client's own
// message.timeout.ms, should it ever fail to report.
const deliveryWait = 15 * time.Second

// send writes m and waits until all replicas have it. After an error it may or may not
// have been written.
func (w *writer) send(ctx context.Context, m Message) error {
	report, err := w.enqueue(m)
	if err != nil {
		return err
	}
	return w.await(ctx, report)
}

// enqueue hands m to the client without waiting.
func (w *writer) enqueue(m Message) (delivery, error) {
	if err := w.open(); err != nil {
		return delivery{}, err
	}
	w.mu.RLock()
	d := delivery{on: w.conn, report: make(chan kafka.Event, 1)}
	if d.on == nil {
		w.mu.RUnlock()
		return delivery{}, errClosed
	}
	err := d.on.client.Produce(m.record(), d.report)
	w.mu.RUnlock()
	if err != nil {
		return delivery{}, w.failed(d.on, err)
	}
	return d, nil
}

// await waits for the delivery report.
func (w *writer) await(ctx context.Context, d delivery) error {
	limit := time.NewTimer(w.conf.duration("message.timeout.ms") + w.conf.duration("delivery.timeout.ms") + deliveryWait)
	defer limit.Stop()
	select {
	case ev := <-d.report:
		return w.verdict(d, ev)
	case <-d.on.gone:
		select {
		case ev := <-d.report:
			return w.verdict(d, ev)
		default:
			return errors.New("kafkasrc: the producer was closed before the brokers acknowledged")
		}
	case <-limit.C:
		return errors.New("kafkasrc: no delivery report")
	case <-ctx.Done():
		return fmt.Errorf("kafkasrc: waiting for the brokers to acknowledge: %w", context.Cause(ctx))
	}
}

// verdict reads a delivery report.
func (w *writer) verdict(d delivery, ev kafka.Event) error {
	switch ev := ev.(type) {
	case *kafka.Message:
		if ev.TopicPartition.Error != nil {
			return w.failed(d.on, ev.TopicPartition.Error)
		}
		return nil
	case kafka.Error:
		return w.failed(d.on, ev)
	}
	return fmt.Errorf("kafkasrc: unexpected delivery report %T", ev)
}

// open makes the client if there is none.
func (w *writer) open() error {
	w.mu.RLock()
	ready := w.conn != nil
	w.mu.RUnlock()
	if ready {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return errClosed
	case w.conn != nil:
		return nil
	}
	logs := make(chan kafka.LogEvent, 64)
	conf := w.conf.config(logs)
	(*conf)["go.events.channel.size"] = 64
	(*conf)["go.produce.channel.size"] = 1
	(*conf)["go.delivery.report.fields"] = "none"
	client, err := kafka.NewProducer(conf)
	if err != nil {
		return fmt.Errorf("kafkasrc: making a producer: %w", err)
	}
	w.conn = &connection{client: client, gone: make(chan struct{})}
	w.pumps.Go(func() { w.pump(client.Events(), logs) })
	return nil
}

// pump takes the client's events and logs until it is closed.
func (w *writer) pump(events <-chan kafka.Event, logs <-chan kafka.LogEvent) {
	for {
		select {
		case ev, open := <-events:
			if !open {
				return
			}
			if err, ok := ev.(kafka.Error); ok {
				w.notes.note(slog.LevelWarn, w.name+".client", "the producer reports trouble", slog.String("producer", w.name), slog.String("error", errorText(err, nil)))
			}
		case l := <-logs:
			w.notes.noteClientLog(w.name, l)
		}
	}
}

// failed gives up a client that can write no more; the next record gets a new one.
func (w *writer) failed(on *connection, err error) error {
	var kerr kafka.Error
	if errors.As(err, &kerr) && (kerr.IsFatal() || kerr.Code() == kafka.ErrFatal) {
		w.mu.Lock()
		mine := w.conn == on
		if mine {
			w.conn = nil
		}
		w.mu.Unlock()
		if mine {
			on.close() // nobody uses it any more: users hold the lock
		}
	}
	return fmt.Errorf("kafkasrc: writing to the brokers: %w", err)
}

func (c *connection) close() {
	c.client.Close()
	close(c.gone)
}

// close waits until what is on its way has been acknowledged, or ctx is done; then the
// rest is given up and reported.
func (w *writer) close(ctx context.Context) error {
	w.mu.Lock()
	conn := w.conn
	w.conn, w.closed = nil, true
	w.mu.Unlock()
	if conn == nil {
		return nil
	}
	left := conn.client.Len()
	for left > 0 && ctx.Err() == nil {
		left = conn.client.Flush(50)
	}
	if left > 0 {
		_ = conn.client.Purge(kafka.PurgeQueue | kafka.PurgeInFlight | kafka.PurgeNonBlocking) // its flags are valid
	}
	w.pumps.Go(conn.close)
	select {
	case <-conn.gone:
		w.pumps.Wait()
	case <-time.After(closeLimit):
		return errors.New("kafkasrc: the producer's client does not close")
	}
	if left > 0 {
		return fmt.Errorf("kafkasrc: %d records were not acknowledged when the producer was closed: %w", left, context.Cause(ctx))
	}
	return nil
}

// closeLimit is the least time a client gets to close.
const closeLimit = 5 * time.Second
