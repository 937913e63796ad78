package fence

import (
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

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

// Reserve makes Reserve, TakeOver, ReserveAgain and SendAgain. Nobody has dialled, or
// it is proved that nobody did; the new token makes the compare-and-set of whoever
// held the row before fail.
func Reserve(r *store.Record, v Reservation) error {
	if err := Claimable(*r, v.Engine, v.At); err != nil {
		return err
	}
	if err := dialable(r); err != nil {
		return err
	}
	a := Find(r, v.N)
	if a == nil {
		if v.N > 1 && v.N-2 < len(r.Attempts) && !settled(r.Attempts[v.N-2]) {
			return ErrOrder
		}
		var err error
		if a, err = add(r, v.N); err != nil {
			return err
		}
	}
	if a.State == store.AttemptNotSent && !SendsLeft(*a) {
		return ErrSpent
	}
	if !step(a, reserving(a.State), store.AttemptReserved) {
		return ErrSent
	}
	a.Provider, a.Token, a.ReservedAt = v.Provider, v.Token, v.At
	a.NotBefore, a.Reason = time.Time{}, ""
	r.Owner, r.LeaseUntil = v.Engine, v.Lease
	r.Status, r.DueAt, r.Reason = store.StatusProcessing, v.Due, ""
	return nil
}

// reserving names the transition to reserved. From a state of a dial that may have
// gone out there is none.
func reserving(from store.AttemptState) string {
	switch from {
	case store.AttemptReserved:
		return nameTakeOver
	case store.AttemptAborted:
		return nameReserveAgain
	case store.AttemptNotSent:
		return nameSendAgain
	}
	return nameReserve
}

// SendsLeft reports whether a dial that was not sent may be sent again. Without an end
// to it a task whose provider refuses for ever would never have a result.
func SendsLeft(a store.Attempt) bool { return a.Sends < MaxSends || !holds(guardSends) }

// settled reports whether a later dial may follow this one.
func settled(a store.Attempt) bool {
	return (a.State == store.AttemptEnded && a.Outcome != provider.OutcomeUnknown) || !holds(guardSettled)
}

// Abort is reserved -> aborted. Nobody rang, and the same key may be reserved again.
// An attempt that is not reserved stays as it is.
func Abort(r *store.Record, n int, why string) {
	if a := Find(r, n); a != nil && step(a, nameAbort, store.AttemptAborted) {
		a.Reason = why
	}
}
