package kafkasrc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// TestMissingTopics starts before there are topics: it waits and says so once.
func TestMissingTopics(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := emptyBroker(t)
			var log logBuffer
			s := &submitter{}
			cfg := config(c, s)
			cfg.GroupProtocol = protocol
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			r := start(t, cfg)
			said := func() int { return strings.Count(log.String(), "does not exist yet") }
			if protocol == "classic" { // with the other one the client says nothing
				eventually(t, "it is said of two topics", func() bool { return said() == 2 })
			}
			before := said()
			always(t, "not ready, and quiet", 2*time.Second, func() bool { return !r.Stats().Ready && said() == before }) // six refreshes
			createTopics(t, c)
			records := c.tasks("m", 50)
			produce(t, c, records...)
			eventually(t, "all accepted", func() bool { return s.total() == len(records) })
			r.mustStop(t)
			wantCommitted(t, c, c.group, c.topic)
		})
	}
}

// TestDeafSubmitter stops while a Submit heeds nothing: Run gives up on it in time and says so.
func TestDeafSubmitter(t *testing.T) {
	c := broker(t)
	produce(t, c, c.tasks("d", 3)...)
	release := make(chan struct{})
	s := &submitter{fail: func(context.Context, string, int) error { <-release; return nil }}
	cfg := config(c, s)
	cfg.DrainTimeout = 300 * time.Millisecond
	r := start(t, cfg)
	eventually(t, "in hand", func() bool { return r.Stats().InFlight == 3 })
	began := time.Now()
	if err := r.stop(t); err == nil || !strings.Contains(err.Error(), "3 records") {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took > patience/3 {
		t.Errorf("Run took %v to give up", took)
	}
	if n := committedSum(c, c.group, c.topic); n != 0 {
		t.Errorf("%d committed", n)
	}
	close(release)
	eventually(t, "the Submits end", func() bool { return r.Stats().InFlight == 0 })
}

// TestBrokersGone takes the brokers away, and stops.
func TestBrokersGone(t *testing.T) {
	c := ownBroker(t, 1)
	createTopics(t, c)
	records := c.tasks("g", 40)
	produce(t, c, records...)
	s := &submitter{}
	cfg := config(c, s)
	cfg.DrainTimeout = time.Second
	// For so long the client goes on trying to commit. It has to be longer than what comes before the stop:
	// then it would have lost its partitions, and have nothing to commit.
	cfg.Librdkafka["session.timeout.ms"] = 20000
	cfg.Librdkafka["auto.commit.interval.ms"] = 600000 // not before the stop
	var log logBuffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := start(t, cfg)
	eventually(t, "all accepted", func() bool { return s.total() == len(records) })
	c.Close()
	said := func() int { return strings.Count(log.String(), "cannot be reached") }
	eventually(t, "both lanes miss the brokers", func() bool { return said() == 2 })
	always(t, "said once", 2*time.Second, func() bool { return said() == 2 })
	began := time.Now()
	err := r.stop(t)
	took := time.Since(began)
	if err == nil || !strings.Contains(err.Error(), "come again") || took > patience/3 {
		t.Errorf("Run took %v and returned %v, want a complaint after 5 s", took, err)
	}
	eventually(t, "the client has closed by itself", func() bool { return !clientRuns() })
}

// TestFallback has the Submitter fail for long: the other takes over, and gives back.
func TestFallback(t *testing.T) {
	c := broker(t)
	var down atomic.Bool
	down.Store(true)
	primary := &submitter{fail: func(context.Context, string, int) error {
		if down.Load() {
			return errDown
		}
		return nil
	}}
	fallback := &submitter{}
	cfg := config(c, primary)
	cfg.Fallback, cfg.FallbackAfter = fallback, 2*time.Second
	began := time.Now()
	r := start(t, cfg)
	first := c.tasks("one", 100)
	produce(t, c, first...)
	eventually(t, "the fallback has them", func() bool { return fallback.total() == len(first) })
	if took := time.Since(began); took < 2*time.Second || !r.Stats().FallbackActive {
		t.Errorf("after %v: %+v", took, r.Stats())
	}
	down.Store(false)
	until := time.Now().Add(patience)
	for n := 0; r.Stats().FallbackActive; n++ { // every few seconds a task probes
		sent, before := c.tasks(fmt.Sprintf("probe-%d", n), 1), fallback.total()+primary.total()
		produce(t, c, sent...)
		eventually(t, "the probe is accepted", func() bool { return fallback.total()+primary.total() > before })
		if time.Now().After(until) {
			t.Fatal("the fallback does not give back")
		}
	}
	second, before := c.tasks("two", 100), primary.total()
	produce(t, c, second...)
	eventually(t, "the primary has them", func() bool { return primary.total() == before+len(second) })
	r.mustStop(t)
	wantCommitted(t, c, c.group, c.topic)
}

// TestQuietLogs looks for values, keys and settings in logs and headers.
func TestQuietLogs(t *testing.T) {
	c := broker(t)
	canaries := []string{"4930123456", "canary-name", "canary-key", "canary-header", "canary-password", "\u0664\u0669\u0663\u0660\u0661"}
	record := func(value string) *kgo.Record {
		return &kgo.Record{
			Topic: c.topic, Key: []byte("canary-key"), Value: []byte(value),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("canary-header")}, {Key: "ce_id", Value: []byte("canary-header/")}},
		}
	}
	produce(t, c, record(`{"task_id":1,"data":"canary-name"}`), record(`"canary-name +4930123456"`), record("canary-name \x00"),
		record(`{"agent_id":"a","data":{"contact_number":"+4930123456","contact_name":"canary-name"}}`),
		record(`{"task_id":"t1","agent_id":"a","data":{"contact_number":"+4930123456","contact_name":"canary-name"}}`),
		record(`{"task_id":"t2","agent_id":"a","data":{"contact_number":"+4930123456","contact_name":"canary-name"}}`))
	var log logBuffer
	var nth atomic.Int32
	cfg := config(c, submitFunc(func(_ context.Context, task voicetask.Task) error {
		err := errors.New(`cannot reach "canary-name" at +4930123456 (٤٩٣٠١)` + "\r\nlevel=ERROR msg=forged")
		if nth.Add(1) < 4 {
			return err
		}
		return errors.Join(voicetask.ErrInvalidTask, err)
	}))
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Librdkafka["sasl.password"] = "canary-password"
	r := start(t, cfg)
	eventually(t, "all buried", func() bool { return r.Stats().DeadLettered == 6 })
	r.mustStop(t)
	if _, err := kafkasrc.NewConsumer(func() kafkasrc.Config {
		cfg := cfg
		cfg.Librdkafka = map[string]any{"ssl.key.pem": "canary-password", "security.protocol": "ssl"}
		return cfg
	}()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a wrong key: %v", err)
	}
	text := log.String()
	if !strings.Contains(text, "dead letter") {
		t.Fatalf("the log says nothing:\n%s", text)
	}
	for _, l := range readAll(t, c, c.dlqTopic) {
		for _, h := range l.Headers {
			if strings.HasPrefix(h.Key, "dlq.") {
				text += h.Key + "=" + string(h.Value) + "\n"
				if bytes.ContainsAny(h.Value, "\r\n\x00") || len(h.Value) > 1024 {
					t.Errorf("header %s = %q", h.Key, h.Value)
				}
			}
		}
	}
	for _, canary := range canaries {
		if strings.Contains(text, canary) {
			t.Errorf("%s is in logs or headers:\n%s", canary, text)
		}
	}
}

// clientRuns looks for goroutines of kafkasrc's clients.
func clientRuns() bool {
	b := make([]byte, 1<<20)
	return bytes.Contains(b[:runtime.Stack(b, true)], []byte("kafkasrc.openReader"))
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
