package kafkasrc_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/superservices/voice/kafkasrc"
)

// TestDeadLetterRefused has the brokers refuse a dead letter for a while, since the topic takes none
// of its size: the watermark stays below the broken record, everything else goes on.
func TestDeadLetterRefused(t *testing.T) {
	c := emptyBroker(t)
	c.createTopic(t, c.topic, mainPartitions, nil)
	c.createTopic(t, c.dlqTopic, dlqPartitions, map[string]string{"max.message.bytes": "2000"})
	const bad = 20
	nonsense := strings.Repeat("nonsense", 1000)
	var records []*kgo.Record
	for i := range 60 {
		r := c.task(fmt.Sprintf("t-%d", i), 0)
		if i == bad {
			r.Value = []byte(nonsense)
		}
		records = append(records, r)
	}
	produce(t, c, records...)
	s := &submitter{}
	var log logBuffer
	cfg := config(c, s)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := start(t, cfg)
	eventually(t, "the others are submitted", func() bool { return s.total() == len(records)-1 })
	eventually(t, "it is said that the dead letter is refused", func() bool { return strings.Contains(log.String(), "dead letters cannot be written") })
	eventually(t, "committed as far as may be", func() bool { return committed(c, c.group, c.topic, 0) == bad })
	eventually(t, "the lag is known", func() bool { return r.Stats().Lag == int64(len(records)-bad) })
	always(t, "the watermark stays", 1500*time.Millisecond, func() bool { // longer than a commit takes
		st := r.Stats()
		return committed(c, c.group, c.topic, 0) <= bad && st.DeadLettered == 0 && st.InFlight == 1
	})
	raise := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: kadm.StringPtr("100000")}}
	if _, err := c.Admin().AlterTopicConfigs(t.Context(), raise, c.dlqTopic); err != nil {
		t.Fatal(err)
	}
	eventually(t, "dead letter written", func() bool { return r.Stats().DeadLettered == 1 })
	r.mustStop(t)
	wantCommitted(t, c, c.group, c.topic)
	if letters := readAll(t, c, c.dlqTopic); len(letters) != 1 || string(letters[0].Value) != nonsense {
		t.Errorf("%d dead letters", len(letters))
	}
}

// TestInjectedDeadLetterStuckAtStop stops while a dead letter cannot be written: the record comes
// again, and has exactly one dead letter in the end.
func TestInjectedDeadLetterStuckAtStop(t *testing.T) {
	c := injectable(t)
	produce(t, c, c.task("before", 0), &kgo.Record{Topic: c.topic, Value: []byte("nonsense")}, c.task("behind", 0))
	fault := c.fake(t).Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.dlqTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	s := &submitter{}
	cfg := config(c, s)
	r := start(t, cfg)
	eventually(t, "refused", func() bool { return s.total() == 2 && fault.Hits() > 0 })
	r.mustStop(t) // the record was waiting for another try: nothing was cut off
	if got := committedNow(t, c, c.group)[c.topic][0].At; got != 1 {
		t.Errorf("committed %d, want 1", got)
	}
	fault.Remove()
	r = start(t, config(c, s))
	eventually(t, "dead letter written", func() bool { return r.Stats().DeadLettered == 1 && r.Stats().Submitted == 1 })
	r.mustStop(t)
	wantCommitted(t, c, c.group, c.topic)
	if n := len(readAll(t, c, c.dlqTopic)); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

// TestInjectedDeadLetterAnswerLost has the broker append a dead letter and answer with an error: the
// idempotent producer sends it again without making a second one.
func TestInjectedDeadLetterAnswerLost(t *testing.T) {
	c := injectable(t)
	produce(t, c, &kgo.Record{Topic: c.topic, Value: []byte("nonsense")})
	fault := c.fake(t).Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.dlqTopic, Err: kerr.NotEnoughReplicasAfterAppend, Count: 3})
	r := start(t, config(c, &submitter{}))
	eventually(t, "dead letter written", func() bool { return r.Stats().DeadLettered == 1 })
	r.mustStop(t)
	if fault.Hits() != 3 {
		t.Errorf("the fault hit %d times", fault.Hits())
	}
	if n := len(readAll(t, c, c.dlqTopic)); n != 1 {
		t.Errorf("%d dead letters", n)
	}
	wantCommitted(t, c, c.group, c.topic)
}

// TestReplay puts dead letters back, once.
func TestReplay(t *testing.T) {
	c := broker(t)
	var records []*kgo.Record
	for i := range 40 {
		records = append(records, &kgo.Record{
			Topic: c.topic, Partition: int32(i % mainPartitions), Key: fmt.Appendf(nil, "key-%d", i),
			Value:   fmt.Appendf(nil, `{"agent_id":"a","data":{"n":%d}}`, i), // without a task_id
			Headers: []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, i)}, {Key: kafkasrc.HeaderClass, Value: []byte("own")}},
		})
	}
	records[7].Value = nil
	produce(t, c, records...)
	r := start(t, config(c, &submitter{}))
	eventually(t, "buried", func() bool { return r.Stats().DeadLettered == int64(len(records)) })
	r.mustStop(t)
	// One that no consumer wrote.
	produce(t, c, &kgo.Record{Topic: c.dlqTopic, Partition: 1, Value: []byte("stranger")})

	replay := func(cfg kafkasrc.ReplayConfig) (int, int) {
		t.Helper()
		cfg.Brokers, cfg.DeadLetterTopic = c.Addrs(), c.dlqTopic
		replayed, skipped, err := kafkasrc.Replay(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return replayed, skipped
	}
	if n, skipped := replay(kafkasrc.ReplayConfig{DryRun: true}); n != len(records) || skipped != 1 {
		t.Fatalf("dry run: %d replayed, %d skipped", n, skipped)
	}
	if n := len(readAll(t, c, c.topic)); n != len(records) {
		t.Fatalf("the dry run wrote something: %d records", n)
	}
	cfg := kafkasrc.ReplayConfig{
		Keep: func(m kafkasrc.Message) bool {
			if m.Topic != c.dlqTopic {
				t.Errorf("Keep saw topic %q", m.Topic)
			}
			return m.Value != nil
		},
		Edit: func(m kafkasrc.Message) kafkasrc.Message {
			if string(m.Key) == "key-3" {
				m.Value = value("mended")
			}
			return m
		},
	}
	if n, skipped := replay(cfg); n != len(records)-1 || skipped != 2 {
		t.Fatalf("%d replayed, %d skipped", n, skipped)
	}
	for i := range 2 {
		if n, skipped := replay(cfg); n != 0 || skipped != 0 {
			t.Fatalf("run %d after it: %d replayed, %d skipped", i+2, n, skipped)
		}
	}
	back := readAll(t, c, c.topic)
	if len(back) != 2*len(records)-1 {
		t.Fatalf("%d records on the topic, want %d", len(back), 2*len(records)-1)
	}
	seen := map[string]int{}
	for _, b := range back {
		seen[string(b.Key)]++
		var i int
		if _, err := fmt.Sscanf(string(b.Key), "key-%d", &i); err != nil {
			t.Fatal(err)
		}
		want := records[i]
		mended := i == 3 && string(b.Value) == string(value("mended"))
		if !mended && !sameBytes(b.Value, want.Value) || len(b.Headers) != 2 || b.Headers[0].Key != "h" || string(b.Headers[1].Value) != "own" {
			t.Errorf("%s came back as %q with %v", b.Key, b.Value, b.Headers)
		}
	}
	for i := range records {
		want := 2
		if i == 7 {
			want = 1
		}
		if n := seen[fmt.Sprintf("key-%d", i)]; n != want {
			t.Errorf("key-%d is there %d times", i, n)
		}
	}

	// What is buried again is a new dead letter: it is replayed once more.
	s := &submitter{}
	r = start(t, config(c, s))
	eventually(t, "buried again, one mended", func() bool { return r.Stats().DeadLettered == int64(len(records)-2) && s.count("mended") == 1 })
	r.mustStop(t)
	if n, _ := replay(cfg); n != len(records)-2 {
		t.Errorf("%d replayed", n)
	}
}

// TestInjectedReplayCommitRefused has the brokers refuse the first commits of what was replayed: they are
// made again, since they are what keeps a second run from writing.
func TestInjectedReplayCommitRefused(t *testing.T) {
	c := injectable(t)
	for i := range 10 {
		produce(t, c, &kgo.Record{Topic: c.topic, Value: fmt.Appendf(nil, "nonsense %d", i)})
	}
	r := start(t, config(c, &submitter{}))
	eventually(t, "buried", func() bool { return r.Stats().DeadLettered == 10 })
	r.mustStop(t)
	fault := c.fake(t).Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: c.dlqTopic + "_replay", Err: kerr.UnknownMemberID, Count: 2})
	cfg := kafkasrc.ReplayConfig{Brokers: c.Addrs(), DeadLetterTopic: c.dlqTopic}
	if n, _, err := kafkasrc.Replay(t.Context(), cfg); err != nil || n != 10 {
		t.Errorf("%d replayed, error %v", n, err)
	}
	if fault.Hits() != 2 {
		t.Errorf("the fault hit %d times", fault.Hits())
	}
	if n, _, err := kafkasrc.Replay(t.Context(), cfg); err != nil || n != 0 {
		t.Errorf("the second run: %d replayed, error %v", n, err)
	}
}

// TestInjectedReplayRefused has the brokers refuse what Replay writes: nothing counts, and the next run
// does it.
func TestInjectedReplayRefused(t *testing.T) {
	c := injectable(t)
	for i := range 10 {
		produce(t, c, &kgo.Record{Topic: c.topic, Value: fmt.Appendf(nil, "nonsense %d", i)})
	}
	r := start(t, config(c, &submitter{}))
	eventually(t, "buried", func() bool { return r.Stats().DeadLettered == 10 })
	r.mustStop(t)
	fault := c.fake(t).Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	cfg := kafkasrc.ReplayConfig{Brokers: c.Addrs(), DeadLetterTopic: c.dlqTopic}
	if n, _, err := kafkasrc.Replay(t.Context(), cfg); err == nil || n != 0 {
		t.Errorf("%d replayed, error %v", n, err)
	}
	fault.Remove()
	if n, _, err := kafkasrc.Replay(t.Context(), cfg); err != nil || n != 10 {
		t.Errorf("%d replayed, error %v", n, err)
	}
	cfg.DeadLetterTopic = "no_such_topic"
	if _, _, err := kafkasrc.Replay(t.Context(), cfg); err == nil {
		t.Error("a topic that does not exist is no error")
	}
}
