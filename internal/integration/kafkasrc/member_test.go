package kafkasrc_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// envMember makes the test's binary a consumer: the setting is its memberConfig.
const envMember = "KAFKA_MEMBER"

// A memberConfig is what a consumer in a process of its own is told at its start.
type memberConfig struct {
	Brokers            []string
	Topic, Group       string
	Protocol, Strategy string
	Bulk               bool
	InFlight           int
	Ledger             string        // a line for each task that was accepted; "" is none
	Submit             time.Duration // each takes between 0 and twice this
	Down               bool          // Submit fails, until the parent says "up"
	Temporal, Rows     string        // submit to this server, with rows in this file; "" is nowhere
	MaxPollInterval    time.Duration
	Session            time.Duration // of a classic group; 0 is 6 s
}

// A report is what a member says of itself, several times a second.
type report struct {
	Resident   int64 // bytes of its memory
	Goroutines int
	Accepted   int64
	Stats      kafkasrc.Stats
}

// reportEvery is how often a member reports.
const reportEvery = 250 * time.Millisecond

// runMember consumes until SIGTERM. It outlives nothing: what it accepted is in a file.
func runMember(text string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var told memberConfig
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		log.Error("settings", "error", err)
		return 1
	}
	engine := &memberEngine{took: told.Submit}
	engine.down.Store(told.Down)
	var err error
	if told.Ledger != "" {
		if engine.ledger, err = openLedger(told.Ledger); err != nil {
			log.Error("ledger", "error", err)
			return 1
		}
	}
	if told.Temporal != "" {
		if engine.host, err = told.host(); err != nil {
			log.Error("host", "error", err)
			return 1
		}
	}
	consumer, err := kafkasrc.NewConsumer(told.consumer(engine, log))
	if err != nil {
		log.Error("config", "error", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go engine.obey()
	go engine.report(consumer)
	if err := consumer.Run(ctx); err != nil {
		log.Error("run", "error", err)
		return 1
	}
	return 0
}

func (told memberConfig) consumer(engine *memberEngine, log *slog.Logger) kafkasrc.Config {
	cfg := kafkasrc.Config{
		Brokers: told.Brokers, Topic: told.Topic, Group: told.Group, GroupProtocol: told.Protocol,
		NoBulk: !told.Bulk, InFlight: told.InFlight, Logger: log, Submitter: engine,
		Librdkafka: map[string]any{"topic.metadata.refresh.interval.ms": 1000, "max.poll.interval.ms": told.MaxPollInterval.Milliseconds()},
	}
	if told.Protocol == "classic" {
		cfg.Librdkafka["session.timeout.ms"], cfg.Librdkafka["heartbeat.interval.ms"] = cmp.Or(told.Session, 6*time.Second).Milliseconds(), 500
		cfg.Librdkafka["partition.assignment.strategy"] = told.Strategy
	}
	return cfg
}

// A memberEngine stands for Temporal: it takes its time, and may be down. One with a host leaves
// it to that.
type memberEngine struct {
	took     time.Duration
	ledger   *os.File
	host     voicetask.Submitter // nil: there is none
	down     atomic.Bool
	accepted atomic.Int64
}

func (e *memberEngine) Submit(ctx context.Context, t voicetask.Task) error {
	if e.took > 0 {
		select {
		case <-time.After(rand.N(2 * e.took)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if e.down.Load() {
		return errDown
	}
	if e.host != nil {
		if err := e.host.Submit(ctx, t); err != nil {
			return err
		}
	}
	e.accepted.Add(1)
	if e.ledger == nil {
		return nil
	}
	return enter(e.ledger, t.ID)
}

// openLedger opens a file into which all members write, a line for each thing they did.
func openLedger(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func enter(ledger *os.File, id string) error {
	_, err := fmt.Fprintf(ledger, "%d %s\n", os.Getpid(), id)
	return err
}

// obey does what the parent says, a word a line.
func (e *memberEngine) obey() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		e.down.Store(lines.Text() == "down")
	}
}

func (e *memberEngine) report(c *kafkasrc.Consumer) {
	out := json.NewEncoder(os.Stdout)
	for {
		r := report{Resident: resident(), Goroutines: runtime.NumGoroutine(), Accepted: e.accepted.Load(), Stats: c.Stats()}
		if out.Encode(r) != nil {
			return // nobody listens any more
		}
		time.Sleep(reportEvery)
	}
}

// resident is this process's memory in bytes, as Linux counts it; 0 elsewhere.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	_, _ = fmt.Fscan(strings.NewReader(string(b)), &size, &pages)
	return pages * int64(os.Getpagesize())
}
