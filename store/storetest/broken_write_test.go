package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/superservices/voice/store"
)

// writeFaults are stores that write wrongly, or fence wrongly.
var writeFaults = []storeFault{
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
}
