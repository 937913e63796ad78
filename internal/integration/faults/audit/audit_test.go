package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorded is the evidence of a real run: a short campaign with kills, cuts, a cancelled
// task and messages that are no tasks.
const recorded = "testdata/recorded.json.gz"

func load(t *testing.T) Evidence {
	t.Helper()
	e, err := Load(recorded)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTheRecordedRunHolds(t *testing.T) {
	v := Audit(load(t))
	if !v.OK() {
		t.Errorf("%+v", v.Findings)
	}
	if v.Produced == 0 || v.Tasks == 0 || v.Rows != v.Tasks || v.Rings == 0 || v.Letters == 0 || len(v.Recovered) == 0 {
		t.Errorf("there is not enough in it: %+v", v)
	}
}

// mutant spoils evidence in one way, and says which invariants must see it.
type mutant struct {
	name  string
	want  string
	spoil func(t *testing.T, e *Evidence)
}

func TestEachMutantIsSeen(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			e := load(t)
			before, _ := json.Marshal(e)
			m.spoil(t, &e)
			if after, _ := json.Marshal(e); bytes.Equal(before, after) {
				t.Fatal("the mutant changes nothing")
			}
			v := Audit(e)
			if got := strings.Join(v.Broken(), " "); got != m.want {
				t.Errorf("broken: %q, want %q\n%+v", got, m.want, v.Findings)
			}
			counted := map[string]int{Lost: v.Lost, DoubleRing: v.DoubleDials, Wrong: v.WrongResults}
			for invariant, n := range counted {
				if n > 0 && invariant != m.want && !(invariant == Lost && m.want == DeadLetter) {
					t.Errorf("%s is counted %d times", invariant, n)
				}
			}
		})
	}
}

// row returns the first row of an outcome that has rung once and whose call ended.
func row(t *testing.T, e *Evidence, outcome string) (*Row, Message) {
	t.Helper()
	for i := range e.Rows {
		r := &e.Rows[i]
		if r.Outcome != outcome || len(r.Attempts) != 1 {
			continue
		}
		for _, m := range e.Messages {
			if m.Task == r.ID && len(Legs(e.Ledger)[m.Callee]) == 1 {
				return r, m
			}
		}
	}
	t.Fatalf("the recorded run has no task that ended %s", outcome)
	return nil, Message{}
}

// entry returns the index of an event of a number in the ledger.
func entry(t *testing.T, e *Evidence, number, event string) int {
	t.Helper()
	i := slices.IndexFunc(e.Ledger, func(x Entry) bool { return x.Number == number && x.Event == event })
	if i < 0 {
		t.Fatalf("no %s of %s", event, number)
	}
	return i
}

// call adds a call to a number, right after its last one, or after everything.
func call(e *Evidence, number, key, cause string) {
	at := e.Ledger[len(e.Ledger)-1].At
	if legs := Legs(e.Ledger)[number]; len(legs) > 0 {
		at = legs[len(legs)-1].Ended
	}
	at = at.Add(10 * time.Millisecond)
	for _, event := range []string{eventRing, eventEnd} {
		e.Ledger = append(e.Ledger, Entry{At: at, Event: event, Number: number, Call: "mutant-" + key, Key: key, Cause: map[string]string{eventEnd: cause}[event]})
		at = at.Add(100 * time.Millisecond)
	}
}

func lastMove(t *testing.T, e *Evidence, id string) Move {
	t.Helper()
	for i := len(e.Moves) - 1; i >= 0; i-- {
		if e.Moves[i].ID == id {
			return e.Moves[i]
		}
	}
	t.Fatalf("no move of %s", id)
	return Move{}
}

var mutants = []mutant{
	{"a row dropped", Lost, func(t *testing.T, e *Evidence) {
		r, m := row(t, e, "completed")
		e.Rows = slices.DeleteFunc(e.Rows, func(x Row) bool { return x.ID == r.ID && m.Task != "" })
	}},
	{"a row twice", Lost, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		e.Rows = append(e.Rows, *r)
	}},
	{"a row that nobody sent", Lost, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		stray := *r
		stray.ID = "stray"
		e.Rows = append(e.Rows, stray)
	}},
	{"a digit of a number in a task", Lost, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		r.Task = bytes.Replace(r.Task, []byte("12345678901234567890"), []byte("12345678901234567891"), 1)
	}},
	{"a field of a task lost", Lost, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		r.Task = bytes.Replace(r.Task, []byte(`"host_key"`), []byte(`"guest_key"`), 1)
	}},
	{"a ring doubled within a call", DoubleRing, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		i := entry(t, e, m.Callee, eventRing)
		e.Ledger = slices.Insert(e.Ledger, i, e.Ledger[i])
	}},
	{"a second call after one that was answered", DoubleRing, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		call(e, m.Callee, m.Task+"/2", causeCallee)
	}},
	{"a second call under the same key", DoubleRing, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		call(e, m.Callee, m.Task+"/1", causeCallee)
	}},
	{"a third call to a busy line", DoubleRing, func(t *testing.T, e *Evidence) {
		for number, legs := range Legs(e.Ledger) {
			if len(legs) == 2 && legs[1].Cause == causeBusy {
				id, _, _ := strings.Cut(legs[0].Key, "/")
				call(e, number, id+"/3", causeBusy)
				return
			}
		}
		t.Fatal("no line was busy twice")
	}},
	{"two lawful calls at once", DoubleRing, func(t *testing.T, e *Evidence) {
		for number, legs := range Legs(e.Ledger) {
			if len(legs) != 2 || legs[1].Cause != causeBusy {
				continue
			}
			for i := range e.Ledger {
				if e.Ledger[i].Call == legs[0].Call && e.Ledger[i].Event == eventEnd && e.Ledger[i].Number == number {
					e.Ledger[i].At = legs[1].Began.Add(time.Millisecond)
					return
				}
			}
		}
		t.Fatal("no line was busy twice")
	}},
	{"a number that no task has", DoubleRing, func(_ *testing.T, e *Evidence) { call(e, "+4900000000000", "nobody/1", causeCallee) }},
	{"a call under another task's key", DoubleRing, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		for i := range e.Ledger {
			if e.Ledger[i].Number == m.Callee {
				e.Ledger[i].Key = "another/1"
			}
		}
	}},
	{"a task that never ended", Terminal, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		r.Status, r.Outcome = "in_progress", ""
	}},
	{"a workflow that runs on", Terminal, func(_ *testing.T, e *Evidence) { e.Workflows[0].Status = "Running" }},
	{"a result taken back and given again", Recorded, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		last := lastMove(t, e, r.ID)
		e.Moves = append(e.Moves, Move{At: last.At, ID: r.ID, From: "completed", To: "in_progress", Before: "completed"},
			Move{At: last.At, ID: r.ID, From: "in_progress", To: "completed", Outcome: "completed"})
	}},
	{"an outcome that moved", Recorded, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		last := lastMove(t, e, r.ID)
		e.Moves = append(e.Moves, Move{At: last.At, ID: r.ID, From: "completed", To: "completed", Before: "voicemail", Outcome: "completed"})
	}},
	{"a row deleted", Recorded, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		e.Moves = append(e.Moves, Move{At: lastMove(t, e, r.ID).At, ID: r.ID, From: "completed", Before: "completed"})
	}},
	{"one byte of a dead letter", DeadLetter, func(_ *testing.T, e *Evidence) {
		l := &e.Letters[0]
		l.Value = append(slices.Clone(l.Value), 0)
	}},
	{"the key of a dead letter", DeadLetter, func(_ *testing.T, e *Evidence) { e.Letters[0].Key = []byte("another") }},
	{"a dead letter dropped", DeadLetter, func(_ *testing.T, e *Evidence) {
		gone, _ := e.Letters[0].origin()
		e.Letters = slices.DeleteFunc(e.Letters, func(l Letter) bool { at, _ := l.origin(); return at == gone })
	}},
	{"a dead letter too many times", DeadLetter, func(_ *testing.T, e *Evidence) {
		for range e.Crashes + 1 {
			e.Letters = append(e.Letters, e.Letters[0])
		}
	}},
	{"a dead letter of a task", DeadLetter, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		i := slices.IndexFunc(e.Log, func(s Stored) bool { return bytes.Equal(s.Value, m.Value) })
		at := e.Log[i]
		e.Letters = append(e.Letters, Letter{At: e.Settled, Key: m.Key, Value: m.Value, Headers: [][2]string{
			{headerPartition, string(rune('0' + at.Partition))}, {headerOffset, jsonNumber(at.Offset)},
		}})
	}},
	{"the last offset moved by one", Offsets, func(_ *testing.T, e *Evidence) {
		last := &e.Offsets[len(e.Offsets)-1]
		last.Offsets = maps.Clone(last.Offsets)
		last.Offsets[0]++
	}},
	{"an offset moved by one, ahead of what was settled then", Offsets, func(t *testing.T, e *Evidence) {
		made := map[string]time.Time{}
		for _, m := range e.Moves {
			if m.From == "" {
				made[m.ID] = m.At
			}
		}
		for i := range e.Offsets {
			s := &e.Offsets[i]
			for _, record := range e.Log {
				if record.Offset == s.Offsets[record.Partition] && made[string(record.Key)].After(s.At) {
					s.Offsets = maps.Clone(s.Offsets)
					s.Offsets[record.Partition]++
					return
				}
			}
		}
		t.Fatal("no offset was committed next to a record that was settled later")
	}},
	{"a call that goes on", Orphan, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		e.Ledger = slices.Delete(e.Ledger, entry(t, e, m.Callee, eventEnd), entry(t, e, m.Callee, eventEnd)+1)
	}},
	{"a call that outlives its task", Orphan, func(t *testing.T, e *Evidence) {
		r, m := row(t, e, "completed")
		e.Ledger[entry(t, e, m.Callee, eventEnd)].At = lastMove(t, e, r.ID).At.Add(hangUpBound + time.Second)
	}},
	{"unknown without a reason", Honest, func(t *testing.T, e *Evidence) {
		r, m := row(t, e, "completed")
		r.Status, r.Outcome, r.Attempts[0].State, r.Attempts[0].Outcome = "failed", "unknown", "unknown", "unknown"
		e.Ledger = slices.DeleteFunc(e.Ledger, func(x Entry) bool { return x.Number == m.Callee })
		e.Faults = nil
	}},
	{"a changed outcome", Wrong, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		r.Status, r.Outcome = "failed", "no_answer"
	}},
	{"a person taken for a machine", Wrong, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		r.Outcome = "voicemail"
	}},
	{"a status that is not the outcome's", Wrong, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "voicemail")
		r.Status = "failed"
	}},
	{"cancelled, and nobody asked", Wrong, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "cancelled")
		e.Cancelled = slices.DeleteFunc(e.Cancelled, func(id string) bool { return id == r.ID })
	}},
	{"completed, and nobody was called", Wrong, func(t *testing.T, e *Evidence) {
		_, m := row(t, e, "completed")
		e.Ledger = slices.DeleteFunc(e.Ledger, func(x Entry) bool { return x.Number == m.Callee })
	}},
	{"another number in the row", Wrong, func(t *testing.T, e *Evidence) {
		r, _ := row(t, e, "completed")
		r.Callee = "+4900000000000"
	}},
}

func jsonNumber(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// Every invariant has a mutant, else nobody knows whether it can be breached at all.
func TestEveryInvariantHasAMutant(t *testing.T) {
	for _, invariant := range []string{Lost, DoubleRing, Terminal, Recorded, DeadLetter, Offsets, Orphan, Honest, Wrong} {
		if !slices.ContainsFunc(mutants, func(m mutant) bool { return m.want == invariant }) {
			t.Errorf("%s has none", invariant)
		}
	}
}

// The recorded evidence says nothing of the machine it was recorded on.
func TestTheRecordedRunNamesNoMachine(t *testing.T) {
	text, err := json.Marshal(load(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/tmp/", "/home/", "/root/", "/work/"} {
		if bytes.Contains(text, []byte(path)) {
			t.Errorf("it holds %q", path)
		}
	}
}
