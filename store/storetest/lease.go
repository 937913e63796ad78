package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/superservices/voice/store"
)

// lease is a Lease of pairs of a scope and the most it may have.
func lease(holder string, lasts time.Duration, pairs ...any) store.Lease {
	l := store.Lease{Holder: holder, Scopes: map[string]int{}, Until: time.Now().Add(lasts)}
	for i := 0; i < len(pairs); i += 2 {
		l.Scopes[pairs[i].(string)] = pairs[i+1].(int)
	}
	return l
}

// acquire adds a problem unless Acquire of l answers want.
func (p *problems) acquire(ctx context.Context, st store.Store, why string, l store.Lease, want bool) {
	got, err := st.(store.Leaser).Acquire(ctx, l)
	if err != nil || got != want {
		p.addf("Acquire of %v for %s: got %v and error %v, want %v: %s", l.Scopes, l.Holder, got, err, want, why)
	}
}

func (p *problems) release(ctx context.Context, st store.Store, holder string) {
	if err := st.(store.Leaser).Release(ctx, holder); err != nil {
		p.addf("Release of %s: %v", holder, err)
	}
}

func checkLeases(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	p.acquire(ctx, st, "nobody has anything", lease("a/1", time.Hour, "trunk", 2, "number", 1), true)
	p.acquire(ctx, st, "trunk has one of two", lease("b/1", time.Hour, "trunk", 2), true)
	p.acquire(ctx, st, "trunk is full", lease("c/1", time.Hour, "trunk", 2), false)
	p.acquire(ctx, st, "this caller allows three", lease("c/1", time.Hour, "trunk", 3), true)
	p.acquire(ctx, st, "none are allowed", lease("d/1", time.Hour, "closed", 0), false)
	p.acquire(ctx, st, "its own lease does not count against a holder", lease("a/1", time.Hour, "trunk", 3, "number", 1), true)
	p.release(ctx, st, "c/1")

	p.release(ctx, st, "b/1")
	p.acquire(ctx, st, "number is full", lease("d/1", time.Hour, "trunk", 2, "number", 1), false)
	p.acquire(ctx, st, "a refused holder took trunk all the same", lease("e/1", time.Hour, "trunk", 2), true)
	p.acquire(ctx, st, "trunk is full", lease("d/1", time.Hour, "trunk", 2), false)

	p.release(ctx, st, "a/1")
	p.acquire(ctx, st, "all of a/1 was given back", lease("d/1", time.Hour, "trunk", 2, "number", 1), true)
	p.release(ctx, st, "a/1")
	p.release(ctx, st, "nobody")
	p.acquire(ctx, st, "giving back nothing gave back what others have", lease("f/1", time.Hour, "number", 1), false)
	return p.err()
}

func checkLeaseRace(ctx context.Context, s subject) error {
	const most = 3
	var p problems
	st := s.open()
	for round := range 4 {
		// Each starts with another scope, so that locks taken one by one would cross.
		scopes := []any{fmt.Sprint("trunk", round), most, fmt.Sprint("number", round), most, fmt.Sprint("tenant", round), most}
		var taken [rivals]bool
		var errs [rivals]error
		compete(func(rival int) {
			turned := append(append([]any{}, scopes[2*(rival%3):]...), scopes[:2*(rival%3)]...)
			taken[rival], errs[rival] = st.(store.Leaser).Acquire(ctx, lease(fmt.Sprintf("task-%d-%d/1", round, rival), time.Hour, turned...))
		})
		won := 0
		for rival := range rivals {
			if errs[rival] != nil {
				p.addf("Acquire: %v", errs[rival])
			}
			if taken[rival] {
				won++
			}
		}
		if won != most {
			p.addf("%d of %d concurrent holders acquired a scope for %d", won, rivals, most)
		}
	}
	return p.err()
}

func checkLeaseExpiry(ctx context.Context, s subject) error {
	const brief = 100 * time.Millisecond
	var p problems
	st := s.open()
	p.acquire(ctx, st, "nobody has it", lease("a/1", brief, "brief", 1), true)
	p.acquire(ctx, st, "nobody has it", lease("a/2", brief, "extended", 1), true)
	p.acquire(ctx, st, "a repetition extends", lease("a/2", time.Hour, "extended", 1), true)
	time.Sleep(2 * brief)
	// The store's clock may be another machine's, and a bit behind.
	deadline := time.Now().Add(3 * time.Second)
	for {
		taken, err := st.(store.Leaser).Acquire(ctx, lease("b/1", time.Hour, "brief", 1))
		if err != nil {
			return fmt.Errorf("Acquire: %w", err)
		}
		if taken {
			break
		}
		if time.Now().After(deadline) {
			p.addf("a lease of %v still counts after 3 s", brief)
			break
		}
		time.Sleep(brief)
	}
	p.acquire(ctx, st, "it was extended by an hour", lease("b/2", time.Hour, "extended", 1), false)
	if len(p) == 0 {
		p.acquire(ctx, st, "its lease ended and another has the scope", lease("a/1", time.Hour, "brief", 1), false)
	}
	return p.err()
}
