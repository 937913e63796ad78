package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

// A statement or transaction is tried at most retryTries times, with waits that
// double up to retryMax, about a second in all; and no more once retryFor has
// passed, for then the database has done the waiting itself (busy_timeout).
const (
	retryTries = 8
	retryFor   = 3 * time.Second
	retryFirst = 10 * time.Millisecond
	retryMax   = 250 * time.Millisecond
)

// retry runs do again while it fails with an error after which that is right.
// Every other error is returned at once: a write may have happened.
func (s *Store) retry(ctx context.Context, do func() error) error {
	wait, start := retryFirst, time.Now()
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == retryTries || time.Since(start) > retryFor || !passing(s.names.dialect, err) {
			return err
		}
		// Half of the wait is chance, so that those who collided do not meet again.
		timer := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		wait = min(2*wait, retryMax)
	}
}

// Codes of PostgreSQL.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	tooManyConnections   = "53300" // said before a statement is taken
	cannotConnectNow     = "57P03" // likewise: starting up, or in recovery
	adminShutdown        = "57P01" // the backend's last word: see cutOff
)

// passing reports whether the trouble may be over next time, and trying again does
// no harm: the database took nothing or, of adminShutdown, whoever repeats a write
// minds what cutOff says. It knows the drivers only by what their errors say.
func passing(d Dialect, err error) bool {
	if d == Postgres {
		switch stateOf(err) {
		case serializationFailure, deadlockDetected, tooManyConnections, cannotConnectNow, adminShutdown:
			return true
		}
		return false
	}
	text := err.Error()
	for _, busy := range []string{"database is locked", "database table is locked", "SQLITE_BUSY", "SQLITE_LOCKED"} {
		if strings.Contains(text, busy) {
			return true
		}
	}
	return false
}

// cutOff reports whether err leaves open if a write took place: the backend was
// stopped on the way. To write again is safe, since every write compares the version;
// to take a repetition that wrote nothing for a conflict with somebody else is not.
func cutOff(d Dialect, err error) bool {
	return d == Postgres && stateOf(err) == adminShutdown
}

func stateOf(err error) string {
	var coded interface{ SQLState() string } // pgx and lib/pq
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}
