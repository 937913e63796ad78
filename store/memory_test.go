package store_test

import (
	"testing"
	"time"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/storetest"
)

func TestMemoryConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{Open: func(*testing.T) store.Store { return store.NewMemory() }})
}

func TestMemoryUseClock(t *testing.T) {
	ctx := t.Context()
	m := store.NewMemory()
	clock := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	m.UseClock(func() time.Time { return clock })
	created, err := m.Create(ctx, store.Record{ID: "task-1"})
	if err != nil || !created.CreatedAt.Equal(clock) || !created.UpdatedAt.Equal(clock) {
		t.Errorf("Create: got CreatedAt %v, UpdatedAt %v and error %v, want %v", created.CreatedAt, created.UpdatedAt, err, clock)
	}
	l := store.Lease{Holder: "task-1/1", Scopes: map[string]int{"trunk": 1}, Until: clock.Add(time.Hour)}
	if taken, err := m.Acquire(ctx, l); !taken || err != nil {
		t.Fatalf("Acquire: got %v and error %v", taken, err)
	}
	other := store.Lease{Holder: "task-2/1", Scopes: map[string]int{"trunk": 1}, Until: clock.Add(2 * time.Hour)}

	clock = clock.Add(time.Hour - time.Nanosecond)
	if taken, err := m.Acquire(ctx, other); taken || err != nil {
		t.Errorf("Acquire just before the end of another's lease: got %v and error %v, want false", taken, err)
	}
	clock = clock.Add(time.Nanosecond)
	if taken, err := m.Acquire(ctx, other); !taken || err != nil {
		t.Errorf("Acquire at the end of another's lease: got %v and error %v, want true", taken, err)
	}
	updated, err := m.Update(ctx, created)
	if err != nil || !updated.UpdatedAt.Equal(clock) || !updated.CreatedAt.Equal(created.CreatedAt) {
		t.Errorf("Update: got CreatedAt %v, UpdatedAt %v and error %v", updated.CreatedAt, updated.UpdatedAt, err)
	}
}

func TestMemoryDueFrom(t *testing.T) {
	m, noon := store.NewMemory(), time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)
	for id, due := range map[string]time.Time{"never": {}, "noon": noon} {
		if _, err := m.Create(t.Context(), store.Record{ID: id, DueAt: due}); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[time.Time]int{{}: 2, time.Unix(0, 0): 1, noon: 1, noon.Add(1): 0} {
		if listed, err := m.List(t.Context(), store.Query{DueBefore: noon.Add(time.Hour), DueFrom: from}); err != nil || len(listed) != want {
			t.Errorf("List of what is due from %v: got %d records and error %v, want %d", from, len(listed), err, want)
		}
	}
}

func TestMemoryIsNotDurable(t *testing.T) {
	if store.NewMemory().Durable() {
		t.Error("Durable: got true; Memory forgets everything with its process")
	}
}
