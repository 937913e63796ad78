package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/superservices/voice/voicetask"
)

// Defaults of Config.
const (
	DefaultTopic = "agent_outbound_requests"
	DefaultGroup = "agent_outbound_requests_group"

	DefaultMaxMessageBytes = 1 << 20
	DefaultInFlight        = 512
	DefaultBulkShare       = 0.5
	DefaultDrainTimeout    = 10 * time.Second
	DefaultFallbackAfter   = time.Minute
)

// What is added to a topic or a group for its companions.
const (
	bulkSuffix       = "_bulk"
	deadLetterSuffix = "_dlq"
	replaySuffix     = "_replay"
)

// Values of Config.GroupProtocol.
const (
	protocolClassic  = "classic"
	protocolConsumer = "consumer"
)

// Config configures NewConsumer.
type Config struct {
	// Brokers are host:port of some brokers of the cluster. Required.
	Brokers []string
	// Submitter takes the tasks: *voicetask.Client, *voicetask.Direct, or the host's
	// own. It is called from up to InFlight goroutines; a call that has not returned
	// after 30 s is cancelled and tried again (with a Fallback after half of FallbackAfter, at
	// least 5 s, if that is less). A call that panics is one that failed. Required.
	Submitter voicetask.Submitter
	// Fallback takes over once every Submit to Submitter has failed for FallbackAfter, and
	// gives back as soon as one succeeds again; it is tried every few seconds. A task for which
	// a *voicetask.Client's row answers alone, because it has ended or a Direct has it, counts
	// as neither, and so does one whose row could not be read: the Client did not ask Temporal.
	// Both must share their store, whose claim on the task keeps a task that Submitter
	// accepted without an answer from running twice. Nil means none: records wait.
	Fallback voicetask.Submitter
	// FallbackAfter is how long Submitter must have failed. Zero means 1 minute. Without a
	// Fallback it does nothing, and NewConsumer logs that.
	FallbackAfter time.Duration

	// Topic defaults to DefaultTopic.
	Topic string
	// Group defaults to DefaultGroup. The bulk lane's group is Group + "_bulk".
	Group string
	// BulkTopic defaults to Topic + "_bulk". It need not exist.
	BulkTopic string
	// NoBulk leaves the bulk topic alone.
	NoBulk bool
	// DeadLetterTopic defaults to Topic + "_dlq". It must exist, or brokers must create
	// topics by themselves; it takes the dead letters of both lanes.
	DeadLetterTopic string
	// ConnectHeaders adds Kafka Connect's names (__connect.errors.topic ...) to dead
	// letters, for tools that know those.
	ConnectHeaders bool
	// GroupProtocol is "classic" or "consumer" (KIP-848, brokers from 4.0). Zero means
	// "classic". All consumers of a group use the same.
	GroupProtocol string

	// MaxMessageBytes is the largest value that is decoded; a larger one is a dead
	// letter. Zero means 1 MiB.
	MaxMessageBytes int
	// Decode turns a record into a task. Any error makes the record a dead letter, unless
	// it is Temporary, and so does a panic. Nil means DecodeTask. It is called from many
	// goroutines. Its context ends after 30 s: a call that fails or panics after that is
	// made again, and one that does not heed its context keeps its record's place. Its
	// error text is written into the dead letter's headers: quote nothing of the record
	// in it.
	Decode func(ctx context.Context, m Message) (voicetask.Task, error)
	// InFlight is how many Submits may be in progress at once, in both lanes together.
	// More costs memory (a record each) and a longer repetition after a crash. Zero means 512.
	InFlight int
	// BulkShare is the share of InFlight that the bulk lane may take, above 0 and up to 1; it
	// gets at least one. Zero means 0.5.
	BulkShare float64
	// DrainTimeout is how long a stop, and a rebalance, wait for Submits in progress.
	// Zero means 10 s.
	DrainTimeout time.Duration

	// Librdkafka has further settings of librdkafka by their names: TLS, SASL, tuning.
	// What the consumer relies on is refused by name. They go to the consumers and to the
	// dead-letter producer alike; settings that do not concern one of them do no harm.
	Librdkafka map[string]any
	// Logger defaults to none.
	Logger *slog.Logger
}

// withDefaults returns a copy with every zero filled in.
func (c Config) withDefaults() Config {
	c.Brokers = append([]string(nil), c.Brokers...)
	setDefault(&c.FallbackAfter, DefaultFallbackAfter)
	setDefault(&c.Topic, DefaultTopic)
	setDefault(&c.Group, DefaultGroup)
	setDefault(&c.BulkTopic, c.Topic+bulkSuffix)
	setDefault(&c.DeadLetterTopic, c.Topic+deadLetterSuffix)
	setDefault(&c.GroupProtocol, protocolClassic)
	setDefault(&c.MaxMessageBytes, DefaultMaxMessageBytes)
	setDefault(&c.InFlight, DefaultInFlight)
	setDefault(&c.BulkShare, DefaultBulkShare)
	setDefault(&c.DrainTimeout, DefaultDrainTimeout)
	if c.Decode == nil {
		c.Decode = DecodeTask
	} else {
		c.Decode = bounded(c.Decode)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check reports what is wrong with a filled-in Config, naming the field and the fix.
func (c Config) check() error {
	if err := c.checkNumbers(); err != nil {
		return err
	}
	if err := checkBrokers(c.Brokers); err != nil {
		return fmt.Errorf("kafkasrc: Config.Brokers %w", err)
	}
	if c.Submitter == nil {
		return errors.New("kafkasrc: Config.Submitter is required: set it to a *voicetask.Client, a *voicetask.Direct or your own")
	}
	for _, t := range []struct{ field, name string }{
		{"Topic", c.Topic}, {"BulkTopic", c.BulkTopic}, {"DeadLetterTopic", c.DeadLetterTopic},
	} {
		if err := checkTopic(t.name); err != nil {
			return fmt.Errorf("kafkasrc: Config.%s %w", t.field, err)
		}
	}
	if err := checkGroup(c.Group); err != nil {
		return fmt.Errorf("kafkasrc: Config.Group %w", err)
	}
	switch {
	case !c.NoBulk && c.BulkTopic == c.Topic:
		return errors.New("kafkasrc: Config.BulkTopic is Config.Topic: give it another name, or set Config.NoBulk")
	case c.DeadLetterTopic == c.Topic, !c.NoBulk && c.DeadLetterTopic == c.BulkTopic:
		return errors.New("kafkasrc: Config.DeadLetterTopic is a topic that is read: dead letters would come back for ever")
	case c.GroupProtocol != protocolClassic && c.GroupProtocol != protocolConsumer:
		return fmt.Errorf("kafkasrc: Config.GroupProtocol is neither %q nor %q", protocolClassic, protocolConsumer)
	}
	return nil
}

// checkNumbers reports a number that cannot be meant, and what zero would mean.
func (c Config) checkNumbers() error {
	switch {
	case c.FallbackAfter < 0:
		return fmt.Errorf("kafkasrc: Config.FallbackAfter is negative: leave it zero for %v", DefaultFallbackAfter)
	case c.MaxMessageBytes < 0:
		return fmt.Errorf("kafkasrc: Config.MaxMessageBytes is negative: leave it zero for %d", DefaultMaxMessageBytes)
	case c.InFlight < 0:
		return fmt.Errorf("kafkasrc: Config.InFlight is negative: leave it zero for %d", DefaultInFlight)
	case math.IsNaN(c.BulkShare) || c.BulkShare < 0 || c.BulkShare > 1:
		return fmt.Errorf("kafkasrc: Config.BulkShare is not between 0 and 1: leave it zero for %v", DefaultBulkShare)
	case c.DrainTimeout < 0:
		return fmt.Errorf("kafkasrc: Config.DrainTimeout is negative: leave it zero for %v", DefaultDrainTimeout)
	}
	return nil
}

// checkBrokers wants "host", "host:port" or "PROTOCOL://host:port" in each place.
func checkBrokers(brokers []string) error {
	if len(brokers) == 0 {
		return errors.New(`is required: name at least one broker, such as "localhost:9092"`)
	}
	for i, b := range brokers {
		_, rest, hasScheme := strings.Cut(b, "://")
		if !hasScheme {
			rest = b
		}
		if rest == "" || strings.ContainsAny(rest, ", \t\r\n\x00/") {
			return fmt.Errorf("has an entry (the %d.) that is not host:port", i+1)
		}
		if !strings.Contains(rest, ":") {
			continue // the port defaults to 9092
		}
		host, port, err := net.SplitHostPort(rest)
		n, perr := strconv.Atoi(port)
		if err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
			return fmt.Errorf("has an entry (the %d.) that is not host:port", i+1)
		}
	}
	return nil
}

const maxNameBytes = 249 // of a topic, by Kafka's own rule

// checkTopic applies Kafka's rule for topic names. It also keeps out "^", with
// which a subscription becomes a regular expression.
func checkTopic(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxNameBytes:
		return fmt.Errorf("is longer than %d bytes", maxNameBytes)
	case name == "." || name == "..":
		return errors.New(`may not be "." or ".."`)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return errors.New("may have only letters, digits, dots, underscores and dashes")
		}
	}
	return nil
}

func checkGroup(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxNameBytes:
		return fmt.Errorf("is longer than %d bytes", maxNameBytes)
	case name != headerText(name):
		return errors.New("is not plain text")
	}
	return nil
}
