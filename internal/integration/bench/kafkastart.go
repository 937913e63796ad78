package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// At low load: one record at a time, now on one topic and now on the other.
const (
	startRecords = 200
	startWarm    = 20 // of them are not measured
	startGap     = 20 * time.Millisecond
)

var startTopics = []string{"start_ours", "start_bare"}

// startOutcome is the time from producing a record to the server's answer that its workflow is
// started, by the consumer with a voicetask.Client (which also writes the task's row) and by a bare
// poll loop that calls ExecuteWorkflow. Milliseconds; the ratio is of the medians.
type startOutcome struct {
	StartRatio float64 `json:"kafka_produce_to_start_ratio"`
	OursP50    float64 `json:"kafka_produce_to_start_ms_p50"`
	OursP99    float64 `json:"kafka_produce_to_start_ms_p99"`
	BareP50    float64 `json:"kafka_bare_produce_to_start_ms_p50"`
	BareP99    float64 `json:"kafka_bare_produce_to_start_ms_p99"`
}

func measureStart(ctx context.Context, broker string) (out startOutcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, kafkaLimit)
	defer cancel()
	_, server, stop, err := startServer(ctx)
	if err != nil {
		return out, err
	}
	defer stop()
	c, err := client.Dial(client.Options{HostPort: server, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return out, err
	}
	defer c.Close()

	started := make(chan time.Time, 1)
	running, halt := context.WithCancel(ctx)
	loops, running := errgroup.WithContext(running)
	loops.Go(func() error { return startOurs(running, broker, c, started) })
	loops.Go(func() error { return startBare(running, broker, c, started) })
	took, err := produceEach(running, broker, started)
	halt()
	if err := errors.Join(err, loops.Wait()); err != nil {
		return out, err
	}
	ours, bare := took[0], took[1]
	out = startOutcome{
		OursP50: quantile(ours, 0.5), OursP99: quantile(ours, 0.99),
		BareP50: quantile(bare, 0.5), BareP99: quantile(bare, 0.99),
	}
	out.StartRatio = out.OursP50 / out.BareP50
	fmt.Printf("kafka, produced to started: p50 %.2f ms, p99 %.2f ms; bare p50 %.2f ms, p99 %.2f ms\n", out.OursP50, out.OursP99, out.BareP50, out.BareP99)
	return out, nil
}

// produceEach sends to the topics by turns and waits for each start.
func produceEach(ctx context.Context, broker string, started <-chan time.Time) (took [2][]float64, err error) {
	var to [2]*kafkasrc.Producer
	for i, topic := range startTopics {
		if to[i], err = kafkasrc.NewProducer(kafkasrc.ProducerConfig{Brokers: []string{broker}, Topic: topic}); err != nil {
			return took, err
		}
		defer func() { err = errors.Join(err, to[i].Close(context.WithoutCancel(ctx))) }()
	}
	for n := range startRecords {
		for i := range to {
			began := time.Now()
			if err := to[i].Send(ctx, voicetask.Task{ID: fmt.Sprintf("%s-%d", startTopics[i], n), AgentID: "a"}, false); err != nil {
				return took, err
			}
			select {
			case at := <-started:
				if n >= startWarm {
					took[i] = append(took[i], 1000*at.Sub(began).Seconds())
				}
			case <-ctx.Done():
				return took, context.Cause(ctx)
			}
			time.Sleep(startGap)
		}
	}
	return took, nil
}

// startOurs runs without a worker: what comes behind the start is not measured here.
func startOurs(ctx context.Context, broker string, c client.Client, started chan<- time.Time) error {
	tasks, err := voicetask.NewClient(c, voicetask.ClientConfig{TaskQueue: "start", Store: store.NewMemory()})
	if err != nil {
		return err
	}
	consumer, err := kafkasrc.NewConsumer(kafkasrc.Config{
		Brokers: []string{broker}, Topic: startTopics[0], Group: startTopics[0], NoBulk: true,
		Submitter: submitFunc(func(ctx context.Context, t voicetask.Task) error {
			err := tasks.Submit(ctx, t)
			if err == nil {
				started <- time.Now()
			}
			return err
		}),
	})
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

func startBare(ctx context.Context, broker string, c client.Client, started chan<- time.Time) error {
	k, err := kafka.NewConsumer(bareSettings(broker, startTopics[1]))
	if err != nil {
		return err
	}
	defer k.Close()
	if err := k.SubscribeTopics(startTopics[1:], nil); err != nil {
		return err
	}
	for ctx.Err() == nil {
		m, ok := k.Poll(100).(*kafka.Message)
		if !ok {
			continue
		}
		t, err := voicetask.ParseTask(m.Value)
		if err != nil {
			return err
		}
		if _, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "bare-" + t.ID, TaskQueue: "start"}, "bare_call", t); err != nil {
			return err
		}
		started <- time.Now()
	}
	return nil
}

func quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}
