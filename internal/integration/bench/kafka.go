package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

const (
	sideBroker   = "broker"
	kafkaTopic   = "requests"
	lowTopic     = "low_load"
	kafkaRecords = 100_000
	kafkaPlaces  = 16 // partitions
)

// kafkaOutcome compares the consumer, with a Submitter that does nothing, with a bare loop that
// polls, decodes with encoding/json and stores the offset; the broker is a process of its own.
type kafkaOutcome struct {
	RateRatio    float64    `json:"kafka_rate_ratio"`
	CPURatio     float64    `json:"kafka_cpu_ratio"`
	RateInterval [2]float64 `json:"kafka_rate_interval"`
	CPUInterval  [2]float64 `json:"kafka_cpu_interval"`
	Ours         float64    `json:"kafka_records_per_second"`
	Bare         float64    `json:"kafka_bare_records_per_second"`
	OursCPU      float64    `json:"kafka_cpu_us_per_record"`
	BareCPU      float64    `json:"kafka_bare_cpu_us_per_record"`
	SlowSubmit   float64    `json:"kafka_records_per_second_submit_5ms"`
	LowLoad      float64    `json:"kafka_produce_to_submit_ms"` // median
}

func measureKafka(ctx context.Context, pairs int) (out kafkaOutcome, err error) {
	address, stop, err := startBroker(ctx)
	if err != nil {
		return out, err
	}
	defer stop()
	runs := 0
	group := func() string { runs++; return fmt.Sprintf("group-%d", runs) }
	for _, warm := range []func(string, string) (cost, error){bareLoop, consumerLoop} {
		if _, err := warm(address, group()); err != nil {
			return out, err
		}
	}
	var rates, cpus ratios
	var sum [2]cost
	for i := range pairs {
		order := []int{0, 1}
		if i%2 == 1 {
			order = []int{1, 0}
		}
		var got [2]cost
		for _, side := range order {
			loop := []func(string, string) (cost, error){consumerLoop, bareLoop}[side]
			if got[side], err = loop(address, group()); err != nil {
				return out, err
			}
			sum[side].wall += got[side].wall
			sum[side].cpu += got[side].cpu
		}
		rates = append(rates, got[1].wall/got[0].wall)
		cpus = append(cpus, got[0].cpu/got[1].cpu)
	}
	fmt.Println("kafka rate:        ", rates)
	fmt.Println("kafka client CPU:  ", cpus)
	out.RateRatio, out.RateInterval[0], out.RateInterval[1] = rates.median()
	out.CPURatio, out.CPUInterval[0], out.CPUInterval[1] = cpus.median()
	total := float64(pairs * kafkaRecords)
	out.Ours, out.Bare = total/sum[0].wall, total/sum[1].wall
	out.OursCPU, out.BareCPU = 1e6*sum[0].cpu/total, 1e6*sum[1].cpu/total
	slow, err := consume(address, group(), 5*time.Millisecond)
	if err != nil {
		return out, err
	}
	out.SlowSubmit = kafkaRecords / slow.wall
	out.LowLoad, err = lowLoad(ctx, address)
	return out, err
}

// cost is in seconds, CPU of this process.
type cost struct{ wall, cpu float64 }

// A span is from the first record to the last: joining and leaving the group take as long with
// few records as with many.
type span struct {
	began  time.Time
	before time.Duration
}

func begin() span { return span{time.Now(), ownCPU()} }

func (s span) end() cost {
	return cost{time.Since(s.began).Seconds(), (ownCPU() - s.before).Seconds()}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // its arguments are valid
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func bareLoop(address, group string) (took cost, err error) {
	k, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
		"enable.auto.offset.store": false, "partition.assignment.strategy": "cooperative-sticky", "queued.max.messages.kbytes": 16384, "enable.metrics.push": false,
	})
	if err != nil {
		return took, err
	}
	defer k.Close()
	if err := k.SubscribeTopics([]string{kafkaTopic}, nil); err != nil {
		return took, err
	}
	var from span
	for n := 0; n < kafkaRecords; {
		m, ok := k.Poll(100).(*kafka.Message)
		if !ok {
			continue
		}
		if n == 0 {
			from = begin()
		}
		var t mirror
		if err := json.Unmarshal(m.Value, &t); err != nil {
			return took, err
		}
		if _, err := k.StoreMessage(m); err != nil {
			return took, err
		}
		if n++; n == kafkaRecords {
			took = from.end()
		}
	}
	return took, nil
}

func consumerLoop(address, group string) (cost, error) { return consume(address, group, 0) }

func consume(address, group string, each time.Duration) (took cost, err error) {
	var n atomic.Int64
	var first sync.Once
	var from span
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	consumer, err := kafkasrc.NewConsumer(kafkasrc.Config{
		Brokers: []string{address}, Topic: kafkaTopic, Group: group, NoBulk: true,
		Submitter: submitFunc(func(context.Context, voicetask.Task) error {
			first.Do(func() { from = begin() })
			time.Sleep(each)
			if n.Add(1) == kafkaRecords {
				took = from.end()
				cancel()
			}
			return nil
		}),
	})
	if err != nil {
		return took, err
	}
	if err := consumer.Run(ctx); err != nil {
		return took, err
	}
	if got := n.Load(); got < kafkaRecords {
		return took, fmt.Errorf("bench: the consumer took %d of %d records in two minutes", got, kafkaRecords)
	}
	return took, nil
}

// lowLoad is the median time from Send to Submit when there is nothing else to do.
func lowLoad(ctx context.Context, address string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	arrived := make(chan time.Time, 1)
	consumer, err := kafkasrc.NewConsumer(kafkasrc.Config{
		Brokers: []string{address}, Topic: lowTopic, Group: "low", NoBulk: true,
		Submitter: submitFunc(func(context.Context, voicetask.Task) error { arrived <- time.Now(); return nil }),
	})
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(running) }()
	defer func() { stop(); <-ended }()
	p, err := kafkasrc.NewProducer(kafkasrc.ProducerConfig{Brokers: []string{address}, Topic: lowTopic})
	if err != nil {
		return 0, err
	}
	defer p.Close(ctx)
	var took []float64
	for i := range 51 {
		began := time.Now()
		if err := p.Send(ctx, voicetask.Task{ID: fmt.Sprintf("low-%d", i), AgentID: "a"}, false); err != nil {
			return 0, err
		}
		select {
		case at := <-arrived:
			took = append(took, 1000*at.Sub(began).Seconds())
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		time.Sleep(20 * time.Millisecond)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

type submitFunc func(ctx context.Context, t voicetask.Task) error

func (f submitFunc) Submit(ctx context.Context, t voicetask.Task) error { return f(ctx, t) }

// startBroker runs kfake with the records, in a process of its own.
func startBroker(ctx context.Context) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-side", sideBroker)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = in.Close(); _ = cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("bench: the broker does not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// runBroker fills the topic, prints the address, and serves until its input is closed.
func runBroker() error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(kafkaPlaces, kafkaTopic), kfake.SeedTopics(1, lowTopic))
	if err != nil {
		return err
	}
	defer c.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := range kafkaRecords {
		cl.Produce(context.Background(), &kgo.Record{Topic: kafkaTopic, Value: fmt.Appendf(nil, message, fmt.Sprintf("task-%06d", i)), Headers: []kgo.RecordHeader{
			{Key: "content-type", Value: []byte("application/json")}, {Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		}}, nil)
	}
	if err := cl.Flush(context.Background()); err != nil {
		return err
	}
	fmt.Println(c.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
