// Package audit says what a run has proved. It works on evidence alone: ledgers that
// the library cannot write, the rows that it is judged by, the broker's offsets and
// dead letters, and Temporal's list. It imports nothing of the library, and the
// standard library only.
//
// Rings are attributed by the number that was called, one number per task, not by
// anything that the library says.
package audit

import (
	"fmt"
	"slices"
	"time"
)

// Invariants.
const (
	Lost       = "I1" // each acknowledged message has its task, exactly once
	DoubleRing = "I2" // no ring that nothing called for
	Terminal   = "I3" // every task ends
	Recorded   = "I4" // once, and stays ended
	DeadLetter = "I5" // complete and exact
	Offsets    = "I6" // never ahead of what is settled
	Orphan     = "I8" // no call without its task
	Honest     = "I9" // unknown only where nobody can know
	Wrong      = "wrong_results"
)

// Finding is one breach.
type Finding struct {
	Invariant string `json:"invariant"`
	Text      string `json:"text"`
}

// Verdict is what the audit found.
type Verdict struct {
	Produced     int `json:"produced"` // messages acknowledged
	Tasks        int `json:"tasks"`
	Rows         int `json:"rows"`
	Rings        int `json:"rings"`
	Letters      int `json:"letters"`
	Lost         int `json:"lost"`
	DoubleDials  int `json:"double_dials"`
	WrongResults int `json:"wrong_results"`
	Unknown      int `json:"unknown"`
	// Recovered is, for each task that was open when a fault struck, how long after it
	// its row or its call moved next.
	Recovered []time.Duration `json:"-"`
	Findings  []Finding       `json:"findings"`
}

// OK reports whether nothing was breached.
func (v Verdict) OK() bool { return len(v.Findings) == 0 }

// Broken lists the invariants that were breached, each once, in order.
func (v Verdict) Broken() []string {
	var all []string
	for _, f := range v.Findings {
		if !slices.Contains(all, f.Invariant) {
			all = append(all, f.Invariant)
		}
	}
	slices.Sort(all)
	return all
}

// auditor has the evidence in an order in which it can be looked up.
type auditor struct {
	Verdict
	seen   Evidence
	rows   map[string][]Row
	moves  map[string][]Move
	byCall map[string][]*Leg // by number
	acked  map[int][]Ack     // by message
	asked  map[string]bool   // to be cancelled
}

// Audit compares what was seen with what must hold.
func Audit(seen Evidence) Verdict {
	a := &auditor{seen: seen, rows: map[string][]Row{}, moves: map[string][]Move{}, acked: map[int][]Ack{}, asked: map[string]bool{}}
	for _, r := range seen.Rows {
		a.rows[r.ID] = append(a.rows[r.ID], r)
	}
	for _, m := range seen.Moves {
		a.moves[m.ID] = append(a.moves[m.ID], m)
	}
	for _, k := range seen.Acks {
		a.acked[k.Index] = append(a.acked[k.Index], k)
	}
	for _, id := range seen.Cancelled {
		a.asked[id] = true
	}
	a.byCall = Legs(seen.Ledger)
	a.Rows = len(seen.Rows)
	a.Letters = len(seen.Letters)
	a.messages()
	a.deadLetters()
	a.offsets()
	for _, m := range seen.Messages {
		if m.Task != "" && len(a.acked[m.Index]) > 0 {
			a.Produced++
		}
	}
	for _, m := range a.tasks() {
		a.Tasks++
		a.task(m)
	}
	a.strays()
	a.workflows()
	a.recovery()
	return a.Verdict
}

func (a *auditor) find(invariant, format string, args ...any) {
	a.Findings = append(a.Findings, Finding{invariant, fmt.Sprintf(format, args...)})
}

// tasks are the messages that are tasks and were acknowledged, or whose task is there
// all the same; each task once.
func (a *auditor) tasks() []Message {
	known := map[string]bool{}
	var all []Message
	for _, m := range a.seen.Messages {
		if m.Task == "" || known[m.Task] || (len(a.acked[m.Index]) == 0 && len(a.rows[m.Task]) == 0) {
			continue
		}
		known[m.Task] = true
		all = append(all, m)
	}
	return all
}

// messages checks I1: nothing acknowledged is lost, and each task has one row.
func (a *auditor) messages() {
	for _, m := range a.seen.Messages {
		if m.Task == "" || len(a.acked[m.Index]) == 0 {
			continue
		}
		switch rows := a.rows[m.Task]; {
		case len(rows) == 0:
			a.Lost++
			a.find(Lost, "task %s: the brokers acknowledged its message, and there is no row", m.Task)
		case len(rows) > 1:
			a.find(Lost, "task %s: %d rows", m.Task, len(rows))
		case !sameTask(m.Value, rows[0].Task):
			a.find(Lost, "task %s: its row holds another task than was sent", m.Task)
		}
	}
}

// strays are rows and calls that belong to no task.
func (a *auditor) strays() {
	numbers, ids := map[string]bool{}, map[string]bool{}
	for _, m := range a.seen.Messages {
		if m.Task != "" {
			numbers[m.Callee], ids[m.Task] = true, true
		}
	}
	for _, r := range a.seen.Rows {
		if !ids[r.ID] {
			a.find(Lost, "there is a row %s, and no such task was sent", r.ID)
		}
	}
	for number, legs := range a.byCall {
		if !numbers[number] {
			a.DoubleDials += len(legs)
			a.find(DoubleRing, "a number that no task has was called %d times", len(legs))
		}
		for _, l := range legs {
			a.Rings += l.Rings
		}
	}
}

// workflows checks that Temporal has nothing left to do (I3).
func (a *auditor) workflows() {
	for _, w := range a.seen.Workflows {
		if w.Status == "Running" {
			a.find(Terminal, "workflow %s is running still", w.ID)
		}
	}
}
