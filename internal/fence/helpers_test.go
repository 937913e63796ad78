package fence_test

import (
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

var (
	now   = time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	lease = now.Add(30 * time.Second)
)

const (
	engine = "temporal"
	token  = "mine"
	// none is the state of a dial that has no row yet.
	none store.AttemptState = ""
)

// states are all states that the row of a dial may be in.
var states = []store.AttemptState{
	none, store.AttemptReserved, store.AttemptSending, store.AttemptNotSent, store.AttemptPlaced,
	store.AttemptUnknown, store.AttemptEnded, store.AttemptAborted,
}

// inState is an open task, claimed by engine, whose first dial is in that state
// and held by token.
func inState(s store.AttemptState) store.Record {
	r := store.Record{ID: "t1", Status: store.StatusPending, Owner: engine}
	if s == none {
		return r
	}
	r.Status = store.StatusProcessing
	a := store.Attempt{N: 1, Key: "t1/1", Provider: "vapi", State: s, Token: token, ReservedAt: now}
	switch s {
	case store.AttemptSending, store.AttemptNotSent, store.AttemptPlaced, store.AttemptUnknown, store.AttemptEnded:
		a.Sends, a.SentAt = 1, now
	}
	switch s {
	case store.AttemptNotSent:
		a.Kind = provider.KindUnavailable
	case store.AttemptPlaced:
		a.CallID, a.DialledAt = "call-1", now
		r.Status = store.StatusInProgress
	case store.AttemptUnknown:
		a.Outcome = provider.OutcomeUnknown
	case store.AttemptEnded:
		a.CallID, a.DialledAt, a.Outcome, a.EndedAt = "call-1", now, provider.OutcomeBusy, now
	}
	r.Attempts = []store.Attempt{a}
	return r
}

// copyOf shares nothing with r.
func copyOf(r store.Record) store.Record {
	r.Attempts = append([]store.Attempt(nil), r.Attempts...)
	for i := range r.Attempts {
		r.Attempts[i].OtherCallIDs = append([]provider.CallID(nil), r.Attempts[i].OtherCallIDs...)
	}
	return r
}

// stateOf is the state of the first dial.
func stateOf(r store.Record) store.AttemptState {
	if a := fence.Find(&r, 1); a != nil {
		return a.State
	}
	return none
}

// reservation is a valid one for the first dial.
func reservation() fence.Reservation {
	return fence.Reservation{
		N: 1, Provider: "livekit", Token: token, Engine: engine, At: now, Lease: time.Time{}, Due: now.Add(time.Hour),
	}
}
