package kafkasrc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// A consumer binary: read the contract's variables, submit, stop on Ctrl-C.
func Example() {
	var submitter voicetask.Submitter // a *voicetask.Client

	cfg, err := kafkasrc.ConfigFromEnv(os.Getenv)
	if err != nil {
		slog.Error("configuration", "error", err)
		return
	}
	cfg.Submitter = submitter
	cfg.Logger = slog.Default()
	consumer, err := kafkasrc.NewConsumer(cfg)
	if err != nil {
		slog.Error("configuration", "error", err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := consumer.Run(ctx); err != nil {
		slog.Error("consumer", "error", err)
	}
}

func ExampleDecodeTask() {
	m := kafkasrc.Message{
		Value:   []byte(`{"agent_id": "a1", "data": {"contact_number": "+493012345678"}}`),
		Headers: []kafkasrc.Header{{Key: "ce_id", Value: []byte("order-7")}},
	}
	task, err := kafkasrc.DecodeTask(context.Background(), m)
	fmt.Println(task.ID, task.AgentID, err)

	m.Headers = nil
	_, err = kafkasrc.DecodeTask(context.Background(), m)
	fmt.Println(errors.Is(err, voicetask.ErrInvalidTask), err)
	// Output:
	// order-7 a1 <nil>
	// true voicetask: invalid task: task_id is missing or empty
}

// TLS and SASL, and a Decode that takes a header along: the trace then reaches the workflow as
// a field of its task, and Config.Prepare of package voicetask, which may tell the platform.
func ExampleConfig() {
	cfg := kafkasrc.Config{
		Brokers: []string{"broker-1:9093", "broker-2:9093"},
		Librdkafka: map[string]any{
			"security.protocol": "SASL_SSL", "ssl.ca.location": "/etc/kafka/ca.pem",
			"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "voice", "sasl.password": os.Getenv("KAFKA_PASSWORD"),
		},
		Decode: func(ctx context.Context, m kafkasrc.Message) (voicetask.Task, error) {
			task, err := kafkasrc.DecodeTask(ctx, m)
			for _, h := range m.Headers {
				if text, merr := json.Marshal(string(h.Value)); h.Key == "traceparent" && err == nil && merr == nil {
					if task.Extra == nil {
						task.Extra = map[string]json.RawMessage{}
					}
					task.Extra["traceparent"] = text
				}
			}
			return task, err
		},
	}
	task, err := cfg.Decode(context.Background(), kafkasrc.Message{
		Value:   []byte(`{"task_id": "t-1", "agent_id": "a1", "data": {"contact_number": "+493012345678"}}`),
		Headers: []kafkasrc.Header{{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}},
	})
	fmt.Printf("%s %s %v\n", task.ID, task.Extra["traceparent"], err)
	// Output:
	// t-1 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" <nil>
}

// A Decode of one's own, which looks something up and may fail for the time being.
func ExampleTemporary() {
	var registry interface {
		Decode(ctx context.Context, b []byte) (json.RawMessage, error)
	}
	cfg := kafkasrc.Config{Decode: func(ctx context.Context, m kafkasrc.Message) (voicetask.Task, error) {
		plain, err := registry.Decode(ctx, m.Value)
		if err != nil {
			return voicetask.Task{}, kafkasrc.Temporary(err) // tried again
		}
		return voicetask.ParseTask(plain) // an error is a dead letter
	}}
	_ = cfg
}

func ExampleProducer() {
	producer, err := kafkasrc.NewProducer(kafkasrc.ProducerConfig{Brokers: []string{"localhost:9092"}})
	if err != nil {
		slog.Error("configuration", "error", err)
		return
	}
	ctx := context.Background()
	task := voicetask.Task{ID: "order-7", AgentID: "a1", Data: voicetask.Data{ContactNumber: "+493012345678"}}
	if err := producer.Send(ctx, task, false); err != nil {
		slog.Error("send", "error", err)
	}
	if err := producer.Close(ctx); err != nil {
		slog.Error("close", "error", err)
	}
}

// Putting back what a bug in a producer broke, mended.
func ExampleReplay() {
	replayed, skipped, err := kafkasrc.Replay(context.Background(), kafkasrc.ReplayConfig{
		Brokers:         []string{"localhost:9092"},
		DeadLetterTopic: kafkasrc.DefaultTopic + "_dlq",
		Keep: func(m kafkasrc.Message) bool {
			return slices.ContainsFunc(m.Headers, func(h kafkasrc.Header) bool {
				return h.Key == kafkasrc.HeaderClass && string(h.Value) == "invalid_task"
			})
		},
		Edit: func(m kafkasrc.Message) kafkasrc.Message {
			m.Value = append([]byte(`{"agent_id": "a1", `), m.Value[1:]...)
			return m
		},
	})
	slog.Info("replayed", "replayed", replayed, "skipped", skipped, "error", err)
}
