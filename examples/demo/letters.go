package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a dead letter that say where it came from and why it is one.
const (
	headerTopic     = "dlq.original.topic"
	headerPartition = "dlq.original.partition"
	headerOffset    = "dlq.original.offset"
	headerClass     = "dlq.error.class"
)

// letter is a record on the dead-letter topic.
type letter struct {
	key, value []byte
	headers    []kgo.RecordHeader
}

// letterBox reads the dead-letter topic from its beginning, with a consumer of its
// own.
type letterBox struct {
	client *kgo.Client
	all    []letter
}

func openLetterBox(broker string) (*letterBox, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker), kgo.ClientID("demo-auditor"), kgo.ConsumeTopics(topicDeadLetters),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(2*largestMessage),
	)
	if err != nil {
		return nil, err
	}
	return &letterBox{client: client}, nil
}

func (b *letterBox) close() { b.client.Close() }

// collect takes what is there, and waits for more for so long.
func (b *letterBox) collect(ctx context.Context, wait time.Duration) error {
	polling, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for polling.Err() == nil {
		fetched := b.client.PollFetches(polling)
		for _, e := range fetched.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) {
				return fmt.Errorf("reading topic %s: %w", topicDeadLetters, e.Err)
			}
		}
		fetched.EachRecord(func(r *kgo.Record) {
			b.all = append(b.all, letter{r.Key, r.Value, r.Headers})
		})
	}
	return nil
}

// header returns the last header of that name.
func (l letter) header(name string) string {
	for i := len(l.headers) - 1; i >= 0; i-- {
		if l.headers[i].Key == name {
			return string(l.headers[i].Value)
		}
	}
	return ""
}

// origin names the record that a dead letter was made of.
type origin struct {
	topic     string
	partition int32
	offset    int64
}

func (a ack) origin() origin { return origin{a.topic, a.partition, a.offset} }

// origin is not ok if the headers do not name one.
func (l letter) origin() (origin, bool) {
	partition, err1 := strconv.ParseInt(l.header(headerPartition), 10, 32)
	offset, err2 := strconv.ParseInt(l.header(headerOffset), 10, 64)
	return origin{l.header(headerTopic), int32(partition), offset}, err1 == nil && err2 == nil
}
