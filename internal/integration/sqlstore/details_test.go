package sqlstore_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// The order of ids is that of their bytes, whatever the database's locale (that of
// these tests is English).
func TestOrderIsByBytes(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		for _, id := range []string{"b", "A", "a", "B", "-", "~", "é", "a-b", "ab", "a_b"} {
			if _, err := s.Create(t.Context(), store.Record{ID: id, RunID: "run"}); err != nil {
				t.Fatal(err)
			}
		}
		const want = "- A B a a-b a_b ab b ~ é"
		for _, q := range []store.Query{{}, {RunID: "run"}, {DueBefore: time.Now()}} {
			listed, err := s.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, r := range listed {
				ids = append(ids, r.ID)
			}
			if got := strings.Join(ids, " "); got != want {
				t.Errorf("List of %+v: got %s, want %s", q, got, want)
			}
		}
	})
}

// The calls table only grows: what counts is the record.
func TestCallTakenBack(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		r, err := s.Create(t.Context(), store.Record{ID: "task-1", Attempts: []store.Attempt{{N: 1, Provider: "vapi", CallID: "wrong"}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Create(t.Context(), store.Record{ID: "task-2", Attempts: []store.Attempt{{N: 1, Provider: "vapi", CallID: "wrong"}}}); err != nil {
			t.Fatalf("Create of a second task with the same call: %v", err)
		}
		if found, err := s.FindCall(t.Context(), "vapi", "wrong"); err != nil || found.ID != "task-1" {
			t.Errorf("FindCall of a call of two tasks: got %q and error %v, want the first", found.ID, err)
		}
		for _, next := range []provider.CallID{"right", "", "wrong"} {
			r.Attempts[0].CallID = next
			if r, err = s.Update(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{true: "task-1", false: "task-2"}[next == "wrong"]
			if found, err := s.FindCall(t.Context(), "vapi", "wrong"); err != nil || found.ID != want {
				t.Errorf("FindCall once the call id became %q: got %q and error %v, want %q", next, found.ID, err, want)
			}
			if found, err := s.FindCall(t.Context(), "vapi", "right"); (next == "right") != (err == nil) || (err != nil && !errors.Is(err, store.ErrNotFound)) {
				t.Errorf("FindCall of the new id once it became %q: got %q and error %v", next, found.ID, err)
			}
		}
	})
}

// Times are cut to the microsecond, alike in what Create returns and what is read;
// those out of range are the last.
func TestTimes(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		ctx := t.Context()
		noon := time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)
		zone := time.FixedZone("there", 3600)
		created, err := s.Create(ctx, store.Record{
			ID: "task-1", DueAt: noon.Add(500).In(zone), LeaseUntil: noon.Add(999).In(zone),
			Attempts: []store.Attempt{{N: 1, SentAt: noon.Add(1999).In(zone)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(ctx, "task-1")
		if err != nil {
			t.Fatal(err)
		}
		for what, r := range map[string]store.Record{"Create": created, "Get": got} {
			if r.DueAt != noon || r.LeaseUntil != noon || r.Attempts[0].SentAt != noon.Add(1000) {
				t.Errorf("%s: got %v, %v and %v", what, r.DueAt, r.LeaseUntil, r.Attempts[0].SentAt)
			}
		}
		if created.CreatedAt != got.CreatedAt || created.UpdatedAt != got.UpdatedAt || created.CreatedAt != created.UpdatedAt {
			t.Errorf("Create returned %v and %v, Get %v and %v", created.CreatedAt, created.UpdatedAt, got.CreatedAt, got.UpdatedAt)
		}
		for before, want := range map[time.Time]int{
			noon.Add(-1): 0, noon: 0, noon.Add(1): 1, noon.Add(time.Microsecond): 1, // noon was stored
			time.Unix(1<<40, 0): 1, time.Unix(1<<62, 0): 1,
		} {
			if listed, err := s.List(ctx, store.Query{DueBefore: before}); err != nil || len(listed) != want {
				t.Errorf("List of what is due before %v: got %d records and error %v, want %d", before, len(listed), err, want)
			}
		}
		if _, err := s.Create(ctx, store.Record{ID: "never due"}); err != nil {
			t.Fatal(err)
		}
		for from, want := range map[time.Time]int{{}: 2, time.Unix(0, 0): 1, noon: 1, noon.Add(1): 1, noon.Add(time.Microsecond): 0} {
			if listed, err := s.List(ctx, store.Query{DueBefore: noon.Add(time.Hour), DueFrom: from}); err != nil || len(listed) != want {
				t.Errorf("List of what is due from %v: got %d records and error %v, want %d", from, len(listed), err, want)
			}
		}
		l := store.Lease{Holder: "task-1/1", Scopes: map[string]int{"x": 1}, Until: time.Unix(1<<62, 0)}
		if taken, err := s.Acquire(ctx, l); !taken || err != nil {
			t.Errorf("Acquire for ever: got %v and error %v", taken, err)
		}
		l.Holder = "task-2/1"
		if taken, err := s.Acquire(ctx, l); taken || err != nil {
			t.Errorf("Acquire of what another has for ever: got %v and error %v", taken, err)
		}
	})
}

// Task and Result lose only white space between tokens.
func TestJSONBytes(t *testing.T) {
	const text = `{ "b" : 1.10, "a":"<b>&\u00e9é\/  ` + "\u2028" + `", "b":[ 1e400, -0 ] }`
	const want = `{"b":1.10,"a":"<b>&\u00e9é\/  ` + "\u2028" + `","b":[1e400,-0]}`
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		if _, err := s.Create(t.Context(), store.Record{ID: "task-1", Task: json.RawMessage(text), Result: json.RawMessage(text)}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), "task-1")
		if err != nil || string(got.Task) != want || string(got.Result) != want {
			t.Errorf("got %s and %s and error %v, want %s", got.Task, got.Result, err, want)
		}
	})
}

func TestLimitBelowOne(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		for _, id := range []string{"a", "b"} {
			if _, err := s.Create(t.Context(), store.Record{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		if listed, err := s.List(t.Context(), store.Query{Limit: -1}); err != nil || len(listed) != 2 {
			t.Errorf("got %d records and error %v, want 2", len(listed), err)
		}
	})
}
