package fence

import "github.com/superservices/voice/store"

// None is the state of a dial that has no row yet.
const None store.AttemptState = ""

// Transition is one row of the table: a move of an attempt that may happen.
type Transition struct {
	Name     string // several rows may share one
	From, To store.AttemptState
	Who      string // makes it, in words
	Guard    string // what must hold beside the state, in words; "" = nothing
}

// Names of the transitions.
const (
	nameReserve      = "Reserve"
	nameTakeOver     = "TakeOver"
	nameReserveAgain = "ReserveAgain"
	nameSendAgain    = "SendAgain"
	nameAbort        = "Abort"
	nameSend         = "Send"
	nameNotSent      = "NotSent"
	nameGiveUp       = "GiveUp"
	nameReplyLost    = "ReplyLost"
	nameUnknown      = "Unknown"
	nameRowLost      = "RowLost"
	namePlaced       = "Placed"
	nameEndedAtOnce  = "EndedAtOnce"
	nameProgress     = "Progress"
	nameEnded        = "Ended"
	nameFoundLate    = "FoundLate"
	nameToldLate     = "ToldLate"
	nameEnriched     = "Enriched"
	nameBelied       = "Belied"
	nameSecondCall   = "SecondCall"
)

// What the rows of one kind have in common.
const (
	bySender  = "execute holding the token"
	byWitness = "whoever saw the call"
	openTask  = "the task is open, ours, not cancelled, not on hold"
	nobodyHas = "another witness says that the dial was being sent"
	belied    = "none: evidence beats every state that says nobody rang"
)

// Transitions is every move that an attempt can make. What is not listed is refused.
var Transitions = []Transition{
	{nameReserve, None, store.AttemptReserved, "execute, with a fresh token", openTask + "; n is the next number; the dial before has ended, and not unknown"},
	{nameTakeOver, store.AttemptReserved, store.AttemptReserved, "a later execution", openTask + "; the earlier holder's Send then fails"},
	{nameReserveAgain, store.AttemptAborted, store.AttemptReserved, "execute, with a fresh token", openTask},
	{nameSendAgain, store.AttemptNotSent, store.AttemptReserved, "execute, with a fresh token", openTask + "; fewer than 3 sends were made"},
	{nameAbort, store.AttemptReserved, store.AttemptAborted, "execute (put off, refused), end_call (cancel), record", ""},
	{nameSend, store.AttemptReserved, store.AttemptSending, bySender, "the task is open, not cancelled, not on hold; **one request may follow, at once**"},
	{nameNotSent, store.AttemptSending, store.AttemptNotSent, bySender, "an error that proves that nothing was placed"},
	{nameGiveUp, store.AttemptNotSent, store.AttemptEnded, "execute", "not worth another send, or 3 were made"},
	{nameReplyLost, store.AttemptSending, store.AttemptSending, bySender, "the reply was lost: nobody is in mid-send any more"},
	{nameUnknown, store.AttemptSending, store.AttemptUnknown, "execute, after the look window; record, after an hour", "the send that was looked for in vain is still the one in the row"},
	{nameRowLost, None, store.AttemptUnknown, "execute", nobodyHas + "; n is the next number"},
	{nameRowLost, store.AttemptReserved, store.AttemptUnknown, "execute", nobodyHas},
	{nameRowLost, store.AttemptAborted, store.AttemptUnknown, "execute", nobodyHas},
	{nameRowLost, store.AttemptNotSent, store.AttemptUnknown, "execute", nobodyHas},
	{namePlaced, store.AttemptSending, store.AttemptPlaced, byWitness, ""},
	{nameEndedAtOnce, store.AttemptSending, store.AttemptEnded, byWitness + ", record", ""},
	{nameProgress, store.AttemptPlaced, store.AttemptPlaced, byWitness, "the same call id; the first times stand"},
	{nameEnded, store.AttemptPlaced, store.AttemptEnded, byWitness + ", record, Settle", "the same call id"},
	{nameFoundLate, store.AttemptUnknown, store.AttemptPlaced, byWitness, "never redialled by itself"},
	{nameToldLate, store.AttemptUnknown, store.AttemptEnded, byWitness + ", Settle", "never redialled by itself"},
	{nameEnriched, store.AttemptEnded, store.AttemptEnded, "anyone", "the same call id; the first outcome but unknown stands, so do the first times"},
	{nameBelied, store.AttemptReserved, store.AttemptPlaced, byWitness, belied},
	{nameBelied, store.AttemptReserved, store.AttemptEnded, byWitness, belied},
	{nameBelied, store.AttemptAborted, store.AttemptPlaced, byWitness, belied},
	{nameBelied, store.AttemptAborted, store.AttemptEnded, byWitness, belied},
	{nameBelied, store.AttemptNotSent, store.AttemptPlaced, byWitness, belied},
	{nameBelied, store.AttemptNotSent, store.AttemptEnded, byWitness, belied},
	{nameSecondCall, store.AttemptPlaced, store.AttemptPlaced, byWitness, "another call id under the key: noted beside the first, an alarm"},
	{nameSecondCall, store.AttemptEnded, store.AttemptEnded, byWitness, "another call id under the key: noted beside the first, an alarm"},
}

// step is the only place where an attempt's state is written. It makes the move if
// the table has it, and says whether it did.
func step(a *store.Attempt, name string, to store.AttemptState) bool {
	row := rowOf(name, a.State, to)
	if row < 0 && holds(guardListed) {
		return false
	}
	if watch != nil {
		watch(row)
	}
	a.State = to
	return true
}

// rowOf is the index of a move in the table, or -1.
func rowOf(name string, from, to store.AttemptState) int {
	for i := range Transitions {
		t := &Transitions[i]
		if t.From == from && t.To == to && t.Name == name {
			return i
		}
	}
	return -1
}

// watch, where a test sets it, sees the row of every move.
var watch func(row int)
