// Package kafkabroker gives tests a Kafka cluster on loopback: kfake, which runs in the
// test's process, or Apache Kafka in KRaft mode, each broker a Java process. The same tests run
// on both; what only one of them can do is on its own type.
package kafkabroker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Cluster is a running cluster. Its methods may be called from many goroutines, but one
// disturbance at a time.
type Cluster interface {
	// Kind is "kfake" or "apache".
	Kind() string
	// Addrs are host:port of the brokers.
	Addrs() []string
	// FlakyAddrs are those by which clients come through a network that Slow and Cut disturb.
	FlakyAddrs() []string
	// Admin asks and changes things over the wire.
	Admin() *kadm.Client

	// Restart takes one broker after the other away, hard or orderly, and back.
	Restart(ctx context.Context, hard bool) error
	// MoveLeaders gives every partition of the topic another leader.
	MoveLeaders(ctx context.Context, topic string) error
	// MoveCoordinators gives groups another coordinator.
	MoveCoordinators(ctx context.Context) error
	// Slow delays whatever brokers send through the flaky network; 0 ends it.
	Slow(d time.Duration)
	// Delayed counts the sendings that Slow has delayed.
	Delayed() int64
	// Cut breaks every connection through the flaky network and returns how many there were.
	Cut() int
	// Generation is the group's generation (classic) or epoch (KIP-848), as the brokers have it.
	Generation(ctx context.Context, group string) (int32, error)
	// Close ends the brokers.
	Close()
}

// Replicas is how many copies of a partition the cluster keeps.
func Replicas(c Cluster) int16 {
	if len(c.Addrs()) >= 3 {
		return 3
	}
	return 1
}
