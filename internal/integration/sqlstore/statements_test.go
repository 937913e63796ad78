package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

// TestStatements counts what each method sends. One statement outside BEGIN is one
// transaction.
func TestStatements(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		var rec recorder
		s, _ := d.store(t, &rec)
		ctx := t.Context()
		sent := func(what, sqlite, postgres string) {
			t.Helper()
			want := sqlite
			if d.cfg.Dialect == sqlstore.Postgres {
				want = postgres
			}
			if got := verbs(rec.take()); got != want {
				t.Errorf("%s: sent %s, want %s", what, got, want)
			}
		}
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}

		r, err := s.Create(ctx, store.Record{ID: "task-1", Status: store.StatusPending})
		check(err)
		sent("Create", "INSERT", "INSERT")
		_, err = s.Create(ctx, store.Record{ID: "task-1"})
		if !errors.Is(err, store.ErrExists) {
			t.Fatal(err)
		}
		sent("Create of what exists", "INSERT SELECT", "INSERT SELECT")
		_, err = s.Create(ctx, store.Record{ID: "task-2", Attempts: []store.Attempt{{N: 1, Provider: "vapi", CallID: "created"}}})
		check(err)
		sent("Create with a call id", "INSERT", "WITH")
		r, err = s.Get(ctx, "task-1")
		check(err)
		sent("Get", "SELECT", "SELECT")
		r.Attempts = []store.Attempt{{N: 1, Provider: "vapi", State: store.AttemptReserved}}
		r, err = s.Update(ctx, r)
		check(err)
		sent("Update", "UPDATE", "UPDATE")
		r.Attempts[0].CallID = "call-1"
		r, err = s.Update(ctx, r)
		check(err)
		sent("Update with a new call id", "UPDATE", "WITH")
		r.Attempts[0].State = store.AttemptEnded
		r, err = s.Update(ctx, r)
		check(err)
		sent("Update with a known call id", "UPDATE", "WITH")
		r.Version--
		if _, err = s.Update(ctx, r); !errors.Is(err, store.ErrConflict) {
			t.Fatal(err)
		}
		sent("Update that conflicts", "UPDATE SELECT", "WITH SELECT")
		_, err = s.FindCall(ctx, "vapi", "call-1")
		check(err)
		sent("FindCall", "SELECT", "SELECT")
		_, err = s.List(ctx, store.Query{})
		check(err)
		sent("List", "SELECT", "SELECT")
		_, err = s.Summarize(ctx, store.Query{})
		check(err)
		sent("Summarize", "SELECT", "SELECT")

		lease := store.Lease{Holder: "task-1/1", Scopes: map[string]int{"trunk": 1, "number": 1}, Until: time.Now().Add(time.Hour)}
		_, err = s.Acquire(ctx, lease)
		check(err)
		sent("Acquire", "BEGIN WITH DELETE COMMIT", "BEGIN SELECT WITH WITH COMMIT")
		lease.Holder = "task-2/1"
		_, err = s.Acquire(ctx, lease)
		check(err)
		sent("Acquire that is refused", "BEGIN WITH COMMIT", "BEGIN SELECT WITH COMMIT")
		check(s.Release(ctx, "task-1/1"))
		sent("Release", "DELETE", "DELETE")
		check(s.Migrate(ctx))
		sent("Migrate with nothing to do", "SELECT SELECT", "SELECT SELECT")
	})
}

// TestPlainCallBudget carries one task through the writes of a plain call: at most
// 8 statements, 6 of them writes, each a transaction of its own.
func TestPlainCallBudget(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		var rec recorder
		s, _ := d.store(t, &rec)
		if err := plainCall(t.Context(), s, "task-1"); err != nil {
			t.Fatal(err)
		}
		sent := rec.take()
		reads := strings.Count(verbs(sent), "SELECT")
		t.Logf("%d statements, %d of them reads: %s", len(sent), reads, verbs(sent))
		if len(sent) > 8 || len(sent)-reads > 6 {
			t.Errorf("%d statements with %d writes, want at most 8 and 6", len(sent), len(sent)-reads)
		}
	})
}

// plainCall is submit, reserve, send, place, end (found by the call id), record.
func plainCall(ctx context.Context, s *sqlstore.Store, id string) error {
	call := provider.CallID("call of " + id)
	r, err := s.Create(ctx, store.Record{ID: id, Status: store.StatusPending})
	if err != nil {
		return err
	}
	if r, err = s.Get(ctx, id); err != nil { // another process
		return err
	}
	r.Status = store.StatusProcessing
	r.Attempts = []store.Attempt{{N: 1, Key: provider.Key(id, 1), Provider: "vapi", State: store.AttemptReserved}}
	for _, change := range []func(){
		func() {},
		func() { r.Attempts[0].State = store.AttemptSending },
		func() { r.Attempts[0].State, r.Attempts[0].CallID = store.AttemptPlaced, call },
	} {
		change()
		if r, err = s.Update(ctx, r); err != nil {
			return err
		}
	}
	if r, err = s.FindCall(ctx, "vapi", call); err != nil { // the webhook
		return err
	}
	r.Attempts[0].State = store.AttemptEnded
	if r, err = s.Update(ctx, r); err != nil {
		return err
	}
	r.Status = store.StatusCompleted
	_, err = s.Update(ctx, r)
	return err
}

// TestPlans looks at how the databases would carry out each query: none may read
// all tasks, however many there are.
func TestPlans(t *testing.T) {
	due := time.Now()
	open := []store.Status{store.StatusPending, store.StatusScheduled}
	inBoth(t, func(t *testing.T, d database) {
		var rec recorder
		s, db := d.store(t, &rec)
		ctx := t.Context()
		list := func(q store.Query) func() error { return func() error { _, err := s.List(ctx, q); return err } }
		sum := func(q store.Query) func() error { return func() error { _, err := s.Summarize(ctx, q); return err } }
		for name, q := range map[string]struct {
			index string // that it must use
			do    func() error
		}{
			"get":       {"tasks", func() error { _, err := s.Get(ctx, "x"); return err }},
			"update":    {"tasks", func() error { _, err := s.Update(ctx, store.Record{ID: "x"}); return err }},
			"find call": {"calls", func() error { _, err := s.FindCall(ctx, "vapi", "x"); return err }},
			"release":   {"leases_holder", func() error { return s.Release(ctx, "x") }},
			// A page must come in order from an index, not be sorted.
			"page":               {"tasks", list(store.Query{After: "x"})},
			"page of one status": {"tasks_status", list(store.Query{Statuses: open[:1], After: "x"})},
			"page of a run":      {"tasks_run", list(store.Query{RunID: "x", After: "x"})},
			"page of a tenant":   {"tasks_tenant", list(store.Query{TenantID: "x", After: "x"})},
			"list statuses":      {"tasks_status", list(store.Query{Statuses: open})},
			"page of statuses":   {"tasks_status", list(store.Query{Statuses: open, After: "x"})},
			"list due":           {"tasks_due", list(store.Query{Statuses: open, DueBefore: due})},
			"sum of a run":       {"tasks_run", sum(store.Query{RunID: "x"})},
			"sum of a tenant":    {"tasks_tenant", sum(store.Query{TenantID: "x"})},
			"sum of statuses":    {"tasks_", sum(store.Query{Statuses: open})},
			"sum of both":        {"tasks_run", sum(store.Query{RunID: "x", Statuses: open})},
		} {
			if err := q.do(); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			for _, sent := range rec.take() {
				plan := d.explain(t, db, sent)
				rec.take()
				bad := strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, q.index)
				for line := range strings.Lines(plan) {
					bad = bad || (strings.HasPrefix(line, "SCAN "+sqlstore.DefaultPrefix) && !strings.Contains(line, "INDEX"))
					if strings.HasPrefix(name, "sum") && strings.Contains(line, " INDEX ") {
						bad = bad || !strings.Contains(line, "COVERING INDEX")
					}
				}
				if strings.HasPrefix(name, "page") && name != "page of statuses" { // that one sorts a few of each
					bad = bad || strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE")
				}
				if bad {
					t.Errorf("%s: %s\n%s", name, sent.sql, plan)
				}
			}
		}
	})
}
