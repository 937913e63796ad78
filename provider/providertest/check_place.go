package providertest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// checks lists every check in order.
func checks() []check {
	all := []check{
		{"Harness", "", (*checking).harness},
		{"Name", "", (*checking).constantName},
		{"Traits", "", (*checking).constantTraits},
		{"Place", "", (*checking).placeOnce},
		{"Place/cancelled_context", "", (*checking).placeCancelled},
		{"Place/context_ends_later", "", (*checking).contextEndsLater},
		{"Place/odd_keys", "", (*checking).oddKeys},
		{"Place/concurrent", "", (*checking).placeConcurrent},
		{"Place/idempotent", "", (*checking).idempotent},
		{"OnPlaced", "", (*checking).onPlaced},
		{"Get", "", (*checking).get},
		{"Get/unknown", "", (*checking).getUnknown},
		{"End", "", (*checking).end},
		{"End/twice", "", (*checking).endTwice},
		{"End/unknown", "", (*checking).endUnknown},
		{"Find", "", (*checking).find},
		{"Find/unknown", "", (*checking).findUnknown},
		{"Find/cancelled_context", "", (*checking).findCancelled},
		{"List", "", (*checking).list},
		{"Concurrent", "", (*checking).concurrent},
		{"Errors", "", (*checking).errors},
		{"LoseReply", hookLoseReply, (*checking).loseReply},
		{"Trouble/fault_after_accept", "Trouble/fault_after_accept", (*checking).faultAfterAccept},
		{"Trouble/closed_connection", "Trouble/closed_connection", (*checking).closedConnection},
		{"Trouble/slow", "Trouble/slow", (*checking).slow},
		{"Trouble/find_lag", "Trouble/find_lag", (*checking).findLag},
	}
	for _, kind := range kindsOf[hookRefuse] {
		all = append(all, check{"Refuse/" + kind, "Refuse/" + kind, func(c *checking) { c.refuse(provider.Kind(kind)) }})
	}
	for _, outcome := range kindsOf[hookFinish] {
		all = append(all, check{"Finish/" + outcome, "Finish/" + outcome, func(c *checking) { c.finish(provider.Outcome(outcome)) }})
	}
	return all
}

// harness: every hook is there or explained.
func (c *checking) harness() {
	for _, problem := range c.s.h.problems() {
		c.Errorf("%s", problem)
	}
}

// constantName: the name is one that NewRegistry takes, and stays.
func (c *checking) constantName() {
	if _, err := provider.NewRegistry(c.p); err != nil {
		c.Errorf("%v", err)
	}
	c.dial(c.key())
	for range 3 {
		if got := c.p.Name(); got != c.name {
			c.fatalf("Name() = %q, was %q before: it is stored, and must be constant", got, c.name)
		}
	}
}

// constantTraits: the traits stay, whatever happens.
func (c *checking) constantTraits() {
	if c.traits.VisibilityLag < 0 {
		c.Errorf("Traits().VisibilityLag = %s, want 0 (2 minutes) or more", c.traits.VisibilityLag)
	}
	c.dial(c.key())
	for range 3 {
		if got := provider.TraitsOf(c.p); got != c.traits {
			c.fatalf("Traits() = %+v, were %+v before: they must be constant", got, c.traits)
		}
	}
}

// placeOnce: one Place rings one phone and answers with a call that has an id. A
// Blocking one answers with the call's end.
func (c *checking) placeOnce() {
	a := c.dial(c.key())
	if !c.traits.Blocking {
		return
	}
	if !c.endOf(a) {
		return
	}
	c.wellFormed("Place", a.call, a.req.Key)
	if a.call.Status != provider.StatusEnded {
		c.Errorf("Place of a Blocking provider returned a call that is %s, want ended", a.call.Status)
	}
}

// endOf hangs up a call whose Place blocks, and waits for Place to return it. It
// reports false where the platform cannot hang up.
func (c *checking) endOf(a *attempt) bool {
	c.Helper()
	if err := c.p.End(c.ctx, a.id); err != nil {
		if errors.Is(err, provider.ErrUnsupported) {
			c.Logf("End is unsupported: the end of a blocking Place is not checked")
			return false
		}
		c.fatalf("End(%q) = %v", a.id, err)
	}
	c.returned(a, c.s.patience, "End of its call")
	switch {
	case a.err != nil:
		c.fatalf("Place = %v after its call was ended, want the call", a.err)
	case a.call.ID != a.id:
		c.Errorf("Place returned the call %q, but it told OnPlaced of %q", a.call.ID, a.id)
	}
	return true
}

// placeCancelled: with a context that has ended nothing rings.
func (c *checking) placeCancelled() {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	a := c.start(ctx, c.key())
	c.returned(a, c.s.prompt, "a call with a context that had ended before")
	if a.err == nil {
		c.Errorf("Place with a cancelled context = %+v, want an error", a.call)
	}
}

// contextEndsLater: the end of Place's context after Place has done its work is
// nothing to the callee.
func (c *checking) contextEndsLater() {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	a := c.start(ctx, c.key())
	c.hasID(a)
	c.ring(1)
	cancel()
	c.returned(a, c.s.prompt, "the end of its context")
	if c.traits.Blocking {
		c.unknownOr(a, "whose context ended while it blocked")
	}
	c.staysLive(a)
}

// unknownOr: where a phone rang and the answer is lost, Place says outcome_unknown
// or comes up with the call all the same.
func (c *checking) unknownOr(a *attempt, what string) {
	c.Helper()
	switch kind := provider.KindOf(a.err); {
	case a.err == nil:
		c.wellFormed("Place "+what, a.call, a.req.Key)
		if a.id == "" {
			a.id = a.call.ID
		}
	case kind.NotPlaced():
		c.fatalf("Place %s = %v, of kind %s: it claims that nothing rang, and the library would dial again; want outcome_unknown", what, a.err, kind)
	case kind != provider.KindOutcomeUnknown:
		c.fatalf("Place %s = %v, of kind %q, want outcome_unknown", what, a.err, kind)
	}
}

// staysLive watches the call of a for a moment: it must not be hung up.
func (c *checking) staysLive(a *attempt) {
	c.Helper()
	if a.id == "" {
		c.Logf("the call cannot be found: that it goes on is not checked")
		return
	}
	var (
		call provider.Call
		err  error
	)
	get := func() bool {
		call, err = c.p.Get(c.ctx, a.id)
		return !errors.Is(err, provider.ErrNotFound)
	}
	shown := c.eventually(c.s.patience, get)
	for deadline := time.Now().Add(c.s.watch); time.Now().Before(deadline) && shown; shown = get() {
		switch {
		case errors.Is(err, provider.ErrUnsupported):
			c.Logf("Get is unsupported: that the call goes on is not checked")
			return
		case err == nil && call.Status == provider.StatusEnded:
			c.fatalf("the call has ended (%s, %q): a provider never hangs up because a context ended (or the callee of Harness.Request hung up by itself: it should not)", call.Outcome, call.Reason)
		}
		time.Sleep(c.s.watch / 10)
	}
	if !shown {
		c.fatalf("Get(%q) = %v: the call is gone, though only a context has ended", a.id, err)
	}
}

// oddKeys: any task id makes a key, and no key is taken for another.
func (c *checking) oddKeys() {
	lookup := map[string]provider.CallID{}
	for _, taskID := range []string{
		` a&b=c?d#e%2Ff+g;h"i'j\k<l>{m}`,
		"Ünïcode-電話-🔔",
		strings.Repeat("x", 190),
		strings.Repeat("x", 189) + "y",
	} {
		key := provider.Key(c.prefix[len(c.prefix)-8:]+taskID, 1)
		a := c.dial(key)
		for other, id := range lookup {
			if id == a.id {
				c.fatalf("Place(%q) and Place(%q) gave the same ID %q", key, other, id)
			}
		}
		lookup[key] = a.id
	}
	if c.finder == nil {
		return
	}
	for key, id := range lookup {
		if call := c.found(key, c.s.patience); call.ID != id {
			c.Errorf("Find(%q) = the call %q, want %q", key, call.ID, id)
		}
	}
}

// placeConcurrent: Place may be called from many goroutines.
func (c *checking) placeConcurrent() {
	const n = 8
	var attempts []*attempt
	for range n {
		attempts = append(attempts, c.start(c.ctx, c.key()))
	}
	ids := map[provider.CallID]string{}
	for _, a := range attempts {
		c.hasID(a)
		if other, twice := ids[a.id]; twice {
			c.Errorf("Place(%q) and Place(%q) gave the same ID %q", a.req.Key, other, a.id)
		}
		ids[a.id] = a.req.Key
	}
	c.ring(n)
	if c.finder == nil {
		return
	}
	for id, key := range ids {
		if call := c.found(key, c.s.patience); call.ID != id {
			c.Errorf("Find(%q) = the call %q, want %q", key, call.ID, id)
		}
	}
}

// idempotent: a platform of which Traits say so refuses to dial a key twice.
func (c *checking) idempotent() {
	if !c.traits.IdempotentPlace {
		return
	}
	first := c.dial(c.key())
	again := c.start(c.ctx, first.req.Key)
	if c.traits.Blocking {
		c.endOf(first)
	}
	c.returned(again, c.s.patience, "a second Place of its key")
	if again.err != nil || again.call.ID != first.id {
		c.Errorf("with Traits.IdempotentPlace a second Place of a key = %q, %v; want the first call, %q", again.call.ID, again.err, first.id)
	}
}

// onPlaced: a Blocking provider tells the id before it blocks, and goes on when the
// id could not be kept.
func (c *checking) onPlaced() {
	if !c.traits.Blocking {
		return
	}
	var (
		mu    sync.Mutex
		heard []provider.Call
	)
	done := make(chan struct{})
	req := c.request(c.key(), func(call provider.Call) error {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, call)
		return errors.New("the id could not be kept")
	})
	a := &attempt{req: req, done: done}
	go func() {
		defer close(done)
		a.call, a.err = c.p.Place(c.ctx, req)
	}()
	first := func() (call provider.Call, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(heard) == 0 {
			return provider.Call{}, false
		}
		return heard[0], true
	}
	told := c.eventually(c.s.patience, func() bool {
		if _, ok := first(); ok {
			return true
		}
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	call, ok := first()
	if !told || !ok {
		c.fatalf("a Blocking Place never called OnPlaced")
	}
	c.ring(1)
	c.wellFormed("OnPlaced", call, req.Key)
	a.id = call.ID
	select {
	case <-time.After(c.s.watch):
		c.endOf(a)
	case <-done:
		c.Errorf("Place returned %+v, %v when OnPlaced failed: it should go on with the call", a.call, a.err)
	}
}
