package kafkasrc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/internal/integration/kafkabroker"
)

const mainPartitions, bulkPartitions, dlqPartitions = 4, 2, 3

// A world is a cluster with topics and groups of the test's own.
type world struct {
	kafkabroker.Cluster
	topic, bulkTopic, dlqTopic string
	group, bulkGroup           string
}

var (
	worlds atomic.Int64
	shared struct {
		sync.Mutex
		apache *kafkabroker.Apache
	}
)

// onApache reports whether the tests run on Apache Kafka, and with which jars.
func onApache() (jars string, yes bool) { return os.LookupEnv(kafkabroker.EnvJars) }

// broker gives the test its topics: on a kfake of its own, or on the Apache cluster of three that
// the tests share.
func broker(t *testing.T) *world {
	t.Helper()
	w := emptyBroker(t)
	createTopics(t, w)
	return w
}

// emptyBroker creates no topics.
func emptyBroker(t *testing.T) *world {
	t.Helper()
	if jars, yes := onApache(); yes {
		return newWorld(sharedApache(t, jars))
	}
	return fakeBroker(t, 1)
}

// fakeBroker is kfake also where the other tests run on Apache Kafka.
func fakeBroker(t *testing.T, brokers int, opts ...kfake.Opt) *world {
	t.Helper()
	c, err := kafkabroker.StartFake(brokers, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return newWorld(c)
}

// injectable is a fakeBroker with topics.
func injectable(t *testing.T) *world {
	t.Helper()
	w := fakeBroker(t, 1)
	createTopics(t, w)
	return w
}

// ownBroker may be broken: no other test uses it. It has three nodes, or one.
func ownBroker(t *testing.T, brokers int) *world {
	t.Helper()
	jars, yes := onApache()
	if !yes {
		return fakeBroker(t, brokers)
	}
	c, err := kafkabroker.StartApache(t.Context(), jars, brokers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return newWorld(c)
}

func newWorld(c kafkabroker.Cluster) *world {
	w := &world{Cluster: c, topic: fmt.Sprintf("requests_%d", worlds.Add(1))}
	w.bulkTopic, w.dlqTopic, w.group = w.topic+"_bulk", w.topic+"_dlq", w.topic+"_group"
	w.bulkGroup = w.group + "_bulk"
	return w
}

func sharedApache(t *testing.T, jars string) *kafkabroker.Apache {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.apache == nil {
		var err error
		if shared.apache, err = kafkabroker.StartApache(context.WithoutCancel(t.Context()), jars, 3); err != nil {
			t.Fatal(err)
		}
	}
	return shared.apache
}

// fake is the test's kfake, for faults that only it injects.
func (w *world) fake(t *testing.T) *kafkabroker.Fake {
	t.Helper()
	f, ok := w.Cluster.(*kafkabroker.Fake)
	if !ok {
		t.Fatalf("%s injects no faults", w.Kind())
	}
	return f
}

func createTopics(t *testing.T, w *world) {
	t.Helper()
	w.createTopic(t, w.topic, mainPartitions, nil)
	w.createTopic(t, w.bulkTopic, bulkPartitions, nil)
	w.createTopic(t, w.dlqTopic, dlqPartitions, nil)
}

func (w *world) createTopic(t *testing.T, name string, partitions int32, conf map[string]string) {
	t.Helper()
	set := map[string]*string{"max.message.bytes": kadm.StringPtr("20971520")}
	for k, v := range conf {
		set[k] = &v
	}
	// It is the test's own: where it is there, a try whose answer came too late has made it.
	if _, err := w.Admin().CreateTopic(t.Context(), partitions, kafkabroker.Replicas(w), set, name); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Fatalf("creating %s: %v", name, err)
	}
	eventually(t, name+" has its leaders", func() bool {
		meta, err := w.Admin().Metadata(t.Context(), name)
		if err != nil || len(meta.Topics[name].Partitions) != int(partitions) {
			return false
		}
		for _, p := range meta.Topics[name].Partitions {
			if p.Err != nil || p.Leader < 0 {
				return false
			}
		}
		return true
	})
}

func client(t *testing.T, w *world, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(w.Addrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(16 << 20),
		kgo.FetchMaxBytes(64 << 20),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce writes records as they are, and fills in their offsets.
func produce(t *testing.T, w *world, records ...*kgo.Record) {
	t.Helper()
	if err := client(t, w).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// ends are the topic's ends, by partition.
func (w *world) ends(t *testing.T, name string) map[int32]int64 {
	t.Helper()
	out := map[int32]int64{}
	eventually(t, "the ends of "+name+" are known", func() bool {
		list, err := w.Admin().ListEndOffsets(t.Context(), name)
		if err != nil || list.Error() != nil {
			return false
		}
		list.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
		return len(out) > 0
	})
	return out
}

// readAll reads a topic from its beginning to its present end.
func readAll(t *testing.T, w *world, name string) []*kgo.Record {
	t.Helper()
	var want int64
	for _, end := range w.ends(t, name) {
		want += end
	}
	if want == 0 {
		return nil
	}
	cl := client(t, w, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out []*kgo.Record
	for int64(len(out)) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s: %v after %d of %d", name, err, len(out), want)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

// generation is the group's, as the brokers tell it.
func (w *world) generation(t *testing.T, group string) int32 {
	t.Helper()
	var n int32
	eventually(t, "the brokers tell the generation of "+group, func() (ok bool) {
		ctx, cancel := context.WithTimeout(t.Context(), patience/3)
		defer cancel()
		var err error
		n, err = w.Generation(ctx, group)
		return err == nil
	})
	return n
}

// commits are what the group has committed; nil when the brokers cannot tell just now. The sums and
// offsets below are then 0 and -1: right for what is waited for, and nothing to fail by.
func commits(w *world, group string) map[string]map[int32]kadm.OffsetResponse {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := w.Admin().FetchOffsets(ctx, group)
	if err != nil || list.Error() != nil {
		return nil
	}
	return list
}

// committedNow waits until the brokers tell what the group has committed.
func committedNow(t *testing.T, w *world, group string) (list map[string]map[int32]kadm.OffsetResponse) {
	t.Helper()
	eventually(t, "the brokers tell the offsets of "+group, func() bool {
		list = commits(w, group)
		return list != nil
	})
	return list
}

func committed(w *world, group, name string, partition int32) int64 {
	if c, ok := commits(w, group)[name][partition]; ok && c.Err == nil {
		return c.At
	}
	return -1
}

func committedSum(w *world, group, name string) int64 {
	var sum int64
	for _, c := range commits(w, group)[name] {
		if c.Err == nil {
			sum += max(0, c.At)
		}
	}
	return sum
}

// wantCommitted fails unless the group's offsets are the ends of the topic's partitions.
func wantCommitted(t *testing.T, w *world, group, name string) {
	t.Helper()
	total := int64(0)
	have := committedNow(t, w, group)[name]
	for partition, end := range w.ends(t, name) {
		total += end
		if got := have[partition]; end > 0 && got.At != end {
			t.Errorf("%s/%d: committed %d, end %d", name, partition, got.At, end)
		} else if got.At > 0 && got.LeaderEpoch < 0 {
			t.Errorf("%s/%d: committed without the leader epoch", name, partition)
		}
	}
	if total == 0 {
		t.Fatalf("%s is empty: nothing could be committed", name)
	}
}
