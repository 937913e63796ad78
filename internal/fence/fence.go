// Package fence is the dial fence: the one place where an attempt's row moves.
//
// Transitions is the table of all moves, and docs/design.md shows the same one. Each
// function here makes one or more of them: it changes a record in memory or refuses
// with an error. The caller writes the record with a compare-and-set on its Version,
// and only a transition that was written has happened. Two executions that both
// believe they own a dial therefore cannot both pass the same transition.
//
// The functions read no clock and do no I/O, so that the search of all interleavings
// in this package's tests calls the very code that the activities call.
package fence

import (
	"errors"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// MaxSends is how often one dial may be sent while it provably did not go out:
// the seed's three attempts.
const MaxSends = 3

// Refusals. Each means: do not dial.
var (
	ErrLost        = errors.New("fence: another execution holds this dial")
	ErrOtherEngine = errors.New("fence: another engine carries out this task")
	ErrClosed      = errors.New("fence: the task has ended")
	ErrCancelled   = errors.New("fence: the task is being cancelled")
	ErrHeld        = errors.New("fence: the task is on hold")
	ErrOrder       = errors.New("fence: the dial before this one is not settled")
	ErrSent        = errors.New("fence: this dial may have gone out")
	ErrSpent       = errors.New("fence: this dial has used up its sends")
	ErrNoAttempt   = errors.New("fence: no such dial")
)

// Find returns the attempt with number n, or nil.
func Find(r *store.Record, n int) *store.Attempt {
	for i := range r.Attempts {
		if r.Attempts[i].N == n {
			return &r.Attempts[i]
		}
	}
	return nil
}

// add appends the row of dial n. Dials are numbered without a gap, so a number that
// is not the next one asks for a dial whose predecessor is not there.
func add(r *store.Record, n int) (*store.Attempt, error) {
	if holds(guardNext) && n != len(r.Attempts)+1 {
		return nil, ErrOrder
	}
	r.Attempts = append(r.Attempts, store.Attempt{N: n, Key: provider.Key(r.ID, n)})
	return &r.Attempts[len(r.Attempts)-1], nil
}

// CallOf is the call that an attempt's row tells of.
func CallOf(a store.Attempt) provider.Call {
	c := provider.Call{
		ID: a.CallID, Key: a.Key, Status: provider.StatusQueued, Reason: a.Reason, CreatedAt: a.DialledAt,
		AnsweredAt: a.AnsweredAt, EndedAt: a.EndedAt, CostUSD: a.CostUSD, NoSpeech: a.NoSpeech,
	}
	switch {
	case a.State == store.AttemptEnded, a.State == store.AttemptUnknown:
		c.Status, c.Outcome = provider.StatusEnded, a.Outcome
	case !a.AnsweredAt.IsZero():
		c.Status = provider.StatusInProgress
	}
	return c
}
