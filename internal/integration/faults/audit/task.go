package audit

import (
	"slices"
	"strings"
	"time"
)

// hangUpBound is how long a call may outlive its task.
const hangUpBound = 10 * time.Second

// task audits one task: its rings, its end, its result.
func (a *auditor) task(m Message) {
	legs := a.byCall[m.Callee]
	n := unlawful(legs, a.seen.Redialable, a.seen.MaxDials)
	if n > 0 {
		a.DoubleDials += n
		a.find(DoubleRing, "task %s: its phone was called %d times too often", m.Task, n)
	}
	for _, l := range legs {
		if id, _, _ := strings.Cut(l.Key, "/"); id != m.Task {
			a.find(DoubleRing, "task %s: its phone was called under the key %q", m.Task, l.Key)
		}
	}
	if len(a.rows[m.Task]) != 1 {
		return // said already
	}
	r := a.rows[m.Task][0]
	if r.Callee != m.Callee {
		a.wrong("task %s: its row has another number", m.Task)
	}
	if !terminal(r.Status) {
		a.find(Terminal, "task %s is %s (%s)", m.Task, r.Status, r.Reason)
		return
	}
	ended := a.recorded(m.Task)
	a.orphans(m.Task, legs, ended)
	if n == 0 { // else there is no saying which call the result is of
		a.result(m, r, legs)
	}
}

func terminal(status string) bool {
	switch status {
	case "completed", "failed", "cancelled":
		return true
	}
	return false
}

// recorded checks I4 by what the trigger wrote down: into a terminal status once, out
// of it never, and a terminal outcome moves only from unknown. It returns when.
func (a *auditor) recorded(id string) (ended time.Time) {
	into := 0
	for _, m := range a.moves[id] {
		switch {
		case m.To == "":
			a.find(Recorded, "task %s: its row was deleted", id)
		case terminal(m.From) && !terminal(m.To):
			a.find(Recorded, "task %s: it was %s, and then %s", id, m.From, m.To)
		case terminal(m.From) && m.Before != m.Outcome && m.Before != "unknown":
			a.find(Recorded, "task %s: it had ended %s, and then %s", id, m.Before, m.Outcome)
		case terminal(m.To) && !terminal(m.From):
			into++
			ended = m.At
		}
	}
	if into != 1 {
		a.find(Recorded, "task %s: it ended %d times", id, into)
	}
	return ended
}

// orphans checks I8: no call lives on without its task.
func (a *auditor) orphans(id string, legs []*Leg, ended time.Time) {
	for _, l := range legs {
		switch {
		case l.Ended.IsZero():
			a.find(Orphan, "task %s: a call is up still", id)
		case !ended.IsZero() && l.Ended.After(ended.Add(hangUpBound)):
			a.find(Orphan, "task %s: a call went on for %v after the task's end", id, l.Ended.Sub(ended).Round(time.Millisecond))
		}
	}
}

// result compares a row's outcome with the ledger.
func (a *auditor) result(m Message, r Row, legs []*Leg) {
	if want := statusOf(r.Outcome); r.Status != want {
		a.wrong("task %s: %s with the outcome %s", m.Task, r.Status, r.Outcome)
		return
	}
	if r.Outcome == "unknown" {
		a.Unknown++
		a.honest(m, r, legs)
		return
	}
	if k := len(legs); k > 0 && legs[k-1].Ended.IsZero() {
		return // said already
	}
	if len(r.Attempts) < len(legs) {
		a.wrong("task %s: %d calls on the network, %d dials in its row", m.Task, len(legs), len(r.Attempts))
	}
	allowed := a.allowed(m, legs)
	if !slices.Contains(allowed, r.Outcome) {
		a.wrong("task %s: its row says %s (%s), and by the ledger it is one of %v", m.Task, r.Outcome, r.Reason, allowed)
	}
}

func (a *auditor) wrong(format string, args ...any) {
	a.WrongResults++
	a.find(Wrong, format, args...)
}

// allowed are the outcomes that the ledger supports.
func (a *auditor) allowed(m Message, legs []*Leg) []string {
	var all []string
	if a.asked[m.Task] {
		all = append(all, "cancelled") // as far as it goes: a call that went on is an orphan
	}
	if len(legs) == 0 {
		// Nobody was called: it was refused, or could not be sent.
		return append(all, "invalid_number", "rate_limited", "provider_fault")
	}
	switch l := legs[len(legs)-1]; l.Cause {
	case causeCallee:
		if strings.HasSuffix(m.Callee, "88") {
			return append(all, "voicemail")
		}
		return append(all, "completed")
	case causeCaller:
		return append(all, "timed_out") // by our own deadline
	case causeLimit:
		return append(all, "timed_out")
	case causeBusy, causeDeclined:
		return append(all, "busy", "declined")
	case causeNoAnswer:
		return append(all, "no_answer")
	case causeBadNumber:
		return append(all, "invalid_number")
	case causeFault:
		return append(all, "provider_fault")
	}
	return all
}

// statusOf is the contract's: how an outcome shows as a status.
func statusOf(outcome string) string {
	switch outcome {
	case "completed", "voicemail":
		return "completed"
	case "cancelled":
		return "cancelled"
	}
	return "failed"
}

// honest checks I9: unknown only where the ledger shows that the request left, or a
// fault of the harness was at work while it may have left.
func (a *auditor) honest(m Message, r Row, legs []*Leg) {
	if len(legs) > 0 {
		return
	}
	for _, att := range r.Attempts {
		if att.State != "unknown" {
			continue
		}
		from := att.Sent
		if from.IsZero() {
			from = att.Reserved
		}
		for _, f := range a.seen.Faults {
			if f.Action == "note" || aside(f.Process) {
				continue
			}
			until := f.Until
			if until.Before(f.At) {
				until = f.At
			}
			if !until.Before(from.Add(-before)) && f.At.Before(from.Add(window)) {
				return
			}
		}
	}
	a.find(Honest, "task %s: unknown, and nothing shows that its request may have left (%s)", m.Task, r.Reason)
}

// aside reports whether no dial passes a process.
func aside(process string) bool {
	switch process {
	case "producer", "broker", "webhooks":
		return true
	}
	return false
}

// A dial may have left without a word from before this long before it was sent, by the
// row, until the longest time that a request takes.
const (
	before = 2 * time.Second
	window = 35 * time.Second
)
