// Package fence is the dial fence: the one place where an attempt's row moves.
//
// Each function is one named transition of the table in docs/design.md. It
// changes a record in memory or refuses with an error; the caller writes the
// record with a compare-and-set on its Version, and only a transition that was
// written has happened. Two executions that both believe they own a dial
// therefore cannot both pass the same transition.
//
// The functions read no clock and do no I/O, so that an exhaustive search of
// interleavings can call the very code that the activities call.
package fence

import (
	"errors"
	"slices"
	"time"

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

// Claim takes the task for an engine before its first dial. A task without an
// owner, or with this one, may be claimed; so may one whose owner's lease has run
// out (a Direct process that died).
func Claim(r *store.Record, engine string, now, leaseUntil time.Time) error {
	expired := !r.LeaseUntil.IsZero() && r.LeaseUntil.Before(now)
	switch {
	case r.Status.Terminal():
		return ErrClosed
	case r.Owner != "" && r.Owner != engine && !expired:
		return ErrOtherEngine
	}
	r.Owner, r.LeaseUntil = engine, leaseUntil
	return nil
}

// Reservation is what Reserve writes into a row.
type Reservation struct {
	N        int
	Provider string
	Token    string // fresh for each execution
	Engine   string
	At       time.Time
	Lease    time.Time // of the engine; zero for Temporal
	Due      time.Time // by when somebody should have come back to the row
}

// Reserve is (none) -> reserved, reserved -> reserved, aborted -> reserved and
// not_sent -> reserved. Nobody has dialled, or it is proved that nobody did; the
// new token makes the compare-and-set of whoever held the row before fail.
func Reserve(r *store.Record, v Reservation) error {
	if err := Claim(r, v.Engine, v.At, v.Lease); err != nil {
		return err
	}
	switch {
	case !r.CancelRequestedAt.IsZero():
		return ErrCancelled
	case r.Status == store.StatusHold:
		return ErrHeld
	}
	a := Find(r, v.N)
	if a == nil {
		if v.N != len(r.Attempts)+1 {
			return ErrOrder
		}
		if v.N > 1 && !settled(r.Attempts[v.N-2]) {
			return ErrOrder
		}
		r.Attempts = append(r.Attempts, store.Attempt{N: v.N, Key: provider.Key(r.ID, v.N)})
		a = &r.Attempts[len(r.Attempts)-1]
	} else {
		switch a.State {
		case store.AttemptReserved, store.AttemptAborted:
		case store.AttemptNotSent:
			if a.Sends >= MaxSends {
				return ErrSpent
			}
		default:
			return ErrSent
		}
	}
	a.State, a.Provider, a.Token, a.ReservedAt = store.AttemptReserved, v.Provider, v.Token, v.At
	a.NotBefore, a.Reason = time.Time{}, ""
	r.Status, r.DueAt, r.Reason = store.StatusProcessing, v.Due, ""
	return nil
}

// settled reports whether a later dial may follow this one.
func settled(a store.Attempt) bool {
	return a.State == store.AttemptEnded
}

// Abort is reserved -> aborted. Nobody rang, and the same key may be reserved again.
// An attempt that is not reserved stays as it is.
func Abort(r *store.Record, n int, why string) {
	if a := Find(r, n); a != nil && a.State == store.AttemptReserved {
		a.State, a.Reason = store.AttemptAborted, why
	}
}

// Send is reserved(token) -> sending(token). This is the right to dial: one request
// may follow, by the token's holder, at once.
func Send(r *store.Record, n int, token string, now time.Time) error {
	a := Find(r, n)
	switch {
	case a == nil:
		return ErrNoAttempt
	case r.Status.Terminal():
		return ErrClosed
	case !r.CancelRequestedAt.IsZero():
		return ErrCancelled
	case r.Status == store.StatusHold:
		return ErrHeld
	case a.State != store.AttemptReserved || a.Token != token:
		return ErrLost
	}
	a.State, a.SentAt = store.AttemptSending, now
	a.Sends++
	return nil
}

// NotSent is sending(token) -> not_sent, by the sender itself and only on an error
// that proves it.
func NotSent(r *store.Record, n int, token string, kind provider.Kind, notBefore time.Time) error {
	a := Find(r, n)
	switch {
	case a == nil:
		return ErrNoAttempt
	case a.State != store.AttemptSending || a.Token != token:
		return ErrLost
	}
	a.State, a.Kind, a.NotBefore = store.AttemptNotSent, kind, notBefore
	return nil
}

// GiveUp is not_sent -> ended, when the error is not worth another send or the sends
// are used up.
func GiveUp(r *store.Record, n int, o provider.Outcome, why string, now time.Time) error {
	a := Find(r, n)
	switch {
	case a == nil:
		return ErrNoAttempt
	case a.State != store.AttemptNotSent:
		return ErrLost
	}
	a.State, a.Outcome, a.Reason, a.EndedAt = store.AttemptEnded, o, why, now
	return nil
}

// Ambiguous marks a sending row whose sender has come back without knowing: from
// here on nobody is in mid-send, and the look window begins. The state stays.
func Ambiguous(r *store.Record, n int, token string) error {
	a := Find(r, n)
	switch {
	case a == nil:
		return ErrNoAttempt
	case a.State != store.AttemptSending || a.Token != token:
		return ErrLost
	}
	a.Kind = provider.KindOutcomeUnknown
	return nil
}

// Unknown is sending -> unknown, after the look window. It cannot be proved either
// way whether a phone rang, so nobody dials this key again.
func Unknown(r *store.Record, n int, why string) error {
	a := Find(r, n)
	switch {
	case a == nil:
		return ErrNoAttempt
	case a.State != store.AttemptSending:
		return ErrLost
	}
	a.State, a.Outcome, a.Reason = store.AttemptUnknown, provider.OutcomeUnknown, why
	return nil
}

// Lost is (none) or reserved -> unknown, when another witness says that the dial was
// being sent: the store has lost a row it had acknowledged.
func Lost(r *store.Record, n int, why string) error {
	a := Find(r, n)
	if a == nil {
		if n != len(r.Attempts)+1 {
			return ErrOrder
		}
		r.Attempts = append(r.Attempts, store.Attempt{N: n, Key: provider.Key(r.ID, n)})
		a = &r.Attempts[len(r.Attempts)-1]
	} else if a.State != store.AttemptReserved && a.State != store.AttemptAborted && a.State != store.AttemptNotSent {
		return ErrLost
	}
	a.State, a.Outcome, a.Reason = store.AttemptUnknown, provider.OutcomeUnknown, why
	return nil
}

// Observation is what Observe did.
type Observation struct {
	Changed bool // the row differs and must be written
	Second  bool // the call is a second one under this key: an alarm
}

// Observe applies what a call's own snapshot proves, whoever saw it: placed, ended
// or enriched. The first id, the first outcome but unknown, and the time of answer
// stand. Evidence of a call beats every state that says nobody rang.
func Observe(r *store.Record, n int, c provider.Call, now time.Time) (Observation, error) {
	a := Find(r, n)
	if a == nil {
		return Observation{}, ErrNoAttempt
	}
	if a.CallID != "" && c.ID != "" && a.CallID != c.ID {
		if slices.Contains(a.OtherCallIDs, c.ID) {
			return Observation{Second: true}, nil
		}
		a.OtherCallIDs = append(a.OtherCallIDs, c.ID)
		return Observation{Changed: true, Second: true}, nil
	}
	before := *a
	if a.CallID == "" {
		a.CallID = c.ID
	}
	if c.Status == provider.StatusEnded {
		end(a, c, now)
	} else if a.State != store.AttemptEnded {
		a.State, a.Outcome, a.Reason = store.AttemptPlaced, "", ""
	}
	keepTime(&a.DialledAt, c.CreatedAt)
	keepTime(&a.AnsweredAt, c.AnsweredAt)
	a.NoSpeech = a.NoSpeech || c.NoSpeech
	if c.CostUSD != 0 {
		a.CostUSD = c.CostUSD
	}
	if !r.Status.Terminal() && r.Status != store.StatusHold && a.State == store.AttemptPlaced {
		r.Status = store.StatusInProgress
	}
	return Observation{Changed: !equal(before, *a)}, nil
}

func end(a *store.Attempt, c provider.Call, now time.Time) {
	undecided := a.State != store.AttemptEnded || a.Outcome == "" || a.Outcome == provider.OutcomeUnknown
	if a.State != store.AttemptEnded {
		a.State, a.Reason = store.AttemptEnded, "" // it said why we did not know
	}
	if undecided {
		if c.Outcome != "" {
			a.Outcome = c.Outcome
		}
		if a.Outcome == "" {
			a.Outcome = provider.OutcomeUnknown
		}
		if c.Reason != "" {
			a.Reason = c.Reason
		}
	}
	if !c.EndedAt.IsZero() {
		keepTime(&a.EndedAt, c.EndedAt)
	} else {
		keepTime(&a.EndedAt, now)
	}
}

func keepTime(dst *time.Time, t time.Time) {
	if dst.IsZero() {
		*dst = t
	}
}

func equal(a, b store.Attempt) bool {
	return a.State == b.State && a.CallID == b.CallID && a.Outcome == b.Outcome && a.Reason == b.Reason &&
		a.CostUSD == b.CostUSD && a.NoSpeech == b.NoSpeech && a.DialledAt.Equal(b.DialledAt) && a.AnsweredAt.Equal(b.AnsweredAt) && a.EndedAt.Equal(b.EndedAt)
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
