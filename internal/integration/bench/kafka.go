package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	sideBroker   = "broker"
	kafkaTopic   = "requests"
	kafkaRecords = 120_000
	kafkaWarm    = 20_000 // of them are not measured
	kafkaPlaces  = 16     // partitions
	kafkaLimit   = 2 * time.Minute
)

// kafkaOutcome compares the consumer, with a Submitter that does nothing, with a bare loop that
// polls and decodes; the broker is a process of its own.
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
	SlowCPU      float64    `json:"kafka_cpu_us_per_record_submit_5ms"`
	startOutcome
}

func measureKafka(ctx context.Context, pairs int) (out kafkaOutcome, err error) {
	address, stop, err := startBroker(ctx)
	if err != nil {
		return out, err
	}
	defer stop()
	runs := 0
	loop := func(side string) (cost, error) {
		runs++
		return runLoop(ctx, side, address, fmt.Sprintf("group-%d", runs))
	}
	sides := []string{sideKafkaOurs, sideKafkaBare}
	var rates, cpus ratios
	sum := map[string]cost{}
	for i := range pairs {
		got := map[string]cost{}
		for _, side := range sides {
			c, err := loop(side)
			if err != nil {
				return out, err
			}
			got[side] = c
			sum[side] = cost{sum[side].Wall + c.Wall, sum[side].CPU + c.CPU}
		}
		slices.Reverse(sides)
		ours, bare := got[sideKafkaOurs], got[sideKafkaBare]
		rates = append(rates, bare.Wall/ours.Wall)
		cpus = append(cpus, ours.CPU/bare.CPU)
		fmt.Printf("kafka pair %d: rate %.3f, client CPU %.3f (ours over bare)\n", i+1, rates[i], cpus[i])
	}
	fmt.Println("kafka rate:        ", rates)
	fmt.Println("kafka client CPU:  ", cpus)
	out.RateRatio, out.RateInterval[0], out.RateInterval[1] = rates.median()
	out.CPURatio, out.CPUInterval[0], out.CPUInterval[1] = cpus.median()
	total := float64(pairs * (kafkaRecords - kafkaWarm))
	ours, bare := sum[sideKafkaOurs], sum[sideKafkaBare]
	out.Ours, out.Bare = total/ours.Wall, total/bare.Wall
	out.OursCPU, out.BareCPU = 1e6*ours.CPU/total, 1e6*bare.CPU/total
	slow, err := loop(sideKafkaSlow)
	if err != nil {
		return out, err
	}
	out.SlowSubmit = (kafkaRecords - kafkaWarm) / slow.Wall
	out.SlowCPU = 1e6 * slow.CPU / (kafkaRecords - kafkaWarm)
	out.startOutcome, err = measureStart(ctx, address)
	return out, err
}

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
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(kafkaPlaces, kafkaTopic), kfake.SeedTopics(1, startTopics...))
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
