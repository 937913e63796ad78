package fence

import (
	"time"

	"github.com/superservices/voice/store"
)

// Claim takes the task for an engine before its first dial. A task without an
// owner, or with this one, may be claimed; so may one whose owner's lease has run
// out (a Direct process that died).
//
// The owner says who works on a task. It is not what keeps a phone from ringing twice:
// that holds for two engines at once, too.
func Claim(r *store.Record, engine string, now, leaseUntil time.Time) error {
	if err := Claimable(*r, engine, now); err != nil {
		return err
	}
	r.Owner, r.LeaseUntil = engine, leaseUntil
	return nil
}

// Claimable reports what Claim would refuse, and changes nothing.
func Claimable(r store.Record, engine string, now time.Time) error {
	expired := !r.LeaseUntil.IsZero() && r.LeaseUntil.Before(now)
	switch {
	case r.Status.Terminal() && holds(guardClosed):
		return ErrClosed
	case r.Owner != "" && r.Owner != engine && !expired && holds(guardOwner):
		return ErrOtherEngine
	}
	return nil
}

// dialable refuses a task that must not be dialled now.
func dialable(r *store.Record) error {
	switch {
	case r.Status.Terminal() && holds(guardClosed):
		return ErrClosed
	case !r.CancelRequestedAt.IsZero() && holds(guardCancelled):
		return ErrCancelled
	case r.Status == store.StatusHold && holds(guardHeld):
		return ErrHeld
	}
	return nil
}
