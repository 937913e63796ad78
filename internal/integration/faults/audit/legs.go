package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"
)

// Events and causes of the carrier's ledger.
const (
	eventRing   = "ring"
	eventAnswer = "answer"
	eventEnd    = "end"
	eventRefuse = "refuse"

	causeCallee    = "callee_hung_up"
	causeCaller    = "caller_hung_up"
	causeLimit     = "limit"
	causeBusy      = "busy"
	causeNoAnswer  = "no_answer"
	causeDeclined  = "declined"
	causeBadNumber = "bad_number"
	causeFault     = "fault"
)

// Leg is one call on the network.
type Leg struct {
	Call, Key string
	Began     time.Time
	Rings     int
	Answered  time.Time
	Ended     time.Time // zero while it lasts
	Cause     string
}

// Legs sorts a ledger by number; each number's legs are in order of their beginning.
func Legs(entries []Entry) map[string][]*Leg {
	byNumber, byCall := map[string][]*Leg{}, map[string]*Leg{}
	for _, e := range entries {
		l := byCall[e.Call]
		if l == nil {
			l = &Leg{Call: e.Call, Key: e.Key, Began: e.At}
			byCall[e.Call] = l
			byNumber[e.Number] = append(byNumber[e.Number], l)
		}
		switch e.Event {
		case eventRing:
			l.Rings++
		case eventAnswer:
			l.Answered = e.At
		case eventEnd, eventRefuse:
			l.Ended, l.Cause = e.At, e.Cause
		}
	}
	for _, legs := range byNumber {
		slices.SortStableFunc(legs, func(a, b *Leg) int { return a.Began.Compare(b.Began) })
	}
	return byNumber
}

// unlawful counts the calls and rings of one number that nothing called for: a second
// ring within a call, a call while an earlier one lasts, one after an end that is no
// reason to dial again, one under a key that was used, and those beyond the policy.
func unlawful(legs []*Leg, redialable map[string]int, maxDials int) int {
	n := 0
	for i, l := range legs {
		n += max(0, l.Rings-1)
		if i > 0 && !lawful(l, legs[:i], redialable, maxDials) {
			n++
		}
	}
	return n
}

func lawful(l *Leg, earlier []*Leg, redialable map[string]int, maxDials int) bool {
	if len(earlier) >= maxDials {
		return false
	}
	times := map[string]int{}
	for _, e := range earlier {
		most, again := redialable[e.Cause]
		times[e.Cause]++
		switch {
		case e.Ended.IsZero(), e.Ended.After(l.Began), !again, e.Key == l.Key:
			return false
		case most > 0 && times[e.Cause] > most:
			return false
		}
	}
	return true
}

// sameTask reports whether a row has kept a message: every field that was sent, numbers
// as they were written, and beside them only what stands for nothing: in the message
// contract null, "", 0 and a missing field are one.
func sameTask(sent, kept []byte) bool {
	x, y := decoded(sent), decoded(kept)
	return x != nil && holds(x, y)
}

func holds(sent, kept any) bool {
	x, ok1 := sent.(map[string]any)
	y, ok2 := kept.(map[string]any)
	if !ok1 || !ok2 {
		return reflect.DeepEqual(sent, kept)
	}
	for name, value := range x {
		if other, there := y[name]; !there || !holds(value, other) {
			return false
		}
	}
	for name, value := range y {
		if _, there := x[name]; !there && value != nil && value != "" && value != json.Number("0") {
			return false
		}
	}
	return true
}

func decoded(raw []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}
