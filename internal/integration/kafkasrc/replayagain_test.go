package kafkasrc_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/superservices/voice/kafkasrc"
)

// TestInjectedReplayInterruptedAgain interrupts one replay after another behind the writes of a batch,
// before they count, while dead letters go on coming: what the first has written is not written
// again by the third, which has only the second's word of it.
func TestInjectedReplayInterruptedAgain(t *testing.T) {
	const each, interruptions = 30, 3
	w := injectable(t)
	cfg := kafkasrc.ReplayConfig{Brokers: w.Addrs(), DeadLetterTopic: w.dlqTopic}
	written := 0
	for i := range interruptions {
		buryMore(t, w, i*each, each)
		ctx, interrupt := context.WithCancel(t.Context())
		refused := w.fake(t).Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: w.dlqTopic + "_replay", Err: kerr.UnknownMemberID, Count: -1,
			When: func(r kmsg.Request) bool {
				dealtWith := !hasNote(r.(*kmsg.OffsetCommitRequest))
				if dealtWith {
					interrupt()
				}
				return dealtWith
			},
		})
		before := w.total(t, w.topic)
		n, _, err := kafkasrc.Replay(ctx, cfg)
		interrupt()
		if err == nil || refused.Hits() == 0 {
			t.Fatalf("replay %d was not interrupted: %d, %v", i+1, n, err)
		}
		refused.Remove()
		written += int(w.total(t, w.topic) - before)
	}
	if written == 0 {
		t.Fatal("no replay has written anything")
	}
	if _, _, err := kafkasrc.Replay(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n, _, err := kafkasrc.Replay(t.Context(), cfg); err != nil || n != 0 {
		t.Errorf("one more: %d replayed, %v", n, err)
	}
	seen := map[string]int{}
	for _, r := range readAll(t, w, w.topic) {
		seen[string(r.Value)]++
	}
	wrong := 0
	for i := range interruptions * each {
		if seen[fmt.Sprintf("nonsense %d", i)] != 2 { // when it came, and replayed
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("of %d records %d are not there exactly once more", interruptions*each, wrong)
	}
}

// buryMore makes n dead letters, spread over the partitions of the dead-letter topic.
func buryMore(t *testing.T, w *world, from, n int) {
	t.Helper()
	for i := range n {
		produce(t, w, &kgo.Record{Topic: w.dlqTopic, Partition: int32(i % dlqPartitions), Value: fmt.Appendf(nil, "nonsense %d", from+i), Headers: []kgo.RecordHeader{
			{Key: kafkasrc.HeaderTopic, Value: []byte(w.topic)}, {Key: kafkasrc.HeaderClass, Value: []byte("decode")},
		}})
		produce(t, w, &kgo.Record{Topic: w.topic, Value: fmt.Appendf(nil, "nonsense %d", from+i)})
	}
}

// hasNote reports whether a commit has a note beside an offset: then a batch is about to be written.
func hasNote(r *kmsg.OffsetCommitRequest) bool {
	for _, topic := range r.Topics {
		for _, p := range topic.Partitions {
			if p.Metadata != nil && *p.Metadata != "" {
				return true
			}
		}
	}
	return false
}
