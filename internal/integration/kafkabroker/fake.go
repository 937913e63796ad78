package kafkabroker

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Fake is a cluster of kfake. What its embedded Cluster offers beyond the interface, such as
// Fault, is for tests that Apache Kafka cannot run.
type Fake struct {
	*kfake.Cluster
	trouble
	brokers int
	client  *kgo.Client
	admin   *kadm.Client
}

// StartFake starts brokers in this process.
func StartFake(brokers int, opts ...kfake.Opt) (*Fake, error) {
	f := &Fake{brokers: brokers}
	var err error
	f.Cluster, err = kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(brokers), kfake.ListenFn(f.listen),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20971520", "group.consumer.heartbeat.interval.ms": "200", "group.consumer.session.timeout.ms": "6000"}),
	}, opts...)...)
	if err != nil {
		return nil, err
	}
	if f.client, err = kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.MetadataMinAge(100*time.Millisecond)); err != nil {
		f.Cluster.Close()
		return nil, err
	}
	f.admin = kadm.NewClient(f.client)
	return f, nil
}

func (f *Fake) Kind() string         { return "kfake" }
func (f *Fake) Addrs() []string      { return f.ListenAddrs() }
func (f *Fake) FlakyAddrs() []string { return f.ListenAddrs() }
func (f *Fake) Admin() *kadm.Client  { return f.admin }

// Restart removes nodes and adds them again on their ports; kfake knows no hard and
// no orderly way.
func (f *Fake) Restart(ctx context.Context, _ bool) error {
	if f.brokers < 2 {
		return fmt.Errorf("kafkabroker: a cluster of one has nothing to go on with")
	}
	nodes, err := f.admin.ListBrokers(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := f.RemoveNode(n.NodeID); err != nil {
			return err
		}
		if _, _, err := f.AddNode(n.NodeID, int(n.Port)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fake) MoveLeaders(context.Context, string) error {
	f.ShufflePartitionLeaders()
	return nil
}

func (f *Fake) MoveCoordinators(context.Context) error {
	f.RehashCoordinators()
	return nil
}

func (f *Fake) Generation(_ context.Context, group string) (int32, error) {
	info := f.GroupInfo(group)
	if info == nil {
		return 0, fmt.Errorf("kafkabroker: no group %q", group)
	}
	return info.Epoch, nil
}

func (f *Fake) Close() {
	f.client.Close()
	f.end()
	f.Cluster.Close()
}
