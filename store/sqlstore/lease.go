package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/superservices/voice/store"
)

// Acquire implements store.Leaser, in a small transaction: two statements, and in
// PostgreSQL one more that makes takers of the same scope queue. A lease has ended
// once the clock of the database has reached Until. After an error repeat it, or
// Release: both are safe.
func (s *Store) Acquire(ctx context.Context, l store.Lease) (bool, error) {
	if len(l.Scopes) == 0 {
		err := s.Release(ctx, l.Holder)
		return err == nil, err
	}
	scopes := slices.Sorted(maps.Keys(l.Scopes))
	if !storable(append(scopes, l.Holder)...) {
		return false, fmt.Errorf("lease of %q: %w", l.Holder, ErrText)
	}
	taken := false
	err := s.retry(ctx, func() error {
		taken = false
		return s.inTx(ctx, func(tx *sql.Tx) (err error) {
			if err := s.lockScopes(ctx, tx, scopes); err != nil {
				return err
			}
			if taken, err = s.insertLease(ctx, tx, l, scopes); err != nil || !taken {
				return err
			}
			return s.deleteLeases(ctx, tx, l.Holder, scopes)
		})
	})
	if err != nil {
		return false, fmt.Errorf("sqlstore: acquire for %q: %w", l.Holder, err)
	}
	return taken, nil
}

// Release implements store.Leaser, in one statement.
func (s *Store) Release(ctx context.Context, holder string) error {
	if !storable(holder) {
		return ctx.Err()
	}
	err := s.retry(ctx, func() error {
		_, err := s.db.ExecContext(ctx, s.q.end, holder)
		return err
	})
	if err != nil {
		return fmt.Errorf("sqlstore: release %q: %w", holder, err)
	}
	return nil
}

// lockScopes makes other takers of the scopes wait until tx ends. SQLite has one
// writer at a time anyway. All lock in one order.
func (s *Store) lockScopes(ctx context.Context, tx *sql.Tx, scopes []string) error {
	if s.names.dialect != Postgres {
		return nil
	}
	var locks []int64
	for _, scope := range scopes {
		locks = append(locks, advisoryLock(s.names, "scope", scope))
	}
	slices.Sort(locks)
	var calls []string
	var args []any
	for i, lock := range slices.Compact(locks) {
		calls = append(calls, "pg_advisory_xact_lock($"+strconv.Itoa(i+1)+")")
		args = append(args, lock)
	}
	_, err := tx.ExecContext(ctx, "SELECT "+strings.Join(calls, ", "), args...)
	return err
}

// insertLease takes all scopes or, if one is full, none.
func (s *Store) insertLease(ctx context.Context, tx *sql.Tx, l store.Lease, scopes []string) (bool, error) {
	f := filter{args: []any{l.Holder, micros(l.Until)}}
	var want []string
	for _, scope := range scopes {
		want = append(want, "(CAST("+f.param(scope)+" AS text), CAST("+f.param(l.Scopes[scope])+" AS bigint))")
	}
	query := strings.Replace(s.q.insertLease, "{want}", strings.Join(want, ", "), 1)
	result, err := tx.ExecContext(ctx, s.timed(query, &f), f.args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// deleteLeases ends what holder had besides scopes, and all that expired.
func (s *Store) deleteLeases(ctx context.Context, tx *sql.Tx, holder string, scopes []string) error {
	f := filter{args: []any{holder}}
	var keep []string
	for _, scope := range scopes {
		keep = append(keep, f.param(scope))
	}
	query := strings.Replace(s.q.deleteLeases, "{scopes}", strings.Join(keep, ", "), 1)
	_, err := tx.ExecContext(ctx, s.timed(query, &f), f.args...)
	return err
}

// timed expands query; in SQLite its {now} becomes a parameter.
func (s *Store) timed(query string, f *filter) string {
	if s.names.dialect == SQLite {
		query = strings.Replace(query, "{now}", f.param(micros(time.Now())), 1)
	}
	return s.q.expand.Replace(query)
}

// inTx runs do in a transaction. PostgreSQL must read what was committed while it
// waited for a lock, whatever the host's default isolation is.
func (s *Store) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	var options *sql.TxOptions
	if s.names.dialect == Postgres {
		options = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	tx, err := s.db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing to do after Commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// advisoryLock is a number for pg_advisory_xact_lock. Should it meet another by
// chance, they queue for nothing.
func advisoryLock(n names, kind, name string) int64 {
	h := fnv.New64a()
	for _, part := range []string{"voice/sqlstore", n.schema, n.prefix, kind, name} {
		h.Write(append([]byte(part), 0))
	}
	return int64(h.Sum64())
}
