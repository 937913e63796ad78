package kafkasrc

import (
	"fmt"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A reader is a consumer's client, with somebody to take its logs.
type reader struct {
	*kafka.Consumer
	gone chan struct{} // closed with the client
	pump sync.WaitGroup
}

func openReader(conf settings, log func(kafka.LogEvent)) (*reader, error) {
	logs := make(chan kafka.LogEvent, 64)
	client, err := kafka.NewConsumer(conf.config(logs))
	if err != nil {
		return nil, fmt.Errorf("making a consumer: %w", err)
	}
	r := &reader{Consumer: client, gone: make(chan struct{})}
	r.pump.Go(func() {
		for {
			select {
			case line := <-logs:
				log(line)
			case <-r.gone:
				return
			}
		}
	})
	return r, nil
}

// shut closes the client, which commits what is stored and leaves the group. It may hang in that
// while a broker is away, so it has a time limit; behind it the client goes on closing
// by itself, and may still call back.
func (r *reader) shut(limit time.Duration) error {
	done := make(chan error, 1)
	r.pump.Go(func() {
		done <- r.Close()
		close(r.gone)
	})
	select {
	case err := <-done:
		r.pump.Wait()
		if err != nil {
			return fmt.Errorf("closing the client: %w", err)
		}
		return nil
	case <-time.After(limit):
		return fmt.Errorf("leaving the group takes more than %v; the brokers will expire this member, and records since the last commit come again", limit)
	}
}
