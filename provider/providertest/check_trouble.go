package providertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
)

// loseReply: the platform has carried out the Place, and the provider cannot know
// it.
func (c *checking) loseReply() {
	c.s.h.LoseReply()
	c.troubled("whose reply was lost")
}

// faultAfterAccept: a 5xx is no proof that nothing was placed.
func (c *checking) faultAfterAccept() {
	c.s.h.Trouble(FaultAfterAccept)
	c.troubled("that was answered with a fault")
}

// closedConnection: HTTP clients send some requests again, by themselves, when a
// connection they have used before closes without an answer. So one is used first.
func (c *checking) closedConnection() {
	warm := c.dial(c.key())
	for range 2 {
		_, _ = c.p.Get(c.ctx, warm.id)
	}
	if c.traits.Blocking {
		c.endOf(warm)
	}
	c.s.h.Trouble(ClosedConnection)
	c.troubled("whose connection was closed without an answer")
}

// troubled makes a Place that rings and whose answer does not come through: it says
// so, nothing rings again, and Find sees the call.
func (c *checking) troubled(what string) {
	c.Helper()
	a := c.start(c.ctx, c.key())
	c.over(a, what)
	c.unknownOr(a, what)
	c.ring(1)
	c.adopt(a)
}

// over waits for a Place that need not block. A Blocking provider that did not notice
// its trouble is let go by the end of the call.
func (c *checking) over(a *attempt, what string) {
	c.Helper()
	early := a.placed
	if !c.traits.Blocking {
		early = nil
	}
	select {
	case call := <-early:
		_ = c.p.End(c.ctx, call.ID)
	case <-a.done:
	case <-time.After(c.s.patience):
	}
	c.returned(a, c.s.patience, "a Place "+what)
}

// adopt finds the call of a, as the library does after an answer was lost.
func (c *checking) adopt(a *attempt) {
	c.Helper()
	if c.finder == nil {
		return
	}
	call := c.found(a.req.Key, c.s.patience)
	if a.id != "" && call.ID != a.id {
		c.Errorf("Find(%q) = the call %q, want %q", a.req.Key, call.ID, a.id)
	}
	a.id = call.ID
}

// slow: Place returns soon after its context has ended, claims nothing, and lets the
// callee talk.
func (c *checking) slow() {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		ctx := newEnding(c.ctx, cause)
		c.s.h.Trouble(Slow)
		a := c.start(ctx, c.key())
		c.ring(1)
		if c.s.h.Dials == nil {
			time.Sleep(c.s.watch) // until it has rung, as far as one can tell
		}
		ctx.end()
		c.returned(a, c.s.prompt, "the end of its context")
		c.unknownOr(a, "whose context had ended")
		c.adopt(a)
		c.staysLive(a)
	}
}

// ending is a context that ends when told to, with the error of a cancelled one or
// of one whose time is up: a real deadline might pass before the phone rings.
type ending struct {
	context.Context
	done chan struct{}
	err  error
}

func newEnding(parent context.Context, err error) *ending {
	return &ending{Context: parent, done: make(chan struct{}), err: err}
}

func (e *ending) end() { close(e.done) }

func (e *ending) Done() <-chan struct{} { return e.done }

func (e *ending) Err() error {
	select {
	case <-e.done:
		return e.err
	default:
		return nil
	}
}

// findLag: a call that Find does not see yet was placed all the same.
func (c *checking) findLag() {
	c.s.h.Trouble(FindLag)
	a := c.dial(c.key())
	if c.finder == nil {
		return
	}
	if _, err := c.finder.Find(c.ctx, a.req.Key, time.Now().Add(-lookBack)); err == nil {
		c.Logf("Find saw the call at once: does Harness.Trouble hide it?")
	}
	lag := c.traits.VisibilityLag
	if lag == 0 {
		lag = provider.DefaultVisibilityLag
	}
	if call := c.found(a.req.Key, min(lag, c.s.patience)); call.ID != a.id {
		c.Errorf("Find(%q) = the call %q, want %q", a.req.Key, call.ID, a.id)
	}
}

// refuse: a refusal is told by its kind, nothing rings, and the same key may be
// sent again.
func (c *checking) refuse(k provider.Kind) {
	c.s.h.Refuse(k)
	key := c.key()
	a := c.start(c.ctx, key)
	c.returned(a, c.s.patience, "a Place that the platform refused")
	switch {
	case a.err == nil:
		c.Errorf("Place = %+v, want an error of kind %s", a.call, k)
	case provider.KindOf(a.err) != k:
		c.Errorf("Place = %v, of kind %s, want %s", a.err, provider.KindOf(a.err), k)
	}
	var e *provider.Error
	if errors.As(a.err, &e) && e.RetryAfter < 0 {
		c.Errorf("RetryAfter is %s", e.RetryAfter)
	}
	c.countDials()
	c.dial(key)
}

// errors: what a provider returns on failure says who failed at what, and not whom
// it called.
func (c *checking) errors() {
	to := c.request(c.key(), nil).To
	check := func(op string, err error) {
		c.Helper()
		if err == nil {
			return
		}
		var e *provider.Error
		if !errors.As(err, &e) {
			c.Errorf("%s: %T %q, want a *provider.Error", op, err, err)
			return
		}
		if e.Provider != c.name || e.Op != op || e.Kind == "" {
			c.Errorf("%s: the error has Provider %q, Op %q and Kind %q; want %q, %q and a kind", op, e.Provider, e.Op, e.Kind, c.name, op)
		}
		for _, secret := range spellings(to) {
			if strings.Contains(err.Error(), secret) {
				c.Errorf("%s: the error holds the callee's number (%s): %q", op, secret, err)
				return
			}
		}
	}
	c.uncounted = true // other checks count
	c.errorsOfReads(check)
	c.errorsOfPlace(check)
}

// errorsOfPlace meets every trouble that the harness has.
func (c *checking) errorsOfPlace(check func(op string, err error)) {
	c.Helper()
	ctx := newEnding(c.ctx, context.Canceled)
	ctx.end()
	place := func(ctx context.Context) {
		c.Helper()
		a := c.start(ctx, c.key())
		c.over(a, "that was troubled")
		check("place", a.err)
	}
	place(ctx)
	for _, kind := range kindsOf[hookRefuse] {
		if c.can(hookRefuse + "/" + kind) {
			c.s.h.Refuse(provider.Kind(kind))
			place(c.ctx)
		}
	}
	if c.can(hookLoseReply) {
		c.s.h.LoseReply()
		place(c.ctx)
	}
	for _, kind := range []Trouble{FaultAfterAccept, ClosedConnection} {
		if c.can(hookTrouble + "/" + string(kind)) {
			c.s.h.Trouble(kind)
			place(c.ctx)
		}
	}
	if c.can(hookTrouble + "/" + string(Slow)) {
		c.s.h.Trouble(Slow)
		ctx := newEnding(c.ctx, context.DeadlineExceeded)
		time.AfterFunc(c.s.watch, ctx.end)
		a := c.start(ctx, c.key())
		c.returned(a, c.s.watch+c.s.prompt, "a context that ended meanwhile")
		check("place", a.err)
	}
}

// errorsOfReads asks for what is not there, and asks with a context that has ended.
func (c *checking) errorsOfReads(check func(op string, err error)) {
	c.Helper()
	gone, cancel := context.WithCancel(c.ctx)
	cancel()
	a := c.dial(c.key())
	for _, ctx := range []context.Context{c.ctx, gone} {
		_, err := c.p.Get(ctx, unlike(a.id))
		check("get", err)
		check("end", c.p.End(ctx, a.id))
		if c.finder != nil {
			_, err = c.finder.Find(ctx, c.key(), time.Now().Add(-lookBack))
			check("find", err)
		}
		if lister, ok := c.p.(provider.Lister); ok {
			for _, err := range lister.List(ctx, time.Now().Add(-lookBack)) {
				check("list", err)
			}
		}
	}
}

func (c *checking) can(need string) bool {
	return c.s.skips(check{need: need}) == ""
}

// spellings are the forms in which a callee might show in a text.
func spellings(to string) []string {
	all := []string{to}
	if digits := strings.TrimPrefix(to, "+"); len(digits) >= 7 && digits != to {
		all = append(all, digits)
	}
	if address, isSIP := strings.CutPrefix(to, "sip:"); isSIP {
		all = append(all, address)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}
