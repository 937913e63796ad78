package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

// rows opens the store.
func (h *host) rows() (*sqlstore.Store, func(), error) {
	db, err := sql.Open("pgx", h.cfg.Postgres)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(10)
	db.SetConnMaxIdleTime(30 * time.Second)
	rows, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.Postgres, Prefix: h.cfg.Prefix})
	if err != nil {
		_ = db.Close()
		return nil, nil, err
	}
	return rows, func() { _ = db.Close() }, nil
}

func (h *host) migrate(ctx context.Context) error {
	rows, closeRows, err := h.rows()
	if err != nil {
		return err
	}
	defer closeRows()
	return rows.Migrate(ctx)
}

// fenced is the store as the library gets it.
func (h *host) fenced(rows *sqlstore.Store) store.Store {
	if h.cfg.FenceOff {
		return fenceOff{rows}
	}
	return rows
}

// fenceOff is the store without the one thing that keeps phones from ringing twice: a
// compare-and-set that reserves or sends a dial answers yes even though somebody else
// has written meanwhile. The harness must see what follows, or it sees nothing.
type fenceOff struct{ *sqlstore.Store }

func (s fenceOff) Update(ctx context.Context, r store.Record) (store.Record, error) {
	updated, err := s.Store.Update(ctx, r)
	n := len(r.Attempts)
	if !errors.Is(err, store.ErrConflict) || n == 0 {
		return updated, err
	}
	switch r.Attempts[n-1].State {
	case store.AttemptReserved, store.AttemptSending:
		r.Version++
		return r, nil
	}
	return updated, err
}
