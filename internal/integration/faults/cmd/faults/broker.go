package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/superservices/voice/internal/integration/faults/run"
)

// broker is the subcommand that is a Kafka broker with its data on disk.
func broker(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("broker", flag.ContinueOnError)
	port := f.Int("port", 0, "loopback `port`")
	dir := f.String("dir", "", "`directory` of its data")
	if err := f.Parse(args); err != nil {
		return err
	}
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(*port), kfake.DataDir(*dir),
		kfake.SeedTopics(run.Partitions, run.Topic), kfake.SeedTopics(1, run.DeadLetters),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes": "4194304", "group.consumer.heartbeat.interval.ms": "500", "group.consumer.session.timeout.ms": "6000",
		}),
	)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "serving", c.ListenAddrs())
	<-ctx.Done()
	c.Close()
	return nil
}
