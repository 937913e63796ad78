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

// retry runs do again while it fails with an error that proves it was rolled back.
// Every other error is returned at once: the write may have happened.
func (s *Store) retry(ctx context.Context, do func() error) error {
	wait, start := retryFirst, time.Now()
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == retryTries || time.Since(start) > retryFor || !rolledBack(s.names.dialect, err) {
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

// rolledBack reports whether err proves that the database took nothing and may
// take it next time. It knows the drivers only by what their errors say.
func rolledBack(d Dialect, err error) bool {
	if d == Postgres {
		var coded interface{ SQLState() string } // pgx and lib/pq
		if !errors.As(err, &coded) {
			return false
		}
		code := coded.SQLState()
		return code == "40001" || code == "40P01"
	}
	text := err.Error()
	for _, busy := range []string{"database is locked", "database table is locked", "SQLITE_BUSY", "SQLITE_LOCKED"} {
		if strings.Contains(text, busy) {
			return true
		}
	}
	return false
}
