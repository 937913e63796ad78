package kafkasrc_test

import (
	"bufio"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// envMember makes the test's binary a consumer: the setting is its brokers.
const envMember = "KAFKA_MEMBER"

// runMember consumes until SIGTERM. Each task it accepts is a line in a file that outlives it.
func runMember(brokers string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ledger, err := os.OpenFile(os.Getenv("MEMBER_LEDGER"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		log.Error("ledger", "error", err)
		return 1
	}
	cfg := kafkasrc.Config{
		Brokers: strings.Split(brokers, ","), Topic: os.Getenv("MEMBER_TOPIC"), Group: os.Getenv("MEMBER_GROUP"),
		GroupProtocol: os.Getenv("MEMBER_PROTOCOL"), NoBulk: true, InFlight: 32, Logger: log,
		Librdkafka: map[string]any{"topic.metadata.refresh.interval.ms": 1000, "max.poll.interval.ms": 30000},
		Submitter: submitFunc(func(_ context.Context, t voicetask.Task) error {
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			_, err := ledger.WriteString(t.ID + "\n")
			return err
		}),
	}
	if cfg.GroupProtocol == "classic" {
		cfg.Librdkafka["session.timeout.ms"], cfg.Librdkafka["heartbeat.interval.ms"] = 6000, 500
		cfg.Librdkafka["partition.assignment.strategy"] = os.Getenv("MEMBER_STRATEGY")
	}
	consumer, err := kafkasrc.NewConsumer(cfg)
	if err != nil {
		log.Error("config", "error", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := consumer.Run(ctx); err != nil {
		log.Error("run", "error", err)
		return 1
	}
	return 0
}

// A member is a consumer in a process of its own.
type member struct {
	cmd  *exec.Cmd
	log  *logBuffer
	done chan error
}

// crew starts members of one group, which write into one folder.
type crew struct {
	w                  *world
	dir                string
	protocol, strategy string
}

func (c *crew) join(t *testing.T) *member {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := &member{cmd: exec.Command(self), log: &logBuffer{}, done: make(chan error, 1)}
	m.cmd.Env = append(os.Environ(), envMember+"="+strings.Join(c.w.FlakyAddrs(), ","), "MEMBER_TOPIC="+c.w.topic, "MEMBER_GROUP="+c.w.group,
		"MEMBER_PROTOCOL="+c.protocol, "MEMBER_STRATEGY="+c.strategy, "MEMBER_LEDGER="+filepath.Join(c.dir, "accepted"))
	m.cmd.Stderr = m.log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { m.done <- m.cmd.Wait() }()
	t.Cleanup(func() { _ = m.cmd.Process.Kill() }) // it has ended, mostly
	eventually(t, "the new member has partitions", func() bool { return strings.Contains(m.log.String(), "partitions assigned") })
	return m
}

func (m *member) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := m.cmd.Process.Signal(sig); err != nil {
		t.Errorf("%v: %v", sig, err)
	}
}

// end sends sig and waits for the process.
func (m *member) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	m.signal(t, sig)
	select {
	case err := <-m.done:
		if sig == syscall.SIGTERM && err != nil {
			t.Logf("a member that left: %v\n%s", err, m.log.String())
		}
	case <-time.After(patience):
		t.Errorf("a member does not end after %v\n%s", sig, m.log.String())
	}
}

// accepted counts the lines of the ledger by task.
func (c *crew) accepted(t *testing.T) map[string]int {
	t.Helper()
	f, err := os.Open(filepath.Join(c.dir, "accepted"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		out[lines.Text()]++
	}
	return out
}
