package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Kafka reads a broker: a topic, its dead letters, a group's offsets.
type Kafka struct {
	Broker, Topic, DeadLetters, Group string
	Partitions                        int32
}

func (k Kafka) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.Broker), kgo.ClientID("auditor"), kgo.RetryTimeout(3 * time.Second), kgo.DialTimeout(2 * time.Second),
		kgo.FetchMaxBytes(64 << 20), kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.MaxVersions(kversion.V3_7_0()), // topics by their names, not by their ids
	}, opts...)...)
}

// read reads a topic from its beginning to its present end.
func (k Kafka) read(ctx context.Context, topic string, partitions int32) ([]*kgo.Record, error) {
	cl, err := k.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := k.ends(ctx, cl, topic, partitions)
	if err != nil {
		return nil, err
	}
	want, from := int64(0), map[int32]kgo.Offset{}
	for p, end := range ends {
		want += end
		from[p] = kgo.NewOffset().AtStart()
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	var all []*kgo.Record
	for int64(len(all)) < want {
		fetched := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("collect: reading %s: %d of %d records: %w", topic, len(all), want, err)
		}
		fetched.EachRecord(func(r *kgo.Record) { all = append(all, r) })
	}
	return all, nil
}

// ends are the ends of a topic's partitions.
func (k Kafka) ends(ctx context.Context, cl *kgo.Client, topic string, partitions int32) (map[int32]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for p := range partitions {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = p, -1
		t.Partitions = append(t.Partitions, one)
	}
	req.Topics = append(req.Topics, t)
	ends := map[int32]int64{}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, err
				}
				ends[p.Partition] = p.Offset
			}
		}
	}
	if len(ends) != int(partitions) {
		return nil, errors.New("collect: not all partitions have told their end")
	}
	return ends, nil
}

// Log reads the topic.
func (k Kafka) Log(ctx context.Context) ([]audit.Stored, error) {
	records, err := k.read(ctx, k.Topic, k.Partitions)
	var all []audit.Stored
	for _, r := range records {
		all = append(all, audit.Stored{Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value})
	}
	return all, err
}

// Letters reads the dead letters.
func (k Kafka) Letters(ctx context.Context) ([]audit.Letter, error) {
	records, err := k.read(ctx, k.DeadLetters, 1)
	var all []audit.Letter
	for _, r := range records {
		l := audit.Letter{At: r.Timestamp.UTC(), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			l.Headers = append(l.Headers, [2]string{h.Key, string(h.Value)})
		}
		all = append(all, l)
	}
	return all, err
}

// Committed asks for the group's offsets.
func (k Kafka) Committed(ctx context.Context, cl *kgo.Client) (map[int32]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = k.Group
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = k.Group
	t := kmsg.NewOffsetFetchRequestTopic()
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, gt.Topic = k.Topic, k.Topic
	for p := range k.Partitions {
		t.Partitions, gt.Partitions = append(t.Partitions, p), append(gt.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	g.Topics = append(g.Topics, gt)
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.Offset >= 0 {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.Offset >= 0 {
					offsets[p.Partition] = p.Offset
				}
			}
		}
	}
	return offsets, nil
}

// Sampler watches a group's offsets all the time.
type Sampler struct {
	mu      sync.Mutex
	samples []audit.Sample
	taken   int
}

const sampleEvery = 100 * time.Millisecond

// Run samples until ctx ends. While the broker is away there is nothing to see.
func (s *Sampler) Run(ctx context.Context, k Kafka) error {
	cl, err := k.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s.take(ctx, k, cl)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Sampler) take(ctx context.Context, k Kafka, cl *kgo.Client) {
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	offsets, err := k.Committed(bounded, cl)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	if n := len(s.samples); n == 0 || !maps.Equal(s.samples[n-1].Offsets, offsets) {
		s.samples = append(s.samples, audit.Sample{At: time.Now().UTC(), Offsets: offsets})
	}
}

// Now asks for the group's offsets, and returns their sum.
func (k Kafka) Now(ctx context.Context) (sum int64, err error) {
	cl, err := k.client()
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	offsets, err := k.Committed(ctx, cl)
	for _, o := range offsets {
		sum += o
	}
	return sum, err
}

// Samples returns what was seen, and how often it looked.
func (s *Sampler) Samples() ([]audit.Sample, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]audit.Sample(nil), s.samples...), s.taken
}

// Rewind commits the beginning of the topic for the group, which must have no members.
// It is the one thing here that writes.
func (k Kafka) Rewind(ctx context.Context) error {
	cl, err := k.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = k.Group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = k.Topic
	for p := range k.Partitions {
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset, one.LeaderEpoch = p, 0, -1
		t.Partitions = append(t.Partitions, one)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("collect: rewinding partition %d: %w", p.Partition, err)
			}
		}
	}
	return nil
}
