package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// noon is a time to count due times from.
var noon = time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)

// sample fills st with eight tasks of two tenants, two runs and several statuses,
// created in another order than that of their ids.
func sample(ctx context.Context, st store.Store) error {
	for _, r := range []store.Record{
		{ID: "d", TenantID: "t1", RunID: "r1", Status: store.StatusPending, DueAt: noon.Add(2 * time.Minute)},
		{ID: "b", TenantID: "t1", RunID: "r1", Status: store.StatusCompleted, DueAt: noon, Attempts: costs(0.5, 0.25)},
		{ID: "a", TenantID: "t1", RunID: "r2", Status: store.StatusPending, DueAt: noon.Add(3 * time.Minute)},
		{ID: "c", TenantID: "t2", RunID: "r2", Status: store.StatusFailed, DueAt: noon.Add(-time.Minute), Attempts: costs(2)},
		{ID: "h", TenantID: "t2", RunID: "r2", Status: store.StatusPending},
		{ID: "g", TenantID: "t2", RunID: "r1", Status: store.StatusScheduled, DueAt: noon.Add(time.Minute)},
		{ID: "f", TenantID: "t2", Status: store.StatusPending, DueAt: noon.Add(time.Minute)},
		{ID: "e", RunID: "r1", Status: store.StatusCompleted, DueAt: noon.Add(time.Minute), Attempts: costs(0.125)},
	} {
		if _, err := st.Create(ctx, r); err != nil {
			return fmt.Errorf("Create: %w", err)
		}
	}
	return nil
}

func costs(usd ...float64) []store.Attempt {
	var attempts []store.Attempt
	for i, c := range usd {
		attempts = append(attempts, store.Attempt{N: i + 1, CostUSD: c})
	}
	return attempts
}

// list adds a problem unless List of q gives the ids of want, space-separated, in
// that order.
func (p *problems) list(ctx context.Context, st store.Store, q store.Query, want string) {
	got, err := st.(store.Lister).List(ctx, q)
	if err != nil || ids(got) != want {
		p.addf("List of %+v: got %q and error %v, want %q", q, ids(got), err, want)
	}
}

func checkListOrder(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	p.list(ctx, st, store.Query{}, "")
	if err := sample(ctx, st); err != nil {
		return err
	}
	p.list(ctx, st, store.Query{}, "a b c d e f g h")
	// An Update must not move a task.
	if _, err := store.Modify(ctx, st, "c", func(r *store.Record) error { r.Reason = "changed"; return nil }); err != nil {
		return fmt.Errorf("Modify: %w", err)
	}
	p.list(ctx, st, store.Query{}, "a b c d e f g h")
	listed, err := st.(store.Lister).List(ctx, store.Query{})
	if err != nil {
		return fmt.Errorf("List: %w", err)
	}
	for _, r := range listed {
		got, err := st.Get(ctx, r.ID)
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		p.same("List compared with Get", got, r)
	}
	return p.err()
}

func checkListPages(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	if err := sample(ctx, st); err != nil {
		return err
	}
	p.list(ctx, st, store.Query{Limit: 3}, "a b c")
	p.list(ctx, st, store.Query{Limit: 3, After: "c"}, "d e f")
	p.list(ctx, st, store.Query{Limit: 3, After: "f"}, "g h")
	p.list(ctx, st, store.Query{After: "h"}, "")
	p.list(ctx, st, store.Query{After: "cc"}, "d e f g h") // no such task
	p.list(ctx, st, store.Query{Limit: 2, After: "a", RunID: "r1"}, "b d")
	p.list(ctx, st, store.Query{Limit: 2, After: "b", Statuses: []store.Status{store.StatusPending, store.StatusFailed}}, "c d")

	// More than the default, with ids that sort differently by bytes and by locale:
	// every task is seen once, whatever the order.
	st = s.open()
	want := map[string]bool{}
	for i := range store.DefaultLimit + 10 {
		id := fmt.Sprintf("%s%d", []string{"a", "A", "b", "B", "-", "_", "é", " a"}[i%8], i)
		want[id] = true
		if _, err := st.Create(ctx, store.Record{ID: id}); err != nil {
			return fmt.Errorf("Create: %w", err)
		}
	}
	p.pages(ctx, st, 0, store.DefaultLimit, want)
	p.pages(ctx, st, 17, 17, want)
	return p.err()
}

// pages walks through all tasks and adds a problem unless it sees each once.
func (p *problems) pages(ctx context.Context, st store.Store, limit, size int, want map[string]bool) {
	seen := map[string]bool{}
	for q := (store.Query{Limit: limit}); len(seen) <= len(want); {
		page, err := st.(store.Lister).List(ctx, q)
		if err != nil {
			p.addf("List of %+v: %v", q, err)
			return
		}
		if full := min(size, len(want)-len(seen)); len(page) != full {
			p.addf("List of %+v: got %d records, want %d", q, len(page), full)
			return
		}
		if len(page) == 0 {
			return
		}
		for _, r := range page {
			if seen[r.ID] || !want[r.ID] {
				p.addf("List of %+v: %q comes twice, or from nowhere", q, r.ID)
				return
			}
			seen[r.ID] = true
		}
		q.After = page[len(page)-1].ID
	}
}

func checkListFilters(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	if err := sample(ctx, st); err != nil {
		return err
	}
	pending, completed := store.StatusPending, store.StatusCompleted
	p.list(ctx, st, store.Query{TenantID: "t1"}, "a b d")
	p.list(ctx, st, store.Query{RunID: "r1"}, "b d e g")
	p.list(ctx, st, store.Query{Statuses: []store.Status{pending}}, "a d f h")
	p.list(ctx, st, store.Query{Statuses: []store.Status{completed, store.StatusFailed}}, "b c e")
	p.list(ctx, st, store.Query{Statuses: []store.Status{}}, "a b c d e f g h")
	p.list(ctx, st, store.Query{TenantID: "t2", RunID: "r2"}, "c h")
	p.list(ctx, st, store.Query{TenantID: "t1", RunID: "r1", Statuses: []store.Status{pending}}, "d")
	p.list(ctx, st, store.Query{TenantID: "t3"}, "")
	p.list(ctx, st, store.Query{TenantID: "t"}, "")
	// The filters see the record as it is now.
	if _, err := store.Modify(ctx, st, "d", func(r *store.Record) error {
		r.Status, r.TenantID, r.RunID = completed, "t3", "r3"
		return nil
	}); err != nil {
		return fmt.Errorf("Modify: %w", err)
	}
	p.list(ctx, st, store.Query{TenantID: "t3", RunID: "r3", Statuses: []store.Status{completed}}, "d")
	p.list(ctx, st, store.Query{TenantID: "t1"}, "a b")
	return p.err()
}

func checkListDue(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	if err := sample(ctx, st); err != nil {
		return err
	}
	// h has no due time: it comes before all others. The limit itself is not due.
	p.list(ctx, st, store.Query{DueBefore: noon.Add(-time.Hour)}, "h")
	p.list(ctx, st, store.Query{DueBefore: noon}, "h c")
	p.list(ctx, st, store.Query{DueBefore: noon.Add(time.Microsecond)}, "h c b")
	p.list(ctx, st, store.Query{DueBefore: noon.Add(time.Hour)}, "h c b e f g d a")
	p.list(ctx, st, store.Query{DueBefore: noon.Add(time.Hour), Limit: 4}, "h c b e")
	p.list(ctx, st, store.Query{DueBefore: noon.Add(time.Hour), After: "e"}, "h c b e f g d a")
	p.list(ctx, st, store.Query{DueBefore: noon.Add(3 * time.Minute), Statuses: []store.Status{store.StatusPending, store.StatusScheduled}}, "h f g d")
	p.list(ctx, st, store.Query{DueBefore: noon.Add(time.Hour), TenantID: "t1", RunID: "r1"}, "b d")
	p.dueFrom(ctx, st)
	if _, err := store.Modify(ctx, st, "h", func(r *store.Record) error { r.DueAt = noon.Add(30 * time.Minute); return nil }); err != nil {
		return fmt.Errorf("Modify: %w", err)
	}
	p.list(ctx, st, store.Query{DueBefore: noon.Add(time.Hour)}, "c b e f g d a h")
	return p.err()
}

// dueFrom: a store may ignore the bound, but must not lose what is within it.
func (p *problems) dueFrom(ctx context.Context, st store.Store) {
	q := store.Query{DueBefore: noon.Add(time.Microsecond), DueFrom: noon.Add(-30 * time.Minute)}
	got, err := st.(store.Lister).List(ctx, q)
	if listed := ids(got); err != nil || (listed != "c b" && listed != "h c b") {
		p.addf("List of %+v: got %q and error %v, want \"c b\", or \"h c b\" where DueFrom is ignored", q, ids(got), err)
	}
}

func checkSummarize(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	sum := func(q store.Query, usd float64, counts ...string) {
		got, err := st.(store.Summarizer).Summarize(ctx, q)
		if err != nil {
			p.addf("Summarize of %+v: %v", q, err)
			return
		}
		var all []string
		for status, n := range got.ByStatus {
			if n != 0 {
				all = append(all, fmt.Sprintf("%s:%d", status, n))
			}
		}
		slices.Sort(all)
		if !slices.Equal(all, counts) || math.Abs(got.CostUSD-usd) > 1e-9 {
			p.addf("Summarize of %+v: got %s and $%v, want %s and $%v", q, strings.Join(all, " "), got.CostUSD, strings.Join(counts, " "), usd)
		}
	}
	sum(store.Query{}, 0)
	if err := sample(ctx, st); err != nil {
		return err
	}
	sum(store.Query{}, 2.875, "completed:2", "failed:1", "pending:4", "scheduled:1")
	sum(store.Query{RunID: "r1"}, 0.875, "completed:2", "pending:1", "scheduled:1")
	sum(store.Query{TenantID: "t2"}, 2, "failed:1", "pending:2", "scheduled:1")
	sum(store.Query{TenantID: "t1", RunID: "r1"}, 0.75, "completed:1", "pending:1")
	sum(store.Query{Statuses: []store.Status{store.StatusPending, store.StatusFailed}}, 2, "failed:1", "pending:4")
	sum(store.Query{DueBefore: noon.Add(time.Second)}, 2.75, "completed:1", "failed:1", "pending:1")
	sum(store.Query{RunID: "nobody"}, 0)
	if _, err := store.Modify(ctx, st, "d", func(r *store.Record) error {
		r.Status, r.Attempts = store.StatusFailed, costs(4, 8)
		return nil
	}); err != nil {
		return fmt.Errorf("Modify: %w", err)
	}
	sum(store.Query{RunID: "r1"}, 12.875, "completed:2", "failed:1", "scheduled:1")
	return p.err()
}

func checkFindCall(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	find := func(when, providerName string, id provider.CallID, want string) {
		got, err := st.(store.CallFinder).FindCall(ctx, providerName, id)
		if want == "" {
			p.want(store.ErrNotFound, err, "%s: FindCall of %q of %q", when, id, providerName)
		} else if err != nil || got.ID != want {
			p.addf("%s: FindCall of %q of %q: got %q and error %v, want %q", when, id, providerName, got.ID, err, want)
		}
	}
	modify := func(id string, change func(r *store.Record)) error {
		want, err := store.Modify(ctx, st, id, func(r *store.Record) error { change(r); return nil })
		if err != nil {
			return fmt.Errorf("Modify: %w", err)
		}
		for _, a := range want.Attempts {
			if a.CallID == "" {
				continue
			}
			if got, err := st.(store.CallFinder).FindCall(ctx, a.Provider, a.CallID); err == nil {
				p.same("FindCall compared with Update", want, got)
			}
		}
		return nil
	}
	for _, r := range []store.Record{
		{ID: "a", Attempts: []store.Attempt{{N: 1, Provider: "vapi"}}},
		{ID: "b", Attempts: []store.Attempt{{N: 1, Provider: "livekit", CallID: "same"}, {N: 2, Provider: "vapi", CallID: "created"}}},
		{ID: "c"},
	} {
		if _, err := st.Create(ctx, r); err != nil {
			return fmt.Errorf("Create: %w", err)
		}
	}
	find("created", "vapi", "created", "b")
	find("created", "livekit", "same", "b")
	find("created", "livekit", "created", "")
	find("created", "vapi", "same", "")
	find("created", "vapi", "", "")
	find("created", "", "", "")
	find("created", "vapi", "nobody", "")

	if err := modify("a", func(r *store.Record) { r.Attempts[0].CallID = "first" }); err != nil {
		return err
	}
	find("an id added", "vapi", "first", "a")
	if err := modify("a", func(r *store.Record) {
		r.Attempts[0].OtherCallIDs = []provider.CallID{"other-1", "other-2"}
		r.Attempts = append(r.Attempts, store.Attempt{N: 2, Provider: "vapi", CallID: "second"}, store.Attempt{N: 3, Provider: "vapi", CallID: "same"})
	}); err != nil {
		return err
	}
	if err := modify("a", func(r *store.Record) { r.Reason = "no new call id" }); err != nil {
		return err
	}
	for _, id := range []provider.CallID{"first", "second", "other-1", "other-2", "same"} {
		find("several ids", "vapi", id, "a")
	}
	find("several ids", "livekit", "same", "b")
	find("several ids", "livekit", "other-1", "")
	find("several ids", "vapi", "created", "b")

	// An Update that is refused brings no call id.
	_, err := st.Update(ctx, store.Record{ID: "c", Version: 9, Attempts: []store.Attempt{{N: 1, Provider: "vapi", CallID: "refused"}}})
	p.want(store.ErrConflict, err, "Update with a wrong Version")
	_, err = st.Create(ctx, store.Record{ID: "c", Attempts: []store.Attempt{{N: 1, Provider: "vapi", CallID: "refused"}}})
	p.want(store.ErrExists, err, "Create of an id that exists")
	find("refused", "vapi", "refused", "")
	return p.err()
}
