package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/superservices/voice/store"
)

// interfering changes a record behind the back of whoever reads it, for the first
// so many Gets.
type interfering struct {
	*store.Memory
	times int
	then  func() // called after each
}

func (s *interfering) Get(ctx context.Context, id string) (store.Record, error) {
	r, err := s.Memory.Get(ctx, id)
	if err == nil && s.times > 0 {
		s.times--
		other := r
		other.Owner += "x"
		_, err = s.Memory.Update(ctx, other)
		if s.then != nil {
			s.then()
		}
	}
	return r, err
}

func newInterfering(t *testing.T, times int) *interfering {
	t.Helper()
	s := &interfering{Memory: store.NewMemory(), times: times}
	if _, err := s.Create(t.Context(), store.Record{ID: "task-1"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModify(t *testing.T) {
	s := newInterfering(t, 3)
	calls := 0
	r, err := store.Modify(t.Context(), s, "task-1", func(r *store.Record) error {
		calls++
		r.Reason += "changed"
		return nil
	})
	if err != nil || calls != 4 || r.Reason != "changed" || r.Owner != "xxx" || r.Version != 5 {
		t.Errorf("got %d calls, Reason %q, Owner %q, Version %d and error %v", calls, r.Reason, r.Owner, r.Version, err)
	}
	if got, err := s.Memory.Get(t.Context(), "task-1"); err != nil || got.Reason != "changed" || got.Version != 5 {
		t.Errorf("stored: Reason %q, Version %d and error %v", got.Reason, got.Version, err)
	}
}

func TestModifyFails(t *testing.T) {
	never := func(*store.Record) error { t.Error("change was called"); return nil }
	if _, err := store.Modify(t.Context(), store.NewMemory(), "nobody", never); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of an unknown id: got error %v, want %v", err, store.ErrNotFound)
	}

	s := newInterfering(t, 0)
	mine := errors.New("mine")
	if _, err := store.Modify(t.Context(), s, "task-1", func(r *store.Record) error { r.Reason = "changed"; return mine }); err != mine {
		t.Errorf("when change fails: got error %v, want %v as it is", err, mine)
	}
	if got, err := s.Memory.Get(t.Context(), "task-1"); err != nil || got.Reason != "" || got.Version != 1 {
		t.Errorf("when change fails: stored Reason %q, Version %d and error %v", got.Reason, got.Version, err)
	}

	s = newInterfering(t, 1000)
	calls := 0
	_, err := store.Modify(t.Context(), s, "task-1", func(*store.Record) error { calls++; return nil })
	if !errors.Is(err, store.ErrConflict) || calls < 2 || calls > 100 {
		t.Errorf("of a record that never rests: got %d calls and error %v, want %v after a bounded number", calls, err, store.ErrConflict)
	}

	ctx, cancel := context.WithCancel(t.Context())
	s = newInterfering(t, 1000)
	s.then = cancel
	if _, err = store.Modify(ctx, s, "task-1", func(*store.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: got error %v, want %v", err, context.Canceled)
	}
}

// Of an error that is no conflict nobody knows whether the write happened: change
// must not run again.
func TestModifyDoesNotRepeatTheUnknown(t *testing.T) {
	s := &ambiguous{newInterfering(t, 0)}
	calls := 0
	_, err := store.Modify(t.Context(), s, "task-1", func(r *store.Record) error { calls++; return nil })
	if !errors.Is(err, errLost) || calls != 1 {
		t.Errorf("got %d calls and error %v, want one and %v", calls, err, errLost)
	}
}

var errLost = errors.New("connection reset by peer")

type ambiguous struct{ *interfering }

func (s *ambiguous) Update(ctx context.Context, r store.Record) (store.Record, error) {
	s.Memory.Update(ctx, r)
	return store.Record{}, errLost
}

func TestModifyConcurrently(t *testing.T) {
	const rivals, each = 4, 50
	s := newInterfering(t, 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range rivals {
		wg.Go(func() {
			for range each {
				_, err := store.Modify(t.Context(), s, "task-1", func(r *store.Record) error { r.Owner += "x"; return nil })
				if errors.Is(err, store.ErrConflict) {
					continue // too crowded; nothing was written
				}
				if err != nil {
					t.Errorf("Modify: %v", err)
				}
				mu.Lock()
				done++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if r, err := s.Memory.Get(t.Context(), "task-1"); err != nil || len(r.Owner) != done || r.Version != int64(1+done) {
		t.Errorf("after %d changes: got %d, Version %d and error %v", done, len(r.Owner), r.Version, err)
	}
}
