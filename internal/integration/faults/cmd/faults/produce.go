package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/internal/integration/faults/run"
)

// produce is the subcommand that is the producer: it sends the messages of a plan, each
// at its time, and writes into its ledger which the brokers acknowledged. One that was
// killed and started again goes on with what its ledger lacks; what was sent without an
// acknowledgement is sent again.
func produce(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("produce", flag.ContinueOnError)
	addr := f.String("broker", "", "host:port")
	plan := f.String("plan", "", "`file` of messages")
	acks := f.String("acks", "", "`file` of the ledger")
	began := f.Int64("began", 0, "when the plan began, in unix milliseconds")
	if err := f.Parse(args); err != nil {
		return err
	}
	messages, err := collect.Lines[audit.Message](*plan)
	if err != nil {
		return err
	}
	known, err := collect.Lines[audit.Ack](*acks)
	if err != nil {
		return err
	}
	done := map[int]bool{}
	for _, k := range known {
		done[k.Index] = true
	}
	ledger, err := os.OpenFile(*acks, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o600)
	if err != nil {
		return err
	}
	defer ledger.Close()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*addr), kgo.ClientID("producer"), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchMaxBytes(4<<20),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(byPlan{kgo.StickyKeyPartitioner(nil)}), kgo.MetadataMinAge(200*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var mu sync.Mutex
	start := time.UnixMilli(*began)
	for _, m := range messages {
		if done[m.Index] {
			continue
		}
		select {
		case <-time.After(time.Until(start.Add(m.After))):
		case <-ctx.Done():
			return nil
		}
		r := &kgo.Record{Topic: run.Topic, Key: m.Key, Value: m.Value, Partition: m.Partition}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
		client.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, "produce:", m.Index, err)
				return
			}
			line, err := json.Marshal(audit.Ack{At: time.Now().UTC(), Index: m.Index, Partition: r.Partition, Offset: r.Offset})
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			_, _ = ledger.Write(append(line, '\n')) // an ack that is not in the ledger was none
		})
	}
	return client.Flush(ctx)
}

// byPlan sends a record where the plan has it, else by its key.
type byPlan struct{ kgo.Partitioner }

func (b byPlan) ForTopic(topic string) kgo.TopicPartitioner {
	return planned{b.Partitioner.ForTopic(topic)}
}

type planned struct{ kgo.TopicPartitioner }

func (p planned) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 && int(r.Partition) < n {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}
