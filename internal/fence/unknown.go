package fence

import (
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Unknown is sending -> unknown, after the look window. It cannot be proved either
// way whether a phone rang, so nobody dials this key again.
func Unknown(r *store.Record, n int, why string) error {
	a := Find(r, n)
	if a == nil {
		return ErrNoAttempt
	}
	return unknown(a, nameUnknown, why)
}

// Lost is RowLost: (none), reserved, aborted or not_sent -> unknown, when another
// witness says that the dial was being sent. The store has lost a row it had
// acknowledged.
func Lost(r *store.Record, n int, why string) error {
	a := Find(r, n)
	if a == nil {
		var err error
		if a, err = add(r, n); err != nil {
			return err
		}
	}
	return unknown(a, nameRowLost, why)
}

func unknown(a *store.Attempt, name, why string) error {
	if !step(a, name, store.AttemptUnknown) {
		return ErrLost
	}
	a.Outcome, a.Reason = provider.OutcomeUnknown, why
	return nil
}
