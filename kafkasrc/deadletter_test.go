package kafkasrc

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/superservices/voice/voicetask"
)

func TestDeadLetter(t *testing.T) {
	m := Message{
		Topic: "in", Partition: 3, Offset: 42, Key: []byte("k"), Value: []byte("v"),
		Headers: []Header{header("a", "1"), {Key: "null"}, header(HeaderClass, "own")},
		Time:    time.Date(2026, 11, 23, 7, 5, 8, 123e6, time.FixedZone("x", 3600)),
	}
	why := refuse(fmt.Errorf("%w: task_id is missing", voicetask.ErrInvalidTask))
	want := []Header{
		header("a", "1"), {Key: "null"}, header(HeaderClass, "own"),
		header(HeaderTopic, "in"), header(HeaderPartition, "3"), header(HeaderOffset, "42"), header(HeaderTime, "2026-11-23T06:05:08.123Z"),
		header(HeaderGroup, "g"), header(HeaderClass, "invalid_task"), header(HeaderMessage, "voicetask: invalid task: task_id is missing"), header(HeaderAttempts, "2"),
	}
	got := grave{topic: "dlq", group: "g"}.deadLetter(m, why, 2)
	if got.Topic != "dlq" || string(got.Key) != "k" || string(got.Value) != "v" || !reflect.DeepEqual(got.Headers, want) {
		t.Errorf("got %+v\nwant headers %q", got, want)
	}
	if len(m.Headers) != 3 {
		t.Error("the record's headers were changed")
	}

	connect := grave{topic: "dlq", group: "g", connect: true}.deadLetter(m, tooLarge(20, 10), 1)
	last := connect.Headers[len(want):]
	if !reflect.DeepEqual(last, []Header{
		header(connectTopic, "in"), header(connectPartition, "3"), header(connectOffset, "42"), header(connectName, "g"), header(connectTask, "0"),
		header(connectStage, "VALUE_CONVERTER"), header(connectClass, "too_large"),
		header(connectMessage, "kafkasrc: the value has 20 bytes, the limit is 10 (Config.MaxMessageBytes)"),
	}) {
		t.Errorf("Connect's headers: %q", last)
	}

	for _, letter := range []Message{got, connect} {
		back, ok := exhume(letter)
		m := m
		m.Time = m.Time.UTC()
		if !ok || !reflect.DeepEqual(back, m) {
			t.Errorf("exhumed %+v, want %+v", back, m)
		}
	}
	// A dead letter that became a dead letter itself comes apart one by one.
	twice := grave{topic: "dlq2", group: "g2"}.deadLetter(got, why, 1)
	if back, ok := exhume(twice); !ok || back.Topic != "dlq" || !reflect.DeepEqual(back.Headers, got.Headers) {
		t.Errorf("exhumed %+v", back)
	}
}

func TestExhumeRefuses(t *testing.T) {
	for name, headers := range map[string][]Header{
		"no headers":      nil,
		"others":          {header("a", "1")},
		"one behind":      {header(HeaderTopic, "in"), header("a", "1")},
		"no topic":        {header(HeaderOffset, "1"), header(HeaderClass, "decode")},
		"null topic":      {{Key: HeaderTopic}},
		"regex topic":     {header(HeaderTopic, "^.*")},
		"topic with NUL":  {header(HeaderTopic, "a\x00")},
		"very long topic": {header(HeaderTopic, strings.Repeat("a", 600))},
	} {
		if m, ok := exhume(Message{Headers: headers}); ok {
			t.Errorf("%s: exhumed %+v", name, m)
		}
	}
}

// FuzzDeadLetter wants each record back as it was, and headers fit to be shown.
func FuzzDeadLetter(f *testing.F) {
	f.Add([]byte("v"), []byte("k"), HeaderTopic, []byte("in"), "reason", "\r\nforged: header", uint64(1))
	f.Add([]byte(nil), []byte(nil), connectTopic, []byte(nil), HeaderAttempts, strings.Repeat("ä\x00\u2028", 2000), uint64(7))
	f.Fuzz(func(t *testing.T, value, key []byte, name1 string, v1 []byte, name2, reason string, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		m := Message{Topic: "in", Partition: int32(rnd.Uint32()), Offset: rnd.Int64(), Key: key, Value: value, Time: time.UnixMilli(rnd.Int64N(1 << 42)).UTC()}
		names := append([]string{name1, name2, "x"}, addedHeaders...)
		for range rnd.IntN(20) {
			m.Headers = append(m.Headers, Header{Key: names[rnd.IntN(len(names))], Value: v1})
		}
		before := slices.Clone(m.Headers)
		g := grave{topic: "dlq", group: "group", connect: rnd.IntN(2) == 0}
		letter := g.deadLetter(m, &refusal{classDecode, errors.New(reason)}, rnd.IntN(5))
		for _, h := range letter.Headers[len(m.Headers):] {
			if len(h.Value) > maxHeaderText || !utf8.Valid(h.Value) || bytes.ContainsFunc(h.Value, unicode.IsControl) {
				t.Fatalf("header %s = %q", h.Key, h.Value)
			}
		}
		back, ok := exhume(letter)
		if !ok || !reflect.DeepEqual(back, m) || !reflect.DeepEqual(m.Headers, before) {
			t.Fatalf("exhumed %+v, want %+v", back, m)
		}
	})
}

func TestErrorText(t *testing.T) {
	value := []byte(`{"name":"Jane \"J\" Doe","contact_number":"+49 30 123456","task_id":"x"}`)
	for in, want := range map[string]string{
		"plain":                               "plain",
		"a\r\nb\x00c\u2028d\x1b[31m":          "a  b c d [31m",
		"bad \xff byte":                       "bad \uFFFD byte",
		"number +49301234567 of 8 in 1234":    "number +# of 8 in 1234",
		"٠١٢٣٤٥ and ００１２３":                    "# and #",
		`invalid name "Jane \"J\" Doe" found`: `invalid name "…"J\"…" found`,
		`name 'Jane' and "other"`:             `name '…' and "other"`,
		`unclosed "Jane`:                      `unclosed "…`,
		`I can't say`:                         `I can't say`,
		`json: cannot unmarshal "x" into it`:  `json: cannot unmarshal "x" into it`,
		`the field "task_id" is wrong`:        `the field "task_id" is wrong`,
		`"contact" in "contact_number":`:      `"…" in "contact_number":`,
	} {
		if got := errorText(errors.New(in), value); got != want {
			t.Errorf("errorText(%q) = %q, want %q", in, got, want)
		}
	}
	for n := range 4 {
		got := headerText(strings.Repeat("a", n) + strings.Repeat("€", 1000))
		if len(got) > maxHeaderText || len(got) < maxHeaderText-3 || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
}

// TestPlan reads back what a replay notes of itself, and nothing else.
func TestPlan(t *testing.T) {
	batch := map[int32]stretch{0: {0, 1}, 35: {35, 1 << 60}}
	for _, ends := range []map[string][]int64{{}, {"a": {0, 35, 36, 1 << 60}}, {"a.b-c_d": {7}, "gone": nil, "z": {1, 2}}} {
		p := plan{batch, ends}
		got, ok := parsePlan(p.String())
		if !ok || !maps.Equal(got.batch, batch) || !maps.EqualFunc(got.ends, ends, slices.Equal) {
			t.Errorf("%q became %v", p.String(), got)
		}
	}
	p := plan{batch, map[string][]int64{"a": {5, 6}}}
	if p.from("a", 1) != 6 || p.from("a", 2) != 0 || p.from("b", 0) != 0 {
		t.Errorf("%v begins elsewhere", p)
	}
	const good = planMark + ";0:0-1"
	if _, ok := parsePlan(good + ";a=1"); !ok {
		t.Error("a plan is none")
	}
	for _, s := range []string{
		"", "kafka streams", good + ";a b=1", good + ";a=-1", good + ";a=!", "x" + good,
		planMark, planMark + ";", planMark + ";0:1", planMark + ";0:1-", planMark + ";0:-1-2", planMark + ";1000000:0-1",
	} {
		if p, ok := parsePlan(s); ok {
			t.Errorf("%q is a plan: %v", s, p)
		}
	}
}

// TestPlanFits: a plan for a topic of 500 partitions, and a batch from 12, fits beside an offset.
func TestPlanFits(t *testing.T) {
	large := plan{map[int32]stretch{}, map[string][]int64{"agent_outbound_requests": make([]int64, 500)}}
	for i := range large.ends["agent_outbound_requests"] {
		large.ends["agent_outbound_requests"][i] = 1_000_000_000
	}
	for i := range int32(12) {
		large.batch[i] = stretch{1_000_000, 1_000_500}
	}
	if n := len(large.String()); n > maxPlan {
		t.Errorf("500 partitions take %d bytes", n)
	}
}

// TestPlanOfABatch has the stretches of a batch whose partitions come mixed, with gaps.
func TestPlanOfABatch(t *testing.T) {
	var batch []*kafka.Message
	for _, at := range [][2]int64{{1, 7}, {0, 3}, {1, 9}, {0, 4}, {1, 10}} {
		batch = append(batch, &kafka.Message{TopicPartition: kafka.TopicPartition{Partition: int32(at[0]), Offset: kafka.Offset(at[1])}})
	}
	if got := newPlan(batch, nil).batch; !maps.Equal(got, map[int32]stretch{0: {3, 5}, 1: {7, 11}}) {
		t.Errorf("got %v", got)
	}
}

// TestFingerprint tells records apart by every byte.
func TestFingerprint(t *testing.T) {
	seen := map[fingerprint]string{}
	for name, m := range map[string]Message{
		"base": {Topic: "t", Key: []byte("k"), Value: []byte("v")}, "topic": {Topic: "u", Key: []byte("k"), Value: []byte("v")},
		"null key": {Topic: "t", Value: []byte("v")}, "empty key": {Topic: "t", Key: []byte{}, Value: []byte("v")},
		"shifted": {Topic: "t", Key: []byte("kv"), Value: []byte("")}, "null value": {Topic: "t", Key: []byte("kv")},
		"header": {Topic: "t", Key: []byte("k"), Value: []byte("v"), Headers: []Header{{Key: "h"}}}, "header empty": {Topic: "t", Key: []byte("k"), Value: []byte("v"), Headers: []Header{{Key: "h", Value: []byte{}}}},
	} {
		p := fingerprintOf(m)
		if other, twice := seen[p]; twice {
			t.Errorf("%s and %s are one", name, other)
		}
		seen[p] = name
		if fingerprintOf(m) != p {
			t.Errorf("%s differs from itself", name)
		}
	}
}
