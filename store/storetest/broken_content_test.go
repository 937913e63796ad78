package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/store"
)

// contentFaults are stores that give back something else than they were given.
var contentFaults = []storeFault{
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
}
