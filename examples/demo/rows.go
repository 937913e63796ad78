package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// row is a task as the store's table has it, read with plain SQL.
type row struct {
	id, status, outcome, reason, callee string
	due                                 time.Time // zero if not set
	task                                json.RawMessage
	dials                               int // that were sent
}

// table reads the store's table, and only reads.
type table struct {
	file string
	db   *sql.DB
}

func openTable(file string) (*table, error) {
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(30000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: file, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &table{file, db}, nil
}

func (t *table) close() { _ = t.db.Close() }

// rows reads all tasks. Before the worker has made the table there are none.
func (t *table) rows(ctx context.Context) ([]row, error) {
	if _, err := os.Stat(t.file); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var there int
	if err := t.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name = 'voice_tasks'`).Scan(&there); err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.file, err)
	}
	if there == 0 {
		return nil, nil
	}
	found, err := t.db.QueryContext(ctx, `SELECT id, status, outcome, reason, callee, due_at, doc FROM voice_tasks ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.file, err)
	}
	defer found.Close()
	var all []row
	for found.Next() {
		var (
			r   row
			due int64
			raw []byte
			doc struct {
				Task     json.RawMessage `json:"task"`
				Attempts []struct {
					Sends int `json:"sends"`
				} `json:"attempts"`
			}
		)
		if err := found.Scan(&r.id, &r.status, &r.outcome, &r.reason, &r.callee, &due, &raw); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("the document of task %s: %w", r.id, err)
		}
		if due > 0 {
			r.due = time.UnixMicro(due)
		}
		r.task = doc.Task
		for _, a := range doc.Attempts {
			if a.Sends > 0 {
				r.dials++
			}
		}
		all = append(all, r)
	}
	return all, found.Err()
}

// ended reports whether the task is over.
func (r row) ended() bool {
	switch r.status {
	case "completed", "failed", "cancelled":
		return true
	}
	return false
}
