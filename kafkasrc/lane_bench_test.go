package kafkasrc

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/superservices/voice/voicetask"
)

const benchTask = `{"task_id":"%s","agent_id":"agent-7","data":{"contact_number":"+14155550100","contact_name":"Ada Example","call_type":"reminder",` +
	`"context":{"appointment":"2026-01-09T15:30:00Z","clinic":"Example Clinic","language":"en"},"document_id":"doc-991","thread_id":"th-17","user_id":"u-4"},` +
	`"instructions":"Remind the customer of the appointment and offer to move it.","model_config":{"model":"m-1","temperature":0.4},` +
	`"callback":null,"retry_attempt":0,"message_type":"outbound_call"}`

type submitterFunc func(context.Context, voicetask.Task) error

func (f submitterFunc) Submit(ctx context.Context, t voicetask.Task) error { return f(ctx, t) }

// BenchmarkLane is what a record costs between the client and the Submitter, decoding
// included; BenchmarkDecode is the decoding alone.
func BenchmarkLane(b *testing.B) {
	b.Run("at once", func(b *testing.B) { benchmarkLane(b, 0) })
	b.Run("5 ms", func(b *testing.B) { benchmarkLane(b, 5*time.Millisecond) })
}

func benchmarkLane(b *testing.B, each time.Duration) {
	var done sync.WaitGroup
	c, err := NewConsumer(Config{Brokers: []string{"localhost:1"}, NoBulk: true, Logger: slog.New(slog.DiscardHandler),
		Submitter: submitterFunc(func(context.Context, voicetask.Task) error {
			if each > 0 {
				time.Sleep(each)
			}
			done.Done()
			return nil
		})})
	if err != nil {
		b.Fatal(err)
	}
	l := c.lanes[0]
	l.workCtx = b.Context()
	l.nextTend = time.Now().Add(time.Hour)
	for id := range int32(16) {
		l.parts[id] = newPartition(l.topic, id)
	}
	value := fmt.Appendf(nil, benchTask, "task-000001")
	b.ReportAllocs()
	done.Add(b.N)
	for i := range b.N {
		epoch := int32(1)
		l.receive(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &l.topic, Partition: int32(i % 16), Offset: kafka.Offset(i / 16), LeaderEpoch: &epoch},
			Value:          value,
			Headers:        []kafka.Header{{Key: "content-type", Value: []byte("application/json")}, {Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}},
		})
		l.place(b.Context())
		l.tend()
	}
	done.Wait()
}

func BenchmarkDecode(b *testing.B) {
	m := Message{Value: fmt.Appendf(nil, benchTask, "task-000001"), Headers: []Header{{"content-type", []byte("application/json")}}}
	b.ReportAllocs()
	for range b.N {
		if _, err := DecodeTask(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
