package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// evidence is what was seen from outside.
type evidence struct {
	acks      []ack
	rows      []row
	letters   []letter
	entries   []entry             // of the carrier's ledger
	deferrals map[string]deferral // by task id
}

// deferral is a task that was seen to be put off.
type deferral struct {
	rule  string
	until time.Time
}

// verdict is what the audit found.
type verdict struct {
	Tasks       int `json:"tasks"`
	Completed   int `json:"completed"`
	Failed      int `json:"failed"`
	Cancelled   int `json:"cancelled"`
	DeadLetters int `json:"dead_letters"`
	Duplicates  int `json:"duplicates"` // messages beyond the first of their task
	Rings       int `json:"rings"`
	Lost        int `json:"lost"`         // acknowledged messages with neither a row nor a dead letter
	DoubleDials int `json:"double_dials"` // dials of a number that nothing called for
	Messages    int `json:"messages"`
	Dials       int `json:"dials"`
	Deferred    int `json:"deferred"`
	Mismatches  int `json:"mismatches"`

	wrong    []string
	outcomes []outcomeLine
	classes  map[string]int // of dead letters
}

// outcomeLine is a line of the summary.
type outcomeLine struct {
	outcome, status     string
	tasks, dials, rings int
}

func (v verdict) ok() bool { return v.Mismatches == 0 && v.Lost == 0 && v.DoubleDials == 0 }

// auditor holds the evidence in an order that it can be looked up in.
type auditor struct {
	verdict
	cases   []scenario
	rows    map[string]row
	letters map[origin][]letter
	legs    map[string][]*leg // by number
	seen    evidence
}

// audit compares what was seen with what was scripted. It trusts nothing that the
// library says of itself but the rows, which are what is being audited.
func audit(cases []scenario, seen evidence) verdict {
	a := &auditor{cases: cases, seen: seen, rows: map[string]row{}, letters: map[origin][]letter{}, legs: legs(seen.entries)}
	a.classes = map[string]int{}
	for _, r := range seen.rows {
		a.rows[r.id] = r
	}
	for _, e := range seen.entries {
		if e.Event == eventRing {
			a.Rings++
		}
	}
	a.sortLetters()
	a.messages()
	for _, c := range cases {
		if c.isTask() {
			a.task(c)
		}
	}
	a.strays()
	slices.SortFunc(a.outcomes, func(x, y outcomeLine) int { return y.tasks - x.tasks })
	a.Mismatches = len(a.wrong)
	return a.verdict
}

func (a *auditor) mismatch(format string, args ...any) {
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

func (a *auditor) sortLetters() {
	a.DeadLetters = len(a.seen.letters)
	for _, l := range a.seen.letters {
		a.classes[l.header(headerClass)]++
		from, ok := l.origin()
		if !ok {
			a.mismatch("a dead letter does not say where it came from (key %q)", l.key)
			continue
		}
		a.letters[from] = append(a.letters[from], l)
	}
}

// messages looks for what became of each message that Kafka acknowledged.
func (a *auditor) messages() {
	a.Messages = len(a.seen.acks)
	sent := make([]int, len(a.cases))
	expected := map[origin]bool{}
	for _, k := range a.seen.acks {
		c := a.cases[k.scenario]
		sent[k.scenario]++
		if !c.isTask() {
			expected[k.origin()] = true
			a.deadLetter(c, k)
			continue
		}
		switch _, there := a.rows[c.Key]; {
		case !there:
			a.Lost++
			a.mismatch("%s: Kafka acknowledged its message, and there is no row", c.Key)
		case sent[k.scenario] > 1:
			a.Duplicates++
		}
	}
	for i, c := range a.cases {
		if sent[i] != c.copies() {
			a.mismatch("%s: %d messages acknowledged, want %d", c.Key, sent[i], c.copies())
		}
	}
	for from, ls := range a.letters {
		if !expected[from] {
			a.mismatch("a dead letter (%s) was made of a message that was fine: key %q", ls[0].header(headerClass), ls[0].key)
		}
	}
}

// deadLetter compares the dead letter of k with what was sent, byte for byte.
func (a *auditor) deadLetter(c scenario, k ack) {
	ls := a.letters[k.origin()]
	if len(ls) == 0 {
		a.Lost++
		a.mismatch("%s (%s): Kafka acknowledged it, and there is no dead letter", c.Key, c.Case)
		return
	}
	if len(ls) > 1 {
		a.mismatch("%s (%s): %d dead letters, want one", c.Key, c.Case, len(ls))
	}
	l := ls[0]
	switch {
	case !same(l.value, k.value):
		a.mismatch("%s (%s): the dead letter's value has changed", c.Key, c.Case)
	case !same(l.key, k.key):
		a.mismatch("%s (%s): the dead letter's key has changed", c.Key, c.Case)
	case len(l.headers) < len(k.headers) || !reflect.DeepEqual(l.headers[:len(k.headers)], k.headers):
		a.mismatch("%s (%s): the message's own headers have changed", c.Key, c.Case)
	}
	if got := l.header(headerClass); got != c.Expect.DeadLetter {
		a.mismatch("%s (%s): dead letter of class %q, want %q", c.Key, c.Case, got, c.Expect.DeadLetter)
	}
}

// task compares one task's row and rings with its script.
func (a *auditor) task(c scenario) {
	a.Tasks++
	mine := a.legs[c.callee]
	rings := 0
	for _, l := range mine {
		rings += l.rings
		if id, _, _ := strings.Cut(l.key, "/"); id != c.Key {
			a.mismatch("%s: its number was dialled under the key %q", c.Key, l.key)
		}
	}
	if rings != c.Expect.Rings {
		a.mismatch("%s: its phone rang %d times, want %d", c.Key, rings, c.Expect.Rings)
	}
	if n := doubleDials(mine); n > 0 {
		a.DoubleDials += n
		a.mismatch("%s: dialled again %d times without reason", c.Key, n)
	}
	r, there := a.rows[c.Key]
	if !there {
		return // said already
	}
	a.count(r, rings)
	if got, want := r.status+"/"+r.outcome, c.Expect.Status+"/"+c.Expect.Outcome; got != want {
		a.mismatch("%s (%s): ended %s (%s), want %s", c.Key, c.Case, got, r.reason, want)
	}
	if r.dials != c.Expect.Dials || len(mine) > r.dials {
		a.mismatch("%s (%s): %d dials in its row and %d on the network, want %d", c.Key, c.Case, r.dials, len(mine), c.Expect.Dials)
	}
	if diff := changed(c.value, r.task); r.callee != c.callee || diff != "" {
		a.mismatch("%s: what was submitted is not what the row has: %s", c.Key, diff)
	}
	a.deferral(c, mine)
}

// deferral checks that a task was put off where it had to be, and not dialled
// before its time.
func (a *auditor) deferral(c scenario, mine []*leg) {
	put, was := a.seen.deferrals[c.Key]
	if was {
		a.Deferred++
	}
	switch {
	case put.rule != c.Expect.Deferred:
		a.mismatch("%s (%s): seen put off by %q, want %q", c.Key, c.Case, put.rule, c.Expect.Deferred)
	case was && len(mine) > 0 && mine[0].began.Before(put.until):
		a.mismatch("%s (%s): put off until %v and dialled before, at %v", c.Key, c.Case, put.until, mine[0].began)
	}
}

func (a *auditor) count(r row, rings int) {
	a.Dials += r.dials
	switch r.status {
	case "completed":
		a.Completed++
	case "failed":
		a.Failed++
	case "cancelled":
		a.Cancelled++
	}
	i := slices.IndexFunc(a.outcomes, func(o outcomeLine) bool { return o.outcome == r.outcome && o.status == r.status })
	if i < 0 {
		i = len(a.outcomes)
		a.outcomes = append(a.outcomes, outcomeLine{outcome: r.outcome, status: r.status})
	}
	o := &a.outcomes[i]
	o.tasks, o.dials, o.rings = o.tasks+1, o.dials+r.dials, o.rings+rings
}

// strays are rows and rings that belong to no task.
func (a *auditor) strays() {
	ids, numbers := map[string]bool{}, map[string]bool{}
	for _, c := range a.cases {
		if c.isTask() {
			ids[c.Key], numbers[c.callee] = true, true
		}
	}
	for _, r := range a.seen.rows {
		if !ids[r.id] {
			a.mismatch("there is a row %q, and no such task was sent", r.id)
		}
	}
	for number, ls := range a.legs {
		if !numbers[number] {
			a.DoubleDials += len(ls)
			a.mismatch("a number that no task has was dialled %d times, under the key %q", len(ls), ls[0].key)
		}
	}
}
