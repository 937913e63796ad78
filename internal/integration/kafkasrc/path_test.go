package kafkasrc_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
)

// broken are records that can never be tasks, with the class of their dead letter.
func broken() map[string]*kgo.Record {
	event := []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
	return map[string]*kgo.Record{
		"invalid_task/not json":   {Value: []byte("nonsense \xff\xfe\x00")},
		"invalid_task/truncated":  {Value: value("x")[:40]},
		"invalid_task/no task_id": {Value: []byte(`{"agent_id":"a","data":{}}`)},
		"invalid_task/slash":      {Value: value("a/b")},
		"invalid_task/data":       {Value: []byte(`{"task_id":"t","agent_id":"a","data":[]}`)},
		"invalid_task/event":      {Value: []byte(`{"specversion":"1.0","id":"e","data":{"agent_id":"a"}}`), Headers: event},
		"decode/tombstone":        {Key: []byte("k"), Value: nil},
		"decode/empty":            {Value: []byte{}},
		"decode/framing":          {Value: append([]byte{0, 0, 0, 0, 7}, value("x")...)},
		"decode/event":            {Value: []byte(`{"specversion":"1.0","id":"e"}`), Headers: event},
		"too_large/2 MiB":         {Value: bytes.Repeat([]byte(" "), 2<<20)},
		"too_large/10 MiB":        {Value: bytes.Repeat([]byte(" "), 10<<20)},
	}
}

// TestPath sends valid, repeated and broken records through both lanes.
func TestPath(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			c := broker(t)
			valid := c.tasks("main", 400)
			records := slices.Concat(valid, c.tasks("main", 20)) // some twice
			for i, r := range c.tasks("bulk", 100) {
				r.Topic, r.Partition = c.bulkTopic, int32(i%bulkPartitions)
				records, valid = append(records, r), append(valid, r)
			}
			classes := map[string]string{} // of the dead letter, by the header "name"
			for _, name := range []string{c.topic, c.bulkTopic} {
				for class, r := range broken() {
					id := name + "/" + class
					r.Topic, r.Partition = name, int32(len(classes)%bulkPartitions)
					r.Timestamp = time.UnixMilli(1700000000000 + int64(len(classes)))
					r.Headers = append(r.Headers,
						kgo.RecordHeader{Key: "name", Value: []byte(id)},
						kgo.RecordHeader{Key: "traceparent", Value: []byte("00-1-2-01")},
						kgo.RecordHeader{Key: "null"}, kgo.RecordHeader{Key: "empty", Value: []byte{}},
						kgo.RecordHeader{Key: "bytes", Value: []byte("\x00\xff\r\n")}, kgo.RecordHeader{Key: "bytes", Value: []byte("again")},
						kgo.RecordHeader{Key: kafkasrc.HeaderClass, Value: []byte("the record's own")})
					classes[id] = class
					records = slices.Insert(records, len(records)/3, r)
				}
			}
			produce(t, c, records...)

			s := &submitter{}
			cfg := config(c, s)
			cfg.GroupProtocol = protocol
			r := start(t, cfg)
			eventually(t, "everything is settled", func() bool {
				st := r.Stats()
				return st.Submitted+st.DeadLettered >= int64(len(records)) && st.InFlight == 0
			})
			eventually(t, "ready, without lag", func() bool { st := r.Stats(); return st.Ready && st.Lag == 0 })
			r.mustStop(t)

			st := r.Stats()
			if st.Ready || st.Received != int64(len(records)) || st.DeadLettered != int64(len(classes)) || st.Submitted != int64(len(records)-len(classes)) {
				t.Errorf("Stats after %d records, %d broken: %+v", len(records), len(classes), st)
			}
			s.wantAccepted(t, ids(valid))
			if s.total() != len(valid) {
				t.Errorf("%d different tasks accepted, want %d", s.total(), len(valid))
			}
			wantCommitted(t, c, c.group, c.topic)
			wantCommitted(t, c, c.bulkGroup, c.bulkTopic)
			wantDeadLetters(t, c, readAll(t, c, c.dlqTopic), records, classes)
			if err := r.Run(t.Context()); err != kafkasrc.ErrAlreadyRun {
				t.Errorf("second Run: %v", err)
			}
		})
	}
}

// wantDeadLetters wants exactly one byte-equal dead letter for each broken record.
func wantDeadLetters(t *testing.T, c *world, letters, records []*kgo.Record, classes map[string]string) {
	t.Helper()
	origin := map[string]*kgo.Record{}
	for _, r := range records {
		if name, ok := headers(r)["name"]; ok {
			origin[name] = r
		}
	}
	if len(letters) != len(classes) || len(origin) != len(classes) {
		t.Errorf("%d dead letters of %d broken records, want %d", len(letters), len(origin), len(classes))
	}
	for _, l := range letters {
		h := headers(l)
		r := origin[h["name"]]
		if r == nil {
			t.Errorf("a dead letter of nothing, or a second one: %v", h)
			continue
		}
		delete(origin, h["name"])
		if !sameBytes(l.Key, r.Key) || !sameBytes(l.Value, r.Value) {
			t.Errorf("%s: key or value differ", h["name"])
		}
		own := l.Headers[:min(len(l.Headers), len(r.Headers))]
		if !slices.EqualFunc(own, r.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && sameBytes(a.Value, b.Value) }) {
			t.Errorf("%s: its own headers differ: %q, want %q", h["name"], own, r.Headers)
		}
		wantGroup := c.group
		if r.Topic == c.bulkTopic {
			wantGroup = c.bulkGroup
		}
		class, _, _ := bytes.Cut([]byte(classes[h["name"]]), []byte("/"))
		for key, want := range map[string]string{
			kafkasrc.HeaderTopic: r.Topic, kafkasrc.HeaderPartition: strconv.Itoa(int(r.Partition)), kafkasrc.HeaderOffset: fmt.Sprint(r.Offset),
			kafkasrc.HeaderTime: r.Timestamp.UTC().Format(time.RFC3339Nano), kafkasrc.HeaderGroup: wantGroup,
			kafkasrc.HeaderClass: string(class), kafkasrc.HeaderAttempts: "1",
		} {
			if h[key] != want {
				t.Errorf("%s: header %s = %q, want %q", h["name"], key, h[key], want)
			}
		}
		if h[kafkasrc.HeaderMessage] == "" {
			t.Errorf("%s: no reason", h["name"])
		}
		if added := len(l.Headers) - len(r.Headers); added != 8 {
			t.Errorf("%s: %d headers added", h["name"], added)
		}
	}
	for name := range origin {
		t.Errorf("no dead letter of %s", name)
	}
}

// sameBytes also tells null from empty.
func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
