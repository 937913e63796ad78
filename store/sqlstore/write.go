package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/store"
)

// createTries bounds Create against a row that vanishes between the insert that
// met it and the read: only somebody deleting tasks by hand can do that.
const createTries = 3

// Create implements store.Store, in one statement; in two if the id exists.
func (s *Store) Create(ctx context.Context, r store.Record) (store.Record, error) {
	r.Version = 1
	w, err := encode(r)
	if err != nil {
		return store.Record{}, err
	}
	for range createTries {
		done, err := s.write(ctx, s.q.create, s.q.createCalls, &w)
		if err != nil {
			return store.Record{}, fmt.Errorf("sqlstore: create task %q: %w", r.ID, err)
		}
		if done {
			return w.record, nil
		}
		old, err := s.Get(ctx, r.ID)
		if err == nil {
			return old, store.ErrExists
		}
		if !errors.Is(err, store.ErrNotFound) {
			return store.Record{}, err
		}
	}
	return store.Record{}, fmt.Errorf("sqlstore: create task %q: it existed and was gone %d times in a row", r.ID, createTries)
}

// Get implements store.Store, in one statement.
func (s *Store) Get(ctx context.Context, id string) (store.Record, error) {
	found, err := s.read(ctx, s.q.get, id)
	if err != nil {
		return store.Record{}, fmt.Errorf("sqlstore: get task %q: %w", id, err)
	}
	if len(found) == 0 {
		return store.Record{}, store.ErrNotFound
	}
	return found[0], nil
}

// Update implements store.Store, in one statement; in two if nothing was written.
func (s *Store) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if r.ID == "" {
		return store.Record{}, store.ErrNotFound
	}
	w, err := encode(r)
	if err != nil {
		return store.Record{}, err
	}
	done, err := s.write(ctx, s.q.update, s.q.updateCalls, &w)
	if err != nil {
		return store.Record{}, fmt.Errorf("sqlstore: update task %q: %w", r.ID, err)
	}
	if done {
		w.record.Version++
		return w.record, nil
	}
	exists := false
	err = s.retry(ctx, func() error {
		return s.rows(ctx, s.q.exists, []any{r.ID}, func(*sql.Rows) error { exists = true; return nil })
	})
	switch {
	case err != nil:
		// The write did not happen, whatever this error is.
		return store.Record{}, fmt.Errorf("sqlstore: update task %q: %w", r.ID, err)
	case exists:
		return store.Record{}, store.ErrConflict
	}
	return store.Record{}, store.ErrNotFound
}

// write runs an insert or update and reports whether it took place; w.record then
// has the store's times.
func (s *Store) write(ctx context.Context, plain, withCalls string, w *row) (bool, error) {
	query, args := plain, w.args()
	switch {
	case s.names.dialect == SQLite:
		args = append(args, w.calls, micros(time.Now()))
	case w.calls != "":
		query, args = withCalls, append(args, w.calls)
	}
	done := false
	var unsure error
	err := s.retry(ctx, func() error {
		done = false
		err := s.rows(ctx, query, args, func(rows *sql.Rows) error {
			var created, updated int64
			if err := rows.Scan(&created, &updated); err != nil {
				return err
			}
			done = true
			w.record.CreatedAt, w.record.UpdatedAt = fromMicros(created), fromMicros(updated)
			return nil
		})
		if err != nil && cutOff(s.names.dialect, err) {
			unsure = err
		}
		return err
	})
	if err == nil && !done && unsure != nil {
		return false, unsure // what is in the way may be this very write
	}
	return done, err
}

// findable reports whether a query with these parameters can find anything: what
// cannot be stored is nowhere.
func findable(args []any) bool {
	for _, a := range args {
		if text, ok := a.(string); ok && !storable(text) {
			return false
		}
	}
	return true
}

// read returns the records of a query.
func (s *Store) read(ctx context.Context, query string, args ...any) ([]store.Record, error) {
	if !findable(args) {
		return nil, ctx.Err()
	}
	var found []store.Record
	err := s.retry(ctx, func() error {
		found = nil
		return s.rows(ctx, query, args, func(rows *sql.Rows) error {
			r, err := scan(rows)
			found = append(found, r)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
