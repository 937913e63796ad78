package fence

import (
	"time"

	"github.com/superservices/voice/store"
)

// Claim takes the task for an engine before its first dial. A task without an
// owner, or with this one, may be claimed; so may one whose owner's lease has run
// out (a Direct process that died). A dial that the former owner had reserved is
// aborted then: should that owner only have been frozen, its Send fails.
func Claim(r *store.Record, engine string, now, leaseUntil time.Time) error {
	if err := Claimable(*r, engine, now); err != nil {
		return err
	}
	if r.Owner != "" && r.Owner != engine && holds(guardRelieve) {
		for i := range r.Attempts {
			if a := &r.Attempts[i]; step(a, nameRelieve, store.AttemptAborted) {
				a.Reason = "the lease of its engine ran out"
			}
		}
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
	case r.Owner != "" && r.Owner != engine && !expired && holds(guardEngine):
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
