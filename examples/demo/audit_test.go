package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// perfect is the evidence of a run in which every line of tasks.jsonl ended as it
// has it.
func perfect(t *testing.T) ([]scenario, evidence) {
	t.Helper()
	cases, err := loadCases()
	if err != nil {
		t.Fatal(err)
	}
	seen := evidence{deferrals: map[string]deferral{}}
	at := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	tick := func() time.Time { at = at.Add(time.Second); return at }
	for i, c := range cases {
		for range c.copies() {
			r := c.record()
			k := ack{i, r.Topic, 0, int64(len(seen.acks)), r.Key, r.Value, r.Headers}
			seen.acks = append(seen.acks, k)
			if !c.isTask() {
				seen.letters = append(seen.letters, letterOf(k, c.Expect.DeadLetter))
			}
		}
		if !c.isTask() {
			continue
		}
		if c.Expect.Deferred != "" {
			seen.deferrals[c.Key] = deferral{c.Expect.Deferred, tick()}
		}
		seen.rows = append(seen.rows, row{
			id: c.Key, status: c.Expect.Status, outcome: c.Expect.Outcome, callee: c.callee, task: c.value, dials: c.Expect.Dials,
		})
		for n := 1; n <= c.Expect.Dials; n++ {
			e := entry{Number: c.callee, Call: fmt.Sprintf("%s-%d", c.Key, n), Key: fmt.Sprintf("%s/%d", c.Key, n)}
			last := n == c.Expect.Dials
			if last && c.Expect.Rings == 1 {
				seen.entries = append(seen.entries, with(e, tick(), eventRing, ""), with(e, tick(), eventEnd, "callee_hung_up"))
			} else {
				seen.entries = append(seen.entries, with(e, tick(), eventRefuse, causeFault))
			}
		}
	}
	return cases, seen
}

func with(e entry, at time.Time, event, cause string) entry {
	e.At, e.Event, e.Cause = at, event, cause
	return e
}

func letterOf(k ack, class string) letter {
	h := append(slices.Clone(k.headers),
		kgo.RecordHeader{Key: headerTopic, Value: []byte(k.topic)},
		kgo.RecordHeader{Key: headerPartition, Value: []byte(fmt.Sprint(k.partition))},
		kgo.RecordHeader{Key: headerOffset, Value: []byte(fmt.Sprint(k.offset))},
		kgo.RecordHeader{Key: headerClass, Value: []byte(class)})
	return letter{k.key, k.value, h}
}

func TestAPerfectRunPasses(t *testing.T) {
	cases, seen := perfect(t)
	v := audit(cases, seen)
	if !v.ok() {
		t.Fatalf("%+v", v)
	}
	if v.Tasks < 60 || v.Completed+v.Failed+v.Cancelled != v.Tasks || v.DeadLetters < 12 || v.Duplicates < 3 || v.Deferred != 1 || v.Messages <= v.Tasks+v.DeadLetters {
		t.Errorf("counts: %+v", v)
	}
	if _, err := json.Marshal(v); err != nil {
		t.Error(err)
	}
}

// Each damage must be reported, in the words given, and in the count that is meant
// for it.
func TestDamageIsReported(t *testing.T) {
	rowOf := func(e *evidence, id string) *row {
		return &e.rows[slices.IndexFunc(e.rows, func(r row) bool { return r.id == id })]
	}
	for _, tt := range []struct {
		name   string
		damage func(*evidence)
		words  string
		lost   int
		double int
	}{
		{"a dropped row", func(e *evidence) {
			e.rows = slices.DeleteFunc(e.rows, func(r row) bool { return r.id == "answered-1" })
		}, "answered-1: Kafka acknowledged its message, and there is no row", 1, 0},
		{"a dropped row of a message sent three times", func(e *evidence) {
			e.rows = slices.DeleteFunc(e.rows, func(r row) bool { return r.id == "thrice-1" })
		}, "thrice-1: Kafka acknowledged", 3, 0},
		{"a dropped dead letter", func(e *evidence) { e.letters = e.letters[1:] }, "there is no dead letter", 1, 0},
		{"a doubled dead letter", func(e *evidence) { e.letters = append(e.letters, e.letters[0]) }, "2 dead letters, want one", 0, 0},
		{"a changed byte in a dead letter", func(e *evidence) {
			v := slices.Clone(e.letters[0].value)
			v[len(v)/2] ^= 1
			e.letters[0].value = v
		}, "value has changed", 0, 0},
		{"a null value that became an empty one", func(e *evidence) {
			for i := range e.letters {
				if e.letters[i].value == nil {
					e.letters[i].value = []byte{}
				}
			}
		}, "a null value): the dead letter's value has changed", 0, 0},
		{"a changed key of a dead letter", func(e *evidence) { e.letters[0].key = []byte("other") }, "key has changed", 0, 0},
		{"a lost header of a dead letter", func(e *evidence) { e.letters[0].headers = e.letters[0].headers[1:] }, "own headers have changed", 0, 0},
		{"another class of dead letter", func(e *evidence) {
			e.letters[0].headers[len(e.letters[0].headers)-1].Value = []byte("too_small")
		}, `class "too_small"`, 0, 0},
		{"a dead letter of a good message", func(e *evidence) { e.letters = append(e.letters, letterOf(e.acks[0], "invalid_task")) }, "a message that was fine", 0, 0},
		{"a dead letter from nowhere", func(e *evidence) { e.letters = append(e.letters, letter{}) }, "does not say where it came from", 0, 0},
		{"a changed outcome", func(e *evidence) { rowOf(e, "busy-1").outcome = "no_answer" }, "busy-1 (busy): ended failed/no_answer", 0, 0},
		{"a changed status", func(e *evidence) { rowOf(e, "busy-1").status = "completed" }, "want failed/busy", 0, 0},
		{"a task that has not ended", func(e *evidence) { rowOf(e, "busy-1").status = "processing" }, "ended processing/busy", 0, 0},
		{"a dial too many in the row", func(e *evidence) { rowOf(e, "busy-1").dials = 2 }, "2 dials in its row", 0, 0},
		{"a changed callee", func(e *evidence) { rowOf(e, "busy-1").callee = "+1" }, "not what the row has", 0, 0},
		{"a field that the store lost", func(e *evidence) {
			r := rowOf(e, "answered-2")
			r.task = json.RawMessage(strings.Replace(string(r.task), "9007199254740993", "9007199254740992", 1))
		}, "what the row has: data", 0, 0},
		{"a row that nobody asked for", func(e *evidence) { e.rows = append(e.rows, row{id: "ghost"}) }, `"ghost"`, 0, 0},
		{"a phone that did not ring", func(e *evidence) {
			e.entries = slices.DeleteFunc(e.entries, func(x entry) bool { return x.Key == "busy-1/1" })
		}, "rang 0 times, want 1", 0, 0},
		{"a doubled ring", func(e *evidence) { ringAgain(e, "busy-1", "callee_hung_up") }, "dialled again 1 times without reason", 0, 1},
		{"a second ring of one call", func(e *evidence) {
			i := slices.IndexFunc(e.entries, func(x entry) bool { return x.Key == "busy-1/1" && x.Event == eventRing })
			e.entries = append(e.entries, e.entries[i])
		}, "rang 2 times", 0, 1},
		{"two calls to one number at a time", func(e *evidence) {
			i := slices.IndexFunc(e.entries, func(x entry) bool { return x.Key == "heals-1/1" })
			e.entries[i].At = e.entries[i].At.Add(time.Hour) // the second dial begins before the first ends
			e.entries = append([]entry{with(e.entries[i], e.entries[i].At.Add(-2*time.Hour), eventAnswer, "")}, e.entries...)
		}, "heals-1: dialled again", 0, 1},
		{"a ring of a number that nobody has", func(e *evidence) {
			e.entries = append(e.entries, entry{At: time.Now(), Event: eventRing, Number: "+13305550101", Call: "stray", Key: "never/1"})
		}, "a number that no task has", 0, 1},
		{"a dial under another task's key", func(e *evidence) {
			for i := range e.entries {
				if e.entries[i].Key == "busy-1/1" {
					e.entries[i].Key = "busy-2/1"
				}
			}
		}, `under the key "busy-2/1"`, 0, 0},
		{"a deferral that did not show", func(e *evidence) { delete(e.deferrals, "hours-1") }, `put off by "", want "hours"`, 0, 0},
		{"a deferral that nobody wanted", func(e *evidence) { e.deferrals["busy-1"] = deferral{rule: "hours"} }, `busy-1 (busy): seen put off by "hours"`, 0, 0},
		{"a dial before its time", func(e *evidence) {
			e.deferrals["hours-1"] = deferral{"hours", e.entries[0].At.Add(time.Minute)}
		}, "dialled before", 0, 0},
		{"a message that was not acknowledged", func(e *evidence) { e.acks = e.acks[1:] }, "0 messages acknowledged, want 1", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cases, seen := perfect(t)
			tt.damage(&seen)
			v := audit(cases, seen)
			if v.ok() {
				t.Error("not reported at all")
			}
			if all := strings.Join(v.wrong, "\n"); !strings.Contains(all, tt.words) {
				t.Errorf("it says\n%s\nand not %q", all, tt.words)
			}
			if v.Lost != tt.lost || v.DoubleDials != tt.double {
				t.Errorf("lost %d, double dials %d, want %d and %d", v.Lost, v.DoubleDials, tt.lost, tt.double)
			}
		})
	}
}

// ringAgain adds a second call to a task's number.
func ringAgain(e *evidence, id, cause string) {
	i := slices.IndexFunc(e.entries, func(x entry) bool { return x.Key == id+"/1" && x.Event == eventRing })
	again := e.entries[i]
	again.Call, again.Key = "again", id+"/2"
	at := e.entries[len(e.entries)-1].At
	e.entries = append(e.entries, with(again, at.Add(time.Second), eventRing, ""), with(again, at.Add(2*time.Second), eventEnd, cause))
}

func TestARedialAfterAFaultIsLawful(t *testing.T) {
	t0 := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	two := func(cause string, gap time.Duration) []*leg {
		return legs([]entry{
			{At: t0, Event: eventRing, Number: "1", Call: "a"},
			{At: t0.Add(time.Second), Event: eventEnd, Number: "1", Call: "a", Cause: cause},
			{At: t0.Add(time.Second + gap), Event: eventRing, Number: "1", Call: "b"},
		})["1"]
	}
	for _, tt := range []struct {
		cause string
		gap   time.Duration
		want  int
	}{{causeFault, time.Second, 0}, {causeFault, -time.Millisecond, 1}, {"busy", time.Second, 1}, {"no_answer", time.Second, 1}, {"callee_hung_up", time.Second, 1}} {
		if got := doubleDials(two(tt.cause, tt.gap)); got != tt.want {
			t.Errorf("a ring %v after %q: %d double dials, want %d", tt.gap, tt.cause, got, tt.want)
		}
	}
}
