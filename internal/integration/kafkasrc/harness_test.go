package kafkasrc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// A submitter counts what it accepts; fail may refuse or delay.
type submitter struct {
	fail func(ctx context.Context, id string, nth int) error

	mu       sync.Mutex
	accepted map[string]int
	tried    map[string]int
}

func (s *submitter) Submit(ctx context.Context, t voicetask.Task) error {
	s.mu.Lock()
	if s.accepted == nil {
		s.accepted, s.tried = map[string]int{}, map[string]int{}
	}
	s.tried[t.ID]++
	nth := s.tried[t.ID]
	s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(ctx, t.ID, nth); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted[t.ID]++
	return nil
}

func (s *submitter) count(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted[id]
}

func (s *submitter) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.accepted)
}

// running is a consumer whose Run is in progress.
type running struct {
	*kafkasrc.Consumer
	cancel context.CancelFunc
	done   chan error
}

func config(c *world, s voicetask.Submitter) kafkasrc.Config {
	return kafkasrc.Config{
		Brokers:    c.Addrs(),
		Topic:      c.topic,
		Group:      c.group,
		Submitter:  s,
		Librdkafka: map[string]any{"topic.metadata.refresh.interval.ms": 300},
		// Also what the client gets to leave the group: a busy machine is no unclean stop.
		DrainTimeout: patience / 3,
	}
}

func start(t *testing.T, cfg kafkasrc.Config) *running {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	c, err := kafkasrc.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Consumer: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	t.Cleanup(func() { r.cancel(); <-r.done })
	return r
}

// stop cancels Run and returns what it returned.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		r.done <- nil // for the cleanup
		return err
	case <-time.After(patience):
		t.Fatal("Run does not return")
		return nil
	}
}

func (r *running) mustStop(t *testing.T) {
	t.Helper()
	if err := r.stop(t); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

// logWriter is a test's log.
type logWriter struct{ t *testing.T }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// patience is how long tests wait for what has to happen: long, since a busy machine is no failure.
const patience = 90 * time.Second

// eventually waits for ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

// within waits for ok, but no longer than limit.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}

// always fails unless ok holds for a while.
func always(t *testing.T, what string, while time.Duration, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(while); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if !ok() {
			t.Errorf("no longer: %s", what)
			return
		}
	}
}

func value(id string) []byte {
	return fmt.Appendf(nil, `{"task_id":%q,"agent_id":"a","data":{"contact_number":"+4930123456","n":12345678901234567890},"host_key":[1]}`, id)
}

func (w *world) task(id string, partition int32) *kgo.Record {
	return &kgo.Record{Topic: w.topic, Partition: partition, Key: []byte(id), Value: value(id)}
}

// tasks are n valid records, spread over the main topic's partitions.
func (w *world) tasks(prefix string, n int) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for i := range out {
		out[i] = w.task(fmt.Sprintf("%s-%05d", prefix, i), int32(i%mainPartitions))
	}
	return out
}

// ids of the tasks in records made by tasks.
func ids(records []*kgo.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r.Key)
	}
	return out
}

// wantAccepted fails for each id that was not accepted at least once.
func (s *submitter) wantAccepted(t *testing.T, ids []string) {
	t.Helper()
	if len(ids) == 0 {
		t.Fatal("the test has nothing that could be lost")
	}
	lost := 0
	for _, id := range ids {
		if s.count(id) == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d tasks lost", lost, len(ids))
	}
}

func headers(r *kgo.Record) map[string]string {
	out := map[string]string{}
	for _, h := range r.Headers {
		out[h.Key] = string(h.Value)
	}
	return out
}

var errDown = errors.New("the engine is down")

// A feed produces tasks all the while.
type feed struct {
	quit chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	written []*kgo.Record
}

// feedTasks writes a chunk of tasks to the main topic again and again, until end is called.
func feedTasks(t *testing.T, c *world, chunk int, every time.Duration) *feed {
	t.Helper()
	f := &feed{quit: make(chan struct{})}
	cl := client(t, c)
	f.done.Go(func() {
		for n := 0; ; n++ {
			records := c.tasks(fmt.Sprintf("f%d", n), chunk)
			if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				t.Errorf("producing: %v", err)
				return
			}
			f.mu.Lock()
			f.written = append(f.written, records...)
			f.mu.Unlock()
			select {
			case <-f.quit:
				return
			case <-time.After(every):
			}
		}
	})
	t.Cleanup(func() { f.end() })
	return f
}

func (f *feed) records() []*kgo.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written[:len(f.written):len(f.written)]
}

// end stops it and returns everything it wrote.
func (f *feed) end() []*kgo.Record {
	select {
	case <-f.quit:
	default:
		close(f.quit)
	}
	f.done.Wait()
	return f.records()
}
