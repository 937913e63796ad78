// Command replay puts dead letters back on the topic they came from: after the producer
// was mended, or after a release that understands them. It shows kafkasrc.Replay.
//
//	go run ./replay -dry-run
//	go run ./replay -class invalid_task
//
// It prints, for each class of dead letters, how many there were:
//
//	invalid_task   3 replayed
//	too_large      1 left
//	replayed 3, left 1
//
// What was replayed or left is not looked at again: the offsets of a group say so, and
// one that is stopped or killed in the middle may simply be run again. Each
// -class has a group of its own, so that one does not pass over another's, and a new
// -group begins at the beginning, and so does a run without -class, also behind runs with one: a
// task that comes twice is a duplicate and does no harm. Of one group run one at a time.
// With -dry-run nothing is written and nothing remembered.
// KAFKA_BOOTSTRAP_SERVERS and AGENT_OUTBOUND_REQUEST_TOPIC are the consumer's. For brokers that demand
// TLS or a login set ReplayConfig.Librdkafka here.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/kafkasrc"
)

// options are the flags.
type options struct {
	topic, group, class string
	dryRun              bool
}

func main() {
	var o options
	flag.StringVar(&o.topic, "topic", "", "the dead-letter `topic`; default AGENT_OUTBOUND_REQUEST_TOPIC with _dlq added")
	flag.StringVar(&o.group, "group", "", "the consumer `group` that remembers; default the dead-letter topic with _replay and the class added")
	flag.StringVar(&o.class, "class", "", "replay dead letters of this `class` only: invalid_task, decode or too_large")
	flag.BoolVar(&o.dryRun, "dry-run", false, "count only")
	flag.Parse()
	setup.Main("replay", func(ctx context.Context, _ *slog.Logger) error { return o.run(ctx, os.Stdout) })
}

func (o options) run(ctx context.Context, out io.Writer) error {
	env, err := kafkasrc.ConfigFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	if o.topic == "" {
		o.topic = env.Topic + "_dlq"
	}
	if o.class != "" && !slices.Contains(classes, o.class) {
		return fmt.Errorf("-class %q: there are %s", o.class, strings.Join(classes, ", "))
	}
	if o.group == "" && o.class != "" {
		o.group = o.topic + "_replay_" + o.class
	}
	chosen, left := map[string]int{}, map[string]int{}
	replayed, skipped, err := kafkasrc.Replay(ctx, kafkasrc.ReplayConfig{
		Brokers: env.Brokers, DeadLetterTopic: o.topic, Group: o.group, DryRun: o.dryRun,
		Keep: func(m kafkasrc.Message) bool {
			class := classOf(m)
			if o.class != "" && class != o.class {
				left[class]++
				return false
			}
			chosen[class]++
			return true
		},
	})
	report(out, chosen, left, o.dryRun)
	fmt.Fprintf(out, "%s %d, left %d\n", verb(o.dryRun), replayed, skipped)
	return err
}

// classes are the values of kafkasrc.HeaderClass.
var classes = []string{"invalid_task", "decode", "too_large"}

// classOf is why a message became a dead letter.
func classOf(m kafkasrc.Message) string {
	for _, h := range m.Headers {
		if h.Key == kafkasrc.HeaderClass {
			return string(h.Value)
		}
	}
	return "unknown"
}

func verb(dryRun bool) string {
	if dryRun {
		return "would replay"
	}
	return "replayed"
}

func report(out io.Writer, chosen, left map[string]int, dryRun bool) {
	for _, class := range slices.Sorted(maps.Keys(chosen)) {
		fmt.Fprintf(out, "%-14s %d %s\n", class, chosen[class], verb(dryRun))
	}
	for _, class := range slices.Sorted(maps.Keys(left)) {
		fmt.Fprintf(out, "%-14s %d left\n", class, left[class])
	}
}
