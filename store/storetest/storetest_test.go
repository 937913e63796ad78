package storetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// broken is a Memory with one fault: the functions that are set take the place of
// its methods.
type broken struct {
	*store.Memory
	create   func(ctx context.Context, r store.Record) (store.Record, error)
	get      func(ctx context.Context, id string) (store.Record, error)
	update   func(ctx context.Context, r store.Record) (store.Record, error)
	list     func(ctx context.Context, q store.Query) ([]store.Record, error)
	sum      func(ctx context.Context, q store.Query) (store.Summary, error)
	findCall func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error)
	acquire  func(ctx context.Context, l store.Lease) (bool, error)
	release  func(ctx context.Context, holder string) error
	durable  bool
}

func (b *broken) Create(ctx context.Context, r store.Record) (store.Record, error) {
	if b.create != nil {
		return b.create(ctx, r)
	}
	return b.Memory.Create(ctx, r)
}

func (b *broken) Get(ctx context.Context, id string) (store.Record, error) {
	if b.get != nil {
		return b.get(ctx, id)
	}
	return b.Memory.Get(ctx, id)
}

func (b *broken) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if b.update != nil {
		return b.update(ctx, r)
	}
	return b.Memory.Update(ctx, r)
}

func (b *broken) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Memory.List(ctx, q)
}

func (b *broken) Summarize(ctx context.Context, q store.Query) (store.Summary, error) {
	if b.sum != nil {
		return b.sum(ctx, q)
	}
	return b.Memory.Summarize(ctx, q)
}

func (b *broken) FindCall(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
	if b.findCall != nil {
		return b.findCall(ctx, providerName, id)
	}
	return b.Memory.FindCall(ctx, providerName, id)
}

func (b *broken) Acquire(ctx context.Context, l store.Lease) (bool, error) {
	if b.acquire != nil {
		return b.acquire(ctx, l)
	}
	return b.Memory.Acquire(ctx, l)
}

func (b *broken) Release(ctx context.Context, holder string) error {
	if b.release != nil {
		return b.release(ctx, holder)
	}
	return b.Memory.Release(ctx, holder)
}

func (b *broken) Durable() bool { return b.durable }

// writing makes change part of both writes.
func (b *broken) writing(change func(r *store.Record)) {
	b.create = func(ctx context.Context, r store.Record) (store.Record, error) {
		change(&r)
		return b.Memory.Create(ctx, r)
	}
	b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
		change(&r)
		return b.Memory.Update(ctx, r)
	}
}

// faults are stores that are wrong in one way each, and the checks that must see
// it, and no other.
var faults = []struct {
	name  string
	fails string
	do    func(b *broken)
}{
	{"nothing is wrong", "", func(b *broken) {}},
	{"ErrExists comes with half a record", "create", func(b *broken) {
		b.create = func(ctx context.Context, r store.Record) (store.Record, error) {
			old, err := b.Memory.Create(ctx, r)
			if errors.Is(err, store.ErrExists) {
				old.Attempts = nil
			}
			return old, err
		}
	}},
	{"Create takes an empty id", "create", func(b *broken) {
		b.create = func(ctx context.Context, r store.Record) (store.Record, error) {
			r.ID = cmp.Or(r.ID, "generated")
			return b.Memory.Create(ctx, r)
		}
	}},
	{"Create looks first and inserts later", "create_race", func(b *broken) {
		b.create = func(ctx context.Context, r store.Record) (store.Record, error) {
			if old, err := b.Memory.Get(ctx, r.ID); err == nil {
				return old, store.ErrExists
			}
			time.Sleep(time.Millisecond)
			created, err := b.Memory.Create(ctx, r)
			if errors.Is(err, store.ErrExists) {
				return created, nil
			}
			return created, err
		}
	}},
	{"Update of nobody is a conflict", "not_found", func(b *broken) {
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			updated, err := b.Memory.Update(ctx, r)
			if errors.Is(err, store.ErrNotFound) {
				err = store.ErrConflict
			}
			return updated, err
		}
	}},
	{"Update takes the same write twice", "compare_and_set", func(b *broken) {
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			old, err := b.Memory.Get(ctx, r.ID)
			if err == nil && r.Reason != "" && r.Reason == old.Reason && r.Version == old.Version-1 {
				return old, nil
			}
			return b.Memory.Update(ctx, r)
		}
	}},
	{"Update compares first and writes later", "contention", func(b *broken) {
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			old, err := b.Memory.Get(ctx, r.ID)
			if err == nil && old.Version != r.Version {
				return store.Record{}, store.ErrConflict
			}
			time.Sleep(time.Millisecond)
			for err == nil {
				var updated store.Record
				if updated, err = b.Memory.Update(ctx, r); err == nil {
					return updated, nil
				}
				old, err = b.Memory.Get(ctx, r.ID)
				r.Version = old.Version
			}
			return store.Record{}, err
		}
	}},
	{"a refused Update leaves its token behind", "own_write", func(b *broken) {
		left := sync.Map{}
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			updated, err := b.Memory.Update(ctx, r)
			if errors.Is(err, store.ErrConflict) && len(r.Attempts) == 1 && r.Attempts[0].State == store.AttemptReserved {
				left.Store(r.ID, r.Attempts[0].Token)
			}
			return updated, err
		}
		b.get = func(ctx context.Context, id string) (store.Record, error) {
			r, err := b.Memory.Get(ctx, id)
			if token, ok := left.Load(id); ok && err == nil {
				r.Attempts[0].Token = token.(string)
			}
			return r, err
		}
	}},
	{"an enumeration lacks a state", "attempts", func(b *broken) {
		b.writing(func(r *store.Record) {
			r.Attempts = slices.Clone(r.Attempts)
			for i := range r.Attempts {
				if r.Attempts[i].State == store.AttemptAborted {
					r.Attempts[i].State = ""
				}
			}
		})
	}},
	{"what was open may be written by who held it before", "attempts", func(b *broken) {
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			old, err := b.Memory.Get(ctx, r.ID)
			if err == nil && old.Version == r.Version+1 && len(r.Attempts) == 1 && r.Attempts[0].Token == "late" {
				r.Version = old.Version
			}
			return b.Memory.Update(ctx, r)
		}
	}},
	{"Update takes the caller's CreatedAt", "versions_and_times", func(b *broken) {
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			updated, err := b.Memory.Update(ctx, r)
			updated.CreatedAt = r.CreatedAt
			return updated, err
		}
	}},
	{"Get returns what List returned", "isolation", func(b *broken) {
		var mu sync.Mutex
		listed := map[string]store.Record{}
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			for _, r := range found {
				listed[r.ID] = r
			}
			return found, err
		}
		b.get = func(ctx context.Context, id string) (store.Record, error) {
			r, err := b.Memory.Get(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if l, ok := listed[id]; ok && err == nil && l.Version == r.Version {
				return l, nil
			}
			return r, err
		}
	}},
	{"a field is forgotten", "round_trip", func(b *broken) {
		b.writing(func(r *store.Record) { r.LeaseUntil = time.Time{} })
	}},
	{"a field of attempts is forgotten", "round_trip", func(b *broken) {
		b.writing(func(r *store.Record) {
			r.Attempts = slices.Clone(r.Attempts)
			for i := range r.Attempts {
				r.Attempts[i].AnsweredAt = time.Time{}
			}
		})
	}},
	{"times are cut to the millisecond", "round_trip", func(b *broken) {
		b.writing(func(r *store.Record) { r.CancelRequestedAt = r.CancelRequestedAt.Truncate(time.Millisecond) })
	}},
	{"a column has a default", "zero_values", func(b *broken) {
		b.writing(func(r *store.Record) { r.Status = cmp.Or(r.Status, store.StatusPending) })
	}},
	{"JSON passes through float64", "json", func(b *broken) {
		b.writing(func(r *store.Record) {
			var v any
			if json.Unmarshal(r.Task, &v) == nil {
				r.Task, _ = json.Marshal(v)
			}
		})
	}},
	{"a column is too short", "large", func(b *broken) {
		b.writing(func(r *store.Record) { r.Reason = r.Reason[:min(len(r.Reason), 4096)] })
	}},
	{"white space at the end is lost", "strings", func(b *broken) {
		b.writing(func(r *store.Record) { r.To = strings.TrimRight(r.To, " ") })
	}},
	{"NUL bytes vanish", "strings", func(b *broken) {
		b.writing(func(r *store.Record) { r.Reason = strings.ReplaceAll(r.Reason, "\x00", "") })
	}},
	{"Get does not heed its context", "cancelled_context", func(b *broken) {
		b.get = func(ctx context.Context, id string) (store.Record, error) {
			return b.Memory.Get(context.WithoutCancel(ctx), id)
		}
	}},
	{"an interrupted Update says conflict", "cancelled_context", func(b *broken) {
		b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
			updated, err := b.Memory.Update(ctx, r)
			if ctx.Err() != nil {
				err = store.ErrConflict
			}
			return updated, err
		}
	}},
	{"durable, and not reopened", "restart", func(b *broken) { b.durable = true }},
	{"List is backwards", "list_order", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			if len(found) < 10 && reflect.DeepEqual(q, store.Query{}) {
				slices.Reverse(found)
			}
			return found, err
		}
	}},
	{"List leaves the attempts out", "list_order", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			for i := range found {
				found[i].Attempts = nil
			}
			return found, err
		}
	}},
	{"a page begins with the last one of the page before", "list_pages", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			if q.After != "" {
				q.After = q.After[:len(q.After)-1] + string(q.After[len(q.After)-1]-1) + "z"
			}
			return b.Memory.List(ctx, q)
		}
	}},
	{"no Limit is no limit", "list_pages", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			q.Limit = cmp.Or(q.Limit, 1<<30)
			return b.Memory.List(ctx, q)
		}
	}},
	{"one filter drives out the other", "list_filters", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			if q.RunID != "" && q.DueBefore.IsZero() {
				q.TenantID = ""
			}
			return b.Memory.List(ctx, q)
		}
	}},
	{"what has no due time is never due", "list_due", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			if !q.DueBefore.IsZero() {
				found = slices.DeleteFunc(found, func(r store.Record) bool { return r.DueAt.IsZero() })
			}
			return found, err
		}
	}},
	{"due now is due before now", "list_due", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			if !q.DueBefore.IsZero() {
				q.DueBefore = q.DueBefore.Add(1)
			}
			return b.Memory.List(ctx, q)
		}
	}},
	{"the cost is that of all runs", "summarize", func(b *broken) {
		b.sum = func(ctx context.Context, q store.Query) (store.Summary, error) {
			sum, err := b.Memory.Summarize(ctx, q)
			all, _ := b.Memory.Summarize(ctx, store.Query{})
			sum.CostUSD = all.CostUSD
			return sum, err
		}
	}},
	{"an earlier call is forgotten", "find_call", func(b *broken) {
		b.findCall = func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
			r, err := b.Memory.FindCall(ctx, providerName, id)
			if err != nil || r.Attempts[len(r.Attempts)-1].CallID == id || len(r.Attempts[0].OtherCallIDs) == 1 {
				return r, err
			}
			return store.Record{}, store.ErrNotFound
		}
	}},
	{"other call ids are not found", "strings find_call", func(b *broken) {
		b.findCall = func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
			r, err := b.Memory.FindCall(ctx, providerName, id)
			for _, a := range r.Attempts {
				if a.CallID == id {
					return r, err
				}
			}
			return store.Record{}, cmp.Or(err, store.ErrNotFound)
		}
	}},
	{"a call is found whoever placed it", "find_call", func(b *broken) {
		b.findCall = func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
			for _, name := range []string{providerName, "vapi", "livekit"} {
				if r, err := b.Memory.FindCall(ctx, name, id); !errors.Is(err, store.ErrNotFound) {
					return r, err
				}
			}
			return store.Record{}, store.ErrNotFound
		}
	}},
	{"Release gives nothing back", "leases", func(b *broken) {
		b.release = func(ctx context.Context, holder string) error { return ctx.Err() }
	}},
	{"a refused holder keeps what it got", "leases", func(b *broken) {
		b.acquire = func(ctx context.Context, l store.Lease) (bool, error) {
			taken, err := b.Memory.Acquire(ctx, l)
			for scope, most := range l.Scopes {
				if !taken && err == nil {
					b.Memory.Acquire(ctx, store.Lease{Holder: l.Holder + scope, Scopes: map[string]int{scope: most}, Until: l.Until})
				}
			}
			return taken, err
		}
	}},
	{"Acquire counts first and takes later", "lease_race", func(b *broken) {
		var mu sync.Mutex
		held := map[string]store.Lease{}
		room := func(l store.Lease) bool {
			mu.Lock()
			defer mu.Unlock()
			for scope, most := range l.Scopes {
				for holder, h := range held {
					if _, ok := h.Scopes[scope]; ok && holder != l.Holder && h.Until.After(time.Now()) {
						most--
					}
				}
				if most <= 0 {
					return false
				}
			}
			return true
		}
		b.acquire = func(ctx context.Context, l store.Lease) (bool, error) {
			if !room(l) || ctx.Err() != nil {
				return false, ctx.Err()
			}
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			held[l.Holder] = l
			return true, nil
		}
		b.release = func(ctx context.Context, holder string) error {
			mu.Lock()
			defer mu.Unlock()
			delete(held, holder)
			return ctx.Err()
		}
	}},
	{"leases last for ever", "lease_expiry", func(b *broken) {
		b.acquire = func(ctx context.Context, l store.Lease) (bool, error) {
			l.Until = l.Until.Add(time.Hour)
			return b.Memory.Acquire(ctx, l)
		}
	}},
	{"a lease is not extended", "lease_expiry", func(b *broken) {
		var mu sync.Mutex
		until := map[string]time.Time{}
		b.acquire = func(ctx context.Context, l store.Lease) (bool, error) {
			mu.Lock()
			if first, ok := until[l.Holder]; ok && first.After(time.Now()) {
				l.Until = first
			}
			until[l.Holder] = l.Until
			mu.Unlock()
			return b.Memory.Acquire(ctx, l)
		}
	}},
}

// childEnv makes the test binary run Run on broken stores, where it is to fail.
const childEnv = "STORETEST_BROKEN"

// TestRunFailsOnBrokenStores runs the suite in another process and reads there
// which subtests failed.
func TestRunFailsOnBrokenStores(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestBrokenStores$", "-test.v", "-test.parallel=64") // they mostly sleep
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the suite on broken stores ended with %v\n%s", err, out)
	}
	failed := map[string][]string{}
	for _, m := range regexp.MustCompile(`--- FAIL: TestBrokenStores/(\S+?)/(\S+)`).FindAllSubmatch(out, -1) {
		failed[string(m[1])] = append(failed[string(m[1])], string(m[2]))
	}
	seen := map[string]bool{}
	for _, f := range faults {
		name := strings.ReplaceAll(f.name, " ", "_")
		if got := strings.Join(failed[name], " "); got != f.fails {
			t.Errorf("a store where %q: failed %q, want %q", f.name, got, f.fails)
		}
		if !bytes.Contains(out, []byte("=== RUN   TestBrokenStores/"+name+"\n")) {
			t.Errorf("a store where %q: was not run", f.name)
		}
		seen[f.fails] = true
	}
	for _, c := range checks {
		if !seen[c.name] {
			t.Errorf("check %s has never been seen to fail alone", c.name)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// TestBrokenStores is run by TestRunFailsOnBrokenStores only.
func TestBrokenStores(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("is to fail; run by TestRunFailsOnBrokenStores")
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			Run(t, Harness{Open: func(*testing.T) store.Store {
				b := &broken{Memory: store.NewMemory()}
				f.do(b)
				return b
			}})
		})
	}
}

// A restart that loses something is seen, whatever it is.
func TestRestartSeesLosses(t *testing.T) {
	ctx := t.Context()
	copyOf := func(old store.Store, skip ...string) store.Store {
		fresh := &broken{Memory: store.NewMemory(), durable: true}
		records, err := old.(store.Lister).List(ctx, store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		clock := time.Time{}
		fresh.UseClock(func() time.Time { return clock })
		for _, want := range records {
			if slices.Contains(skip, want.ID) {
				continue
			}
			clock = want.CreatedAt
			r, err := fresh.Create(ctx, want)
			for clock = want.UpdatedAt; err == nil && r.Version < want.Version; {
				version := r.Version
				r = want
				r.Version = version
				r, err = fresh.Update(ctx, r)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		fresh.UseClock(time.Now)
		if !slices.Contains(skip, "leases") {
			fresh.Memory.Acquire(ctx, lease("task-1/1", time.Hour, "line", 1))
		}
		return fresh
	}
	for name, c := range map[string]struct {
		reopen func(old store.Store) store.Store
		want   string // within the error; empty: it passes
	}{
		"nothing":        {func(old store.Store) store.Store { return copyOf(old) }, ""},
		"everything":     {func(store.Store) store.Store { return store.NewMemory() }, "Get of task-1 after a restart"},
		"one task":       {func(old store.Store) store.Store { return copyOf(old, "task-2") }, "Get of task-2 after a restart"},
		"the leases":     {func(old store.Store) store.Store { return copyOf(old, "leases") }, "Acquire of what was full"},
		"the last write": {func(old store.Store) store.Store { return olderTask2(ctx, copyOf(old, "task-2")) }, "the same Update before and after"},
	} {
		err := checkRestart(ctx, subject{
			open:   func() store.Store { return &broken{Memory: store.NewMemory(), durable: true} },
			reopen: c.reopen,
		})
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("a restart that loses %s: got error %v, want %q", name, err, c.want)
		}
	}
}

func olderTask2(ctx context.Context, s store.Store) store.Store {
	s.Create(ctx, store.Record{ID: "task-2", Attempts: []store.Attempt{{N: 1, Provider: "vapi"}}})
	return s
}

// A store without the optional interfaces passes; it is taken for durable.
func TestRequiredMethodsOnly(t *testing.T) {
	type required struct{ store.Store }
	Run(t, Harness{
		Open:   func(*testing.T) store.Store { return required{store.NewMemory()} },
		Reopen: func(_ *testing.T, s store.Store) store.Store { return s },
	})
	for _, c := range checks {
		err := c.run(t.Context(), subject{open: func() store.Store { return required{store.NewMemory()} }})
		switch {
		case c.needs != "" && !errors.Is(err, errAbsent):
			t.Errorf("%s of a store without store.%s: got error %v", c.name, c.needs, err)
		case c.name == "restart" && (err == nil || errors.Is(err, errAbsent)):
			t.Errorf("%s of a store without Durability nor Reopen: got error %v", c.name, err)
		}
	}
}

// filled sets every field to a value of its own, so that none can be forgotten or
// mixed up with another.
func TestFilled(t *testing.T) {
	seen := map[string]string{}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		if v.IsZero() {
			t.Errorf("%s is zero", path)
		}
		switch {
		case v.Type() == reflect.TypeFor[time.Time]() || v.Kind() == reflect.String && v.Type() == reflect.TypeFor[string]():
			value := v.Interface()
			if text, ok := value.(time.Time); ok {
				value = text.String()
			}
			if other, ok := seen[value.(string)]; ok {
				t.Errorf("%s and %s are both %v", path, other, value)
			}
			seen[value.(string)] = path
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		case v.Kind() == reflect.Slice && v.Type() != reflect.TypeFor[json.RawMessage]():
			for i := range v.Len() {
				walk(v.Index(i), path+"[]")
			}
		}
	}
	walk(reflect.ValueOf(filled("task-1")), "Record")
	if len(seen) < 20 {
		t.Errorf("only %d fields: %v", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}
