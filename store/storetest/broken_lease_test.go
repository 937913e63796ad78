package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/superservices/voice/store"
)

// leaseFaults are stores that lease wrongly.
var leaseFaults = []storeFault{
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
			if first, ok := until[l.Holder]; ok { // over or not: the machine may have stood still
				l.Until = first
			}
			until[l.Holder] = l.Until
			mu.Unlock()
			return b.Memory.Acquire(ctx, l)
		}
	}},
}
