package kafkabroker

import (
	"context"
	"fmt"
	"net"
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
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for _, n := range a.nodes { // one that has just registered may not listen yet
		for name, addr := range n.addrs {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err != nil {
				return fmt.Sprintf("broker %d, listener %s: %v", n.id, name, err)
			}
			_ = c.Close()
		}
	}
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

// MoveLeaders makes the next replica of each partition the preferred one, and has it elected. What
// brokers refuse or do not answer is asked again for some minutes: others trouble them too.
func (a *Apache) MoveLeaders(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	want := map[int32]int32{}
	for {
		err := a.moveLeaders(ctx, topic, want)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("kafkabroker: moving the leaders of %q: %w", topic, err)
		}
	}
}

// moveLeaders asks once. want is filled at the first answer: the leader that each partition is to have.
func (a *Apache) moveLeaders(ctx context.Context, topic string, want map[int32]int32) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	meta, err := a.admin.Metadata(ctx, topic)
	if err != nil {
		return err
	}
	var to kadm.AlterPartitionAssignmentsReq
	moved, set := 0, kadm.TopicsSet{}
	for id, p := range meta.Topics[topic].Partitions {
		i := slices.Index(p.Replicas, p.Leader)
		if i < 0 {
			continue // it has no leader just now
		}
		if _, known := want[id]; !known {
			want[id] = p.Replicas[(i+1)%len(p.Replicas)]
		}
		if p.Leader == want[id] {
			moved++
			continue
		}
		i = max(slices.Index(p.Replicas, want[id]), 0)
		to.Assign(topic, id, slices.Concat(p.Replicas[i:], p.Replicas[:i]))
		set.Add(topic, id)
	}
	if n := len(meta.Topics[topic].Partitions); n > 0 && moved == n {
		return nil
	}
	if _, err := a.admin.AlterPartitionAssignments(ctx, to); err != nil {
		return err
	}
	if _, err := a.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set); err != nil {
		return err
	}
	return fmt.Errorf("%d of %d have moved so far", moved, len(meta.Topics[topic].Partitions))
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
