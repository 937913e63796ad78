package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// List implements store.Lister, in one statement. IDs are ordered by their bytes.
// A Limit below 1 is the default. What it costs grows with the Limit, and not with
// the number of tasks that match.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	text, args := s.listing(q)
	found, err := s.read(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: list tasks: %w", err)
	}
	return found, nil
}

// listing is the statement of a List. An index has the tasks of one status in order,
// those of several it would have to sort, all of them: so each status is asked for
// the first few by itself, and the first of these are taken.
func (s *Store) listing(q store.Query) (string, []any) {
	var f filter
	statuses := slices.Compact(slices.Sorted(slices.Values(q.Statuses)))
	if len(statuses) > 1 {
		q.Statuses = nil
	} else {
		q.Statuses = statuses
	}
	f.query(q)
	order := " ORDER BY id"
	if !q.DueBefore.IsZero() {
		order = " ORDER BY due_at, id"
	} else if q.After != "" {
		f.add("id > %s", q.After)
	}
	limit := q.Limit
	if limit < 1 {
		limit = store.DefaultLimit
	}
	tail := order + " LIMIT " + f.param(limit)
	if len(statuses) < 2 {
		return s.q.list + s.q.expand.Replace(f.where()+tail), f.args
	}
	var parts []string
	for i, st := range statuses {
		one := filter{conditions: slices.Clone(f.conditions), args: f.args}
		one.add("status = %s", string(st))
		f.args = one.args
		parts = append(parts, "SELECT "+columns+" FROM ("+s.q.list+s.q.expand.Replace(one.where()+tail)+") AS s"+strconv.Itoa(i))
	}
	text := "SELECT " + columns + " FROM (" + strings.Join(parts, " UNION ALL ") + ") AS found"
	return text + s.q.expand.Replace(tail), f.args
}

// Summarize implements store.Summarizer, in one statement that reads an index
// only. q.After and q.Limit are not used.
func (s *Store) Summarize(ctx context.Context, q store.Query) (store.Summary, error) {
	var f filter
	f.query(q)
	sum := store.Summary{ByStatus: map[store.Status]int{}}
	if !findable(f.args) {
		return sum, ctx.Err()
	}
	query := s.q.sum + s.q.expand.Replace(f.where()+" GROUP BY status")
	err := s.retry(ctx, func() error {
		clear(sum.ByStatus)
		sum.CostUSD = 0
		return s.rows(ctx, query, f.args, func(rows *sql.Rows) error {
			var (
				status store.Status
				n      int
				cost   float64
			)
			err := rows.Scan(&status, &n, &cost)
			sum.ByStatus[status] = n
			sum.CostUSD += cost
			return err
		})
	})
	if err != nil {
		return store.Summary{}, fmt.Errorf("sqlstore: summarize tasks: %w", err)
	}
	return sum, nil
}

// FindCall implements store.CallFinder, in one statement. Should two tasks have the
// call, it returns the one with the lesser ID.
func (s *Store) FindCall(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
	found, err := s.read(ctx, s.q.call, providerName, string(id))
	if err != nil {
		return store.Record{}, fmt.Errorf("sqlstore: find call %q of provider %q: %w", id, providerName, err)
	}
	for _, r := range found {
		// The calls table is never thinned out: what counts is the record.
		if hasCall(r, providerName, id) {
			return r, nil
		}
	}
	return store.Record{}, store.ErrNotFound
}

func hasCall(r store.Record, providerName string, id provider.CallID) bool {
	for _, a := range r.Attempts {
		if a.Provider != providerName {
			continue
		}
		for _, known := range append([]provider.CallID{a.CallID}, a.OtherCallIDs...) {
			if known == id {
				return true
			}
		}
	}
	return false
}

// filter builds a WHERE clause and its parameters.
type filter struct {
	conditions []string
	args       []any
}

// param adds a parameter and returns its placeholder.
func (f *filter) param(v any) string {
	f.args = append(f.args, v)
	return "$" + strconv.Itoa(len(f.args))
}

// add adds a condition; the %s in it is the placeholder of v.
func (f *filter) add(condition string, v any) {
	f.conditions = append(f.conditions, fmt.Sprintf(condition, f.param(v)))
}

// query adds the conditions of q, but for After and Limit. The seemingly idle "<>"
// let SQLite use the partial indexes.
func (f *filter) query(q store.Query) {
	if q.TenantID != "" {
		f.add("tenant_id = %s AND tenant_id <> ''", q.TenantID)
	}
	if q.RunID != "" {
		f.add("run_id = %s AND run_id <> ''", q.RunID)
	}
	if len(q.Statuses) > 0 {
		var in []string
		for _, st := range q.Statuses {
			in = append(in, f.param(string(st)))
		}
		f.conditions = append(f.conditions, "status IN ("+strings.Join(in, ", ")+")")
	}
	if !q.DueBefore.IsZero() {
		// Rounded up: a due time of the same microsecond was cut, so it is before.
		f.add("due_at < %s", micros(q.DueBefore.Add(time.Microsecond-time.Nanosecond)))
	}
	if !q.DueFrom.IsZero() {
		f.add("due_at >= %s", micros(q.DueFrom))
	}
}

func (f *filter) where() string {
	if len(f.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.conditions, " AND ")
}
