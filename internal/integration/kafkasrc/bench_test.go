package kafkasrc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

const topic = "requests"

const benchRecords = 100_000

// BenchmarkRate reads and decodes the same records with kafkasrc and a Submitter that does
// nothing, and with a bare loop: poll, encoding/json into a plain struct, store the offset. They take
// turns (bare, ours, ours, bare); run it with -benchtime=9x. CPU includes the broker's, which is in
// this process.
func BenchmarkRate(b *testing.B) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(16, topic))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	for i := range benchRecords {
		cl.Produce(context.Background(), &kgo.Record{Topic: topic, Value: fmt.Appendf(nil,
			`{"task_id":"task-%d","agent_id":"agent-1","data":{"contact_number":"+4930123456","contact_name":"Jane Doe","context":%q,"user_id":"u-1"},"instructions":%q,"model_config":{"model":"x","temperature":0.5},"callback":"https://example.com/cb","retry_attempt":0,"message_type":"outbound_call"}`,
			i, strings.Repeat("c", 150), strings.Repeat("i", 150)),
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/json")}, {Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}}}, nil)
	}
	if err := cl.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	type cost struct{ wall, cpu time.Duration }
	n := 0
	measure := func(run func(*testing.B, *kfake.Cluster, string)) cost {
		n++
		began, before := time.Now(), cpu()
		run(b, c, fmt.Sprintf("group-%d", n))
		return cost{time.Since(began), cpu() - before}
	}
	var rates, cpus []float64
	var bare, ours cost
	for b.Loop() {
		b1, o1, o2, b2 := measure(bareLoop), measure(consumerLoop), measure(consumerLoop), measure(bareLoop)
		rates = append(rates, float64(b1.wall)/float64(o1.wall), float64(b2.wall)/float64(o2.wall))
		cpus = append(cpus, float64(o1.cpu)/float64(b1.cpu), float64(o2.cpu)/float64(b2.cpu))
		bare = cost{bare.wall + b1.wall + b2.wall, bare.cpu + b1.cpu + b2.cpu}
		ours = cost{ours.wall + o1.wall + o2.wall, ours.cpu + o1.cpu + o2.cpu}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	total := float64(len(rates)) * benchRecords
	b.ReportMetric(total/bare.wall.Seconds(), "bare-records/s")
	b.ReportMetric(total/ours.wall.Seconds(), "records/s")
	b.ReportMetric(float64(bare.cpu)/total, "bare-cpu-ns/record")
	b.ReportMetric(float64(ours.cpu)/total, "cpu-ns/record")
	b.ReportMetric(median(rates), "rate/bare")
	b.ReportMetric(median(cpus), "cpu/bare")
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // its arguments are valid
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func bareLoop(b *testing.B, c *kfake.Cluster, group string) {
	k, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": strings.Join(c.ListenAddrs(), ","), "group.id": group, "auto.offset.reset": "earliest",
		"enable.auto.offset.store": false, "partition.assignment.strategy": "cooperative-sticky", "queued.max.messages.kbytes": 16384,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	if err := k.SubscribeTopics([]string{topic}, nil); err != nil {
		b.Fatal(err)
	}
	for n := 0; n < benchRecords; {
		m, ok := k.Poll(100).(*kafka.Message)
		if !ok {
			continue
		}
		var task struct {
			TaskID       string                     `json:"task_id"`
			AgentID      string                     `json:"agent_id"`
			Data         map[string]json.RawMessage `json:"data"`
			Instructions string                     `json:"instructions"`
			ModelConfig  json.RawMessage            `json:"model_config"`
			Callback     string                     `json:"callback"`
			RetryAttempt int                        `json:"retry_attempt"`
			MessageType  string                     `json:"message_type"`
		}
		if err := json.Unmarshal(m.Value, &task); err != nil {
			b.Fatal(err)
		}
		if _, err := k.StoreMessage(m); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func consumerLoop(b *testing.B, c *kfake.Cluster, group string) {
	var n atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	consumer, err := kafkasrc.NewConsumer(kafkasrc.Config{
		Brokers: c.ListenAddrs(), Group: group, NoBulk: true,
		Submitter: submitFunc(func(context.Context, voicetask.Task) error {
			if n.Add(1) == benchRecords {
				cancel()
			}
			return nil
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := consumer.Run(ctx); err != nil {
		b.Fatal(err)
	}
}
