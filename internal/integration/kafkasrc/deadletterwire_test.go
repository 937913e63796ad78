package kafkasrc_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
)

// TestDeadLetterOnTheWire reads dead letters with another client: each byte of key, value and
// headers is as it was, null is not empty, and what is added is what the documentation lists,
// Kafka Connect's names included where they were asked for.
func TestDeadLetterOnTheWire(t *testing.T) {
	for _, connect := range []bool{false, true} {
		t.Run(fmt.Sprintf("connect_%t", connect), func(t *testing.T) {
			w := broker(t)
			own := []kgo.RecordHeader{
				{Key: "twice", Value: []byte("1")}, {Key: "twice", Value: []byte("2")}, {Key: "null"}, {Key: "empty", Value: []byte{}},
				{Key: "bytes", Value: []byte("\x00\xff\xfe\r\n")}, {Key: "name \xff", Value: []byte("x")}, {Key: kafkasrc.HeaderTopic, Value: []byte("its own")},
			}
			when := time.UnixMilli(1700000000123)
			records := []*kgo.Record{
				{Key: nil, Value: []byte("\x80binary\x00\xff")},
				{Key: []byte{}, Value: []byte("{"), Headers: own},
				{Key: []byte("\x00\xff key"), Value: []byte{}, Headers: own},
				{Key: []byte("k"), Value: nil, Headers: slices.Repeat(own, 20)},
			}
			for _, r := range records {
				r.Topic, r.Partition, r.Timestamp = w.topic, 1, when
			}
			produce(t, w, records...)
			cfg := config(w, &submitter{})
			cfg.ConnectHeaders = connect
			r := start(t, cfg)
			eventually(t, "buried", func() bool { return r.Stats().DeadLettered == int64(len(records)) })
			r.mustStop(t)
			letters := readAll(t, w, w.dlqTopic)
			if len(letters) != len(records) {
				t.Fatalf("%d dead letters, want %d", len(letters), len(records))
			}
			for _, l := range letters {
				wantOnTheWire(t, w, l, records, connect)
			}
		})
	}
}

func wantOnTheWire(t *testing.T, w *world, l *kgo.Record, records []*kgo.Record, connect bool) {
	t.Helper()
	i := slices.IndexFunc(records, func(r *kgo.Record) bool { return sameBytes(r.Key, l.Key) && sameBytes(r.Value, l.Value) })
	if i < 0 {
		t.Errorf("no record has key %q and value %q", l.Key, l.Value)
		return
	}
	r := records[i]
	n := len(r.Headers)
	if len(l.Headers) < n || !slices.EqualFunc(l.Headers[:n], r.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && sameBytes(a.Value, b.Value) }) {
		t.Errorf("record %d: its own headers are %q, want %q", i, l.Headers, r.Headers)
		return
	}
	class := "decode" // empty, or null
	stage := "VALUE_CONVERTER"
	if len(r.Value) > 0 {
		class, stage = "invalid_task", "TASK_PUT"
	}
	added := l.Headers[n:]
	get := func(key string) string {
		for _, h := range added {
			if h.Key == key {
				return string(h.Value)
			}
		}
		return ""
	}
	reason := get(kafkasrc.HeaderMessage)
	want := [][2]string{
		{kafkasrc.HeaderTopic, w.topic}, {kafkasrc.HeaderPartition, "1"}, {kafkasrc.HeaderOffset, fmt.Sprint(r.Offset)},
		{kafkasrc.HeaderTime, "2023-11-14T22:13:20.123Z"}, {kafkasrc.HeaderGroup, w.group},
		{kafkasrc.HeaderClass, class}, {kafkasrc.HeaderMessage, reason}, {kafkasrc.HeaderAttempts, "1"},
	}
	if connect {
		const c = "__connect.errors."
		want = append(want, [][2]string{
			{c + "topic", w.topic}, {c + "partition", "1"}, {c + "offset", fmt.Sprint(r.Offset)}, {c + "connector.name", w.group}, {c + "task.id", "0"},
			{c + "stage", stage}, {c + "exception.class.name", class}, {c + "exception.message", reason},
		}...)
	}
	if reason == "" || !slices.EqualFunc(added, want, func(h kgo.RecordHeader, w [2]string) bool { return h.Key == w[0] && string(h.Value) == w[1] }) {
		t.Errorf("record %d: added headers %q, want %q", i, added, want)
	}
}
