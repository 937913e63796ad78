package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/store"
)

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
