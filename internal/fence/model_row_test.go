package fence

import (
	"strconv"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// The world of the model keeps a task's row in a few bytes, so that a state is a small
// key of a map. Each transition unpacks it into a real store.Record, which the
// functions of this package change, and packs the result again.

// code is an index into one of the tables below.
type code = uint8

var states = [...]store.AttemptState{
	None, store.AttemptReserved, store.AttemptSending, store.AttemptNotSent, store.AttemptPlaced,
	store.AttemptUnknown, store.AttemptEnded, store.AttemptAborted,
}

const (
	none code = iota
	reserved
	sending
	notSent
	placed
	unknownState
	ended
	aborted
)

var outcomes = [...]provider.Outcome{
	"", provider.OutcomeUnknown, provider.OutcomeBusy, provider.OutcomeCompleted, provider.OutcomeCancelled, provider.OutcomeProviderFault,
}

const (
	noOutcome code = iota
	outcomeUnknown
	busy      // the policy of the model redials it
	completed // final
	cancelled // hung up, or refused before the dial
	fault     // never placed: the sends are used up
)

var (
	engines = [...]string{"", "temporal", "direct:1", "direct:2"}
	tokens  = [...]string{"", "1", "2", "dead", "ghost"} // of the two executions, and of those that are gone
	calls   = [...]provider.CallID{"", "call", "second call"}
	noon    = time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)
)

// vendors are the providers of a dial; where there is one only, it needs no name.
var vendors = [...]string{"", "first", "second"}

const (
	dead  code = 3 // the token of nobody
	ghost code = 4 // the token of nobody, too, whose word is the last that the server heard
)

// word is a Word, packed. No sends: there is none.
type word struct {
	sends, token code
	call         bool
}

func (w word) unpack(n code) Word {
	if w.sends == 0 {
		return Word{}
	}
	out := Word{Key: keys[n], Token: tokens[w.token], Send: int(w.sends)}
	if w.call {
		out.CallID = calls[1]
	}
	return out
}

// row is a store.Record, packed.
type row struct {
	version code // 0 = there is none
	owner   code
	leased  bool
	lapsed  bool // the lease has run out
	cancel  bool
	hold    bool
	over    bool
	outcome code
	dials   [2]dial
}

// dial is a store.Attempt, packed.
type dial struct {
	state, token, sends, call, outcome code
	via                                code // the provider that has the right to the key
	second                             bool // another call id was noted
	marked                             bool // its sender came back without knowing
}

// scratch is the record that rows are unpacked into. The search runs in one goroutine.
var scratch struct {
	record   store.Record
	attempts [4]store.Attempt
	others   [2][1]provider.CallID
}

func (r *row) unpack() *store.Record {
	rec := &scratch.record
	*rec = store.Record{ID: "t", Status: store.StatusPending, Version: int64(r.version), Owner: engines[r.owner]}
	switch {
	case r.over:
		rec.Status, rec.Outcome = store.StatusFailed, outcomes[r.outcome]
	case r.hold:
		rec.Status = store.StatusHold
	}
	if r.cancel {
		rec.CancelRequestedAt = noon
	}
	if r.leased {
		rec.LeaseUntil = noon.Add(time.Minute)
		if r.lapsed {
			rec.LeaseUntil = noon.Add(-time.Minute)
		}
	}
	rec.Attempts = scratch.attempts[:0]
	for i := range r.dials {
		d := &r.dials[i]
		if d.state == none {
			continue
		}
		a := store.Attempt{N: i + 1, Key: keys[i], Provider: vendors[d.via], State: states[d.state], Token: tokens[d.token], Sends: int(d.sends), CallID: calls[d.call], Outcome: outcomes[d.outcome]}
		if d.marked {
			a.Kind = provider.KindOutcomeUnknown
		}
		if d.second {
			scratch.others[i][0] = calls[3-d.call]
			a.OtherCallIDs = scratch.others[i][:]
		}
		rec.Attempts = append(rec.Attempts, a)
	}
	return rec
}

var keys = [...]string{"t/1", "t/2"}

func pack(r *store.Record) row {
	w := row{
		version: code(r.Version), owner: index(engines[:], r.Owner), cancel: !r.CancelRequestedAt.IsZero(),
		hold: r.Status == store.StatusHold, over: r.Status.Terminal(),
		leased: !r.LeaseUntil.IsZero(), lapsed: !r.LeaseUntil.IsZero() && r.LeaseUntil.Before(noon),
	}
	if w.over {
		w.outcome = index(outcomes[:], r.Outcome)
	}
	for _, a := range r.Attempts {
		w.dials[a.N-1] = dial{
			state: index(states[:], a.State), token: index(tokens[:], a.Token), sends: atMost(a.Sends), call: index(calls[:], a.CallID),
			outcome: index(outcomes[:], a.Outcome), via: index(vendors[:], a.Provider), second: len(a.OtherCallIDs) > 0, marked: a.Kind == provider.KindOutcomeUnknown,
		}
	}
	return w
}

// atMost keeps the states finite where nothing else ends the sends.
func atMost(sends int) code { return code(min(sends, MaxSends+1)) }

func index[T comparable](table []T, v T) code {
	for i := range table {
		if table[i] == v {
			return code(i)
		}
	}
	panic("the model has no code for " + strconv.Quote(anyString(v)))
}

func anyString(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case provider.Outcome:
		return string(v)
	case provider.CallID:
		return string(v)
	case store.AttemptState:
		return string(v)
	}
	return "?"
}
