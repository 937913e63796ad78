package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

// fillTasks inserts n tasks by one statement: a quarter each pending, scheduled and
// in progress, all of them due, and as many completed.
func (d database) fillTasks(t *testing.T, exec func(string) error, n int) {
	t.Helper()
	series, calls, noCalls := fmt.Sprintf("generate_series(1, %d) AS series(g)", n), "", ""
	with := ""
	if d.cfg.Dialect == sqlstore.SQLite {
		with = fmt.Sprintf("WITH RECURSIVE series(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM series WHERE g < %d) ", n)
		series, calls, noCalls = "series", "calls, ", "'', "
	}
	err := exec(with + `INSERT INTO ` + d.table("tasks") + ` (id, tenant_id, run_id, status, due_at, version, created_at, updated_at,
		agent_id, callee, outcome, reason, cost_usd, ` + calls + `doc)
		SELECT 't' || g, 'tenant', 'run' || (g % 100), CASE g % 4 WHEN 0 THEN 'pending' WHEN 1 THEN 'scheduled' WHEN 2 THEN 'in_progress' ELSE 'completed' END,
		g, 1, 1, 1, '', '', '', '', 0, ` + noCalls + `'{}' FROM ` + series)
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlansOfABacklog: with the tasks of a large campaign all due at once, and as the
// planner really decides, a claim of the next few reads a few.
func TestPlansOfABacklog(t *testing.T) {
	open := []store.Status{store.StatusPending, store.StatusScheduled, store.StatusProcessing, store.StatusInProgress}
	inBoth(t, func(t *testing.T, d database) {
		var rec recorder
		s, db := d.store(t, &rec)
		run := func(text string) error { _, err := db.ExecContext(t.Context(), text); return err }
		d.fillTasks(t, run, 40_000)
		if err := run("ANALYZE"); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			index string
			q     store.Query
		}{
			"due":      {"tasks_due", store.Query{Statuses: open, DueBefore: time.Now(), Limit: 10}},
			"due one":  {"tasks_due", store.Query{Statuses: open[:1], DueBefore: time.Now(), Limit: 10}},
			"open":     {"tasks_status", store.Query{Statuses: open, Limit: 10}},
			"open on":  {"tasks_status", store.Query{Statuses: open, Limit: 10, After: "t30"}},
			"of a run": {"tasks_run", store.Query{RunID: "run7", Limit: 10, After: "t30"}},
		} {
			rec.take()
			listed, err := s.List(t.Context(), c.q)
			if err != nil || len(listed) != 10 {
				t.Fatalf("%s: got %d records and error %v, want 10", name, len(listed), err)
			}
			sent := rec.take()
			if len(sent) != 1 {
				t.Fatalf("%s: sent %s", name, verbs(sent))
			}
			plan := d.plan(t, db, sent[0], nil)
			bad := !strings.Contains(plan, c.index) || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Bitmap")
			for line := range strings.Lines(plan) {
				bad = bad || (strings.HasPrefix(line, "SCAN "+sqlstore.DefaultPrefix) && !strings.Contains(line, "INDEX"))
			}
			if bad {
				t.Errorf("%s: %s\n%s", name, sent[0].sql, plan)
			}
		}
		first, err := s.List(t.Context(), store.Query{Statuses: open, DueBefore: time.Now(), Limit: 4})
		if err != nil || len(first) != 4 {
			t.Fatalf("got %d records and error %v", len(first), err)
		}
		for i, want := range []string{"t1", "t2", "t4", "t5"} { // t3 is completed
			if first[i].ID != want {
				t.Errorf("due at place %d is %s, want %s", i+1, first[i].ID, want)
			}
		}
	})
}
