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

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

const (
	topic     = "agent_outbound_requests"
	bulkTopic = topic + "_bulk"
	dlqTopic  = topic + "_dlq"
	group     = topic + "_group"
	bulkGroup = group + "_bulk"

	mainPartitions, bulkPartitions, dlqPartitions = 4, 2, 3
)

// broker starts a cluster with the three topics.
func broker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c := emptyBroker(t, opts...)
	createTopics(t, c)
	return c
}

func emptyBroker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20971520", "group.consumer.heartbeat.interval.ms": "200"}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopics(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	for name, n := range map[string]int32{topic: mainPartitions, bulkTopic: bulkPartitions, dlqTopic: dlqPartitions} {
		if err := c.CreateTopic(name, n, map[string]string{"max.message.bytes": "20971520"}); err != nil {
			t.Fatal(err)
		}
	}
}

func client(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ListenAddrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(16 << 20),
		kgo.FetchMaxBytes(64 << 20),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce writes records as they are, and fills in their offsets.
func produce(t *testing.T, c *kfake.Cluster, records ...*kgo.Record) {
	t.Helper()
	if err := client(t, c).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// readAll reads a topic from its beginning to its present end.
func readAll(t *testing.T, c *kfake.Cluster, name string) []*kgo.Record {
	t.Helper()
	var want int64
	for _, p := range c.PartitionInfos(name) {
		want += p.HighWatermark
	}
	if want == 0 {
		return nil
	}
	cl := client(t, c, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out []*kgo.Record
	for int64(len(out)) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s: %v after %d of %d", name, err, len(out), want)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

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

func config(c *kfake.Cluster, s voicetask.Submitter) kafkasrc.Config {
	return kafkasrc.Config{
		Brokers:    c.ListenAddrs(),
		Submitter:  s,
		Librdkafka: map[string]any{"topic.metadata.refresh.interval.ms": 300},
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
	for until := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("after %v still not: %s", patience, what)
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

func task(id string, partition int32) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Key: []byte(id), Value: value(id)}
}

// tasks are n valid records, spread over the main topic's partitions.
func tasks(prefix string, n int) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for i := range out {
		out[i] = task(fmt.Sprintf("%s-%05d", prefix, i), int32(i%mainPartitions))
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

// wantCommitted fails unless the group's offsets are the ends of the topic's partitions.
func wantCommitted(t *testing.T, c *kfake.Cluster, group, name string) {
	t.Helper()
	total := int64(0)
	for _, p := range c.PartitionInfos(name) {
		total += p.HighWatermark
		if got := committed(c, group, name, p.Partition); got != p.HighWatermark && p.HighWatermark > 0 {
			t.Errorf("%s/%d: committed %d, end %d", name, p.Partition, got, p.HighWatermark)
		} else if got > 0 && c.GroupInfo(group).Commits[name][p.Partition].LeaderEpoch < 0 {
			t.Errorf("%s/%d: committed without the leader epoch", name, p.Partition)
		}
	}
	if total == 0 {
		t.Fatalf("%s is empty: nothing could be committed", name)
	}
}

func committed(c *kfake.Cluster, group, name string, partition int32) int64 {
	info := c.GroupInfo(group)
	if info == nil {
		return -1
	}
	commit, ok := info.Commits[name][partition]
	if !ok {
		return -1
	}
	return commit.Offset
}

func headers(r *kgo.Record) map[string]string {
	out := map[string]string{}
	for _, h := range r.Headers {
		out[h.Key] = string(h.Value)
	}
	return out
}

var errDown = errors.New("the engine is down")

func committedSum(c *kfake.Cluster, group, name string) int64 {
	var sum int64
	for _, p := range c.PartitionInfos(name) {
		sum += max(0, committed(c, group, name, p.Partition))
	}
	return sum
}

// A feed produces tasks all the while.
type feed struct {
	quit chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	written []*kgo.Record
}

// feedTasks writes a chunk of tasks to the main topic again and again, until end is called.
func feedTasks(t *testing.T, c *kfake.Cluster, chunk int, every time.Duration) *feed {
	t.Helper()
	f := &feed{quit: make(chan struct{})}
	cl := client(t, c)
	f.done.Go(func() {
		for n := 0; ; n++ {
			records := tasks(fmt.Sprintf("f%d", n), chunk)
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
