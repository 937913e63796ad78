package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topics of the message contract.
const (
	topicNormal      = "agent_outbound_requests"
	topicBulk        = topicNormal + "_bulk"
	topicDeadLetters = topicNormal + "_dlq"
	group            = topicNormal + "_group"
)

const (
	partitions = 4
	// largestMessage is what the topics allow: more than the consumer does (1 MiB),
	// so that it is the consumer who has to deal with the message of 2 MB.
	largestMessage = 4 << 20
	kafkaTimeout   = time.Minute
)

// broker is a Kafka broker inside the demo, with its data on disk.
type broker struct {
	cluster *kfake.Cluster
	addr    string
}

func startBroker(port int, dir string) (*broker, error) {
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir),
		kfake.SeedTopics(partitions, topicNormal, topicBulk), kfake.SeedTopics(1, topicDeadLetters),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(largestMessage)}),
	)
	if err != nil {
		return nil, fmt.Errorf("starting the Kafka broker: %w", err)
	}
	return &broker{cluster: c, addr: loopback(port)}, nil
}

func (b *broker) close() {
	if b != nil {
		b.cluster.Close()
	}
}

// ack is one message that Kafka has acknowledged.
type ack struct {
	scenario  int // index in the cases
	topic     string
	partition int32
	offset    int64
	key       []byte
	value     []byte
	headers   []kgo.RecordHeader
}

// produce sends the messages of cases[from:to], doubled ones as often as they say,
// and returns what was acknowledged. It is a plain producer, none of the library's.
func (b *broker) produce(ctx context.Context, cases []scenario, from, to int) ([]ack, error) {
	ctx, cancel := context.WithTimeout(ctx, kafkaTimeout)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(b.addr), kgo.ClientID("demo-producer"),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchMaxBytes(largestMessage),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var (
		records []*kgo.Record
		origins []int
	)
	for i, c := range cases[from:to] {
		for range c.copies() {
			records, origins = append(records, c.record()), append(origins, from+i)
		}
	}
	// Results come in any order; the record itself carries where it was stored.
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return nil, err
	}
	acks := make([]ack, len(records))
	for i, r := range records {
		acks[i] = ack{origins[i], r.Topic, r.Partition, r.Offset, r.Key, r.Value, r.Headers}
	}
	return acks, nil
}
