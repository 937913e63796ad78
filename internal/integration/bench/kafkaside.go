package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// Each run of a loop is a process of its own: heap, threads and CPU time are its own.
const (
	sideKafka     = "kafka-"
	sideKafkaOurs = sideKafka + "ours"
	sideKafkaSlow = sideKafka + "slow" // ours, with a Submitter that takes slowSubmit
	sideKafkaBare = sideKafka + "bare"

	slowSubmit = 5 * time.Millisecond
)

// cost is of the measured records of a run, in seconds; CPU is that of the process.
type cost struct {
	Wall, CPU float64
}

// runLoop has a side read the topic in a process of its own.
func runLoop(ctx context.Context, side, address, group string) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, self, "-side", side, "-address", address, "-group", group)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("bench: %s: %w", side, err)
	}
	return c, json.Unmarshal(out, &c)
}

// beKafkaSide is the other end of runLoop.
func beKafkaSide(side, address, group string) (err error) {
	var took cost
	switch side {
	case sideKafkaBare:
		took, err = bareLoop(address, group)
	case sideKafkaSlow:
		took, err = consume(address, group, slowSubmit)
	default:
		took, err = consume(address, group, 0)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}

// A stopwatch runs from the end of the warm-up to the last record: joining and leaving the group
// take as long with few records as with many.
type stopwatch struct {
	n     atomic.Int64
	began time.Time
	cpu   time.Duration
	took  cost
}

// count is called once a record is done, and is true with the last.
func (s *stopwatch) count() bool {
	switch s.n.Add(1) {
	case kafkaWarm:
		s.began, s.cpu = time.Now(), ownCPU()
	case kafkaRecords:
		s.took = cost{time.Since(s.began).Seconds(), (ownCPU() - s.cpu).Seconds()}
		return true
	}
	return false
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // its arguments are valid
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareSettings are those of the library where they bear on speed; the offset is stored by the
// client as it hands out the record, which is the cheapest way there is, and loses what is in
// hand in a crash.
func bareSettings(address, group string) *kafka.ConfigMap {
	return &kafka.ConfigMap{
		"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
		"partition.assignment.strategy": "cooperative-sticky", "queued.max.messages.kbytes": 16384,
	}
}

// bareLoop polls and decodes, with the library's decoder: what is compared is all the rest.
func bareLoop(address, group string) (cost, error) {
	k, err := kafka.NewConsumer(bareSettings(address, group))
	if err != nil {
		return cost{}, err
	}
	defer k.Close()
	if err := k.SubscribeTopics([]string{kafkaTopic}, nil); err != nil {
		return cost{}, err
	}
	var watch stopwatch
	for deadline := time.Now().Add(kafkaLimit); time.Now().Before(deadline); {
		m, ok := k.Poll(100).(*kafka.Message)
		if !ok {
			continue
		}
		if _, err := voicetask.ParseTask(m.Value); err != nil {
			return cost{}, err
		}
		if watch.count() {
			return watch.took, nil
		}
	}
	return cost{}, errors.New("the bare loop did not end in time")
}

func consume(address, group string, each time.Duration) (cost, error) {
	var watch stopwatch
	ctx, cancel := context.WithTimeout(context.Background(), kafkaLimit)
	defer cancel()
	consumer, err := kafkasrc.NewConsumer(kafkasrc.Config{
		Brokers: []string{address}, Topic: kafkaTopic, Group: group, NoBulk: true,
		Submitter: submitFunc(func(context.Context, voicetask.Task) error {
			if each > 0 {
				time.Sleep(each)
			}
			if watch.count() {
				cancel()
			}
			return nil
		}),
	})
	if err != nil {
		return cost{}, err
	}
	if err := consumer.Run(ctx); err != nil {
		return cost{}, err
	}
	if got := watch.n.Load(); got < kafkaRecords {
		return cost{}, fmt.Errorf("the consumer took %d of %d records in %v", got, kafkaRecords, kafkaLimit)
	}
	return watch.took, nil
}

type submitFunc func(ctx context.Context, t voicetask.Task) error

func (f submitFunc) Submit(ctx context.Context, t voicetask.Task) error { return f(ctx, t) }
