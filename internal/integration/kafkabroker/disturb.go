package kafkabroker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const offsetsTopic = "__consumer_offsets"

// Restart waits each time until every replica is in sync again: what is left is enough
// to go on with.
func (a *Apache) Restart(ctx context.Context, hard bool) error {
	for _, n := range a.nodes {
		if err := n.stop(hard); err != nil {
			return err
		}
		if err := n.start(); err != nil {
			return err
		}
		if err := a.healthy(ctx); err != nil {
			return fmt.Errorf("%w\nbroker %d: %s", err, n.id, n.logs())
		}
	}
	return nil
}

// healthy waits until every broker serves and every replica is in sync.
func (a *Apache) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		why := a.ailing(ctx)
		if why == "" {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("kafkabroker: the cluster is not whole after %v: %s", startWithin, why)
		}
	}
}

func (a *Apache) ailing(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	meta, err := a.admin.Metadata(ctx)
	if err != nil {
		return err.Error()
	}
	if n := len(meta.Brokers); n < len(a.nodes) {
		return fmt.Sprintf("%d brokers", n)
	}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			if p.Err != nil || len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("%s/%d: in sync %v of %v, %v", t.Topic, p.Partition, p.ISR, p.Replicas, p.Err)
			}
		}
	}
	return ""
}

// MoveLeaders makes the next replica of each partition the preferred one, and has it elected.
func (a *Apache) MoveLeaders(ctx context.Context, topic string) error {
	meta, err := a.admin.Metadata(ctx, topic)
	if err != nil {
		return err
	}
	var to kadm.AlterPartitionAssignmentsReq
	want, set := map[int32]int32{}, kadm.TopicsSet{}
	for id, p := range meta.Topics[topic].Partitions {
		i := slices.Index(p.Replicas, p.Leader)
		order := slices.Concat(p.Replicas[i+1:], p.Replicas[:i+1])
		want[id] = order[0]
		to.Assign(topic, id, order)
		set.Add(topic, id)
	}
	if len(want) == 0 {
		return fmt.Errorf("kafkabroker: no topic %q", topic)
	}
	if _, err := a.admin.AlterPartitionAssignments(ctx, to); err != nil {
		return err
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, _ = a.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set) // what it leaves out is tried again
		meta, err := a.admin.Metadata(ctx, topic)
		if err != nil {
			return err
		}
		moved := 0
		for id, p := range meta.Topics[topic].Partitions {
			if p.Leader == want[id] {
				moved++
			}
		}
		if moved == len(want) {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("kafkabroker: %d of %d leaders of %q moved", moved, len(want), topic)
		}
	}
}

// MoveCoordinators moves the leaders of the topic in which groups keep their state.
func (a *Apache) MoveCoordinators(ctx context.Context) error { return a.MoveLeaders(ctx, offsetsTopic) }

// Generation asks for a KIP-848 group; of a classic one the brokers tell the generation only in
// the record in which they keep the group.
func (a *Apache) Generation(ctx context.Context, group string) (int32, error) {
	if d, err := a.admin.DescribeConsumerGroups(ctx, group); err == nil && d[group].Err == nil {
		return d[group].Epoch, nil
	}
	ends, err := a.admin.ListEndOffsets(ctx, offsetsTopic)
	if err != nil {
		return 0, err
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition], left[o.Partition] = kgo.NewOffset().AtStart(), o.Offset
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(a.Addrs()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{offsetsTopic: from}))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	generation := int32(-1)
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var k kmsg.GroupMetadataKey
			var v kmsg.GroupMetadataValue
			if k.ReadFrom(r.Key) == nil && k.Version == 2 && k.Group == group && v.ReadFrom(r.Value) == nil {
				generation = v.Generation
			}
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	if generation < 0 {
		return 0, fmt.Errorf("kafkabroker: no classic group %q", group)
	}
	return generation, nil
}
