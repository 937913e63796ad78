package providertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// checking is one check being made.
type checking struct {
	reporter
	s      *suite
	ctx    context.Context
	p      provider.Provider
	finder provider.Finder // nil if p is none
	name   string
	traits provider.Traits
	prefix string
	keys   int
	rings  int // phones that must have rung by now

	uncounted bool // the check does not count rings

	mu   sync.Mutex
	live []provider.CallID // to be hung up at the end
}

func (c *checking) fatalf(format string, args ...any) {
	c.Helper()
	c.Errorf(format, args...)
	c.FailNow()
}

// key returns a key that was never used before.
func (c *checking) key() string {
	c.keys++
	return provider.Key(fmt.Sprintf("%s-%d", c.prefix, c.keys), 1)
}

// request asks the harness for a request; onPlaced may be nil.
func (c *checking) request(key string, onPlaced func(provider.Call) error) provider.Request {
	c.Helper()
	req := c.s.h.Request(key)
	if req.Key != key {
		c.fatalf("Harness.Request(%q) has the key %q", key, req.Key)
	}
	req.OnPlaced = func(call provider.Call) error {
		c.remember(call.ID)
		if onPlaced != nil {
			return onPlaced(call)
		}
		return nil
	}
	return req
}

func (c *checking) remember(id provider.CallID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != "" && !slices.Contains(c.live, id) {
		c.live = append(c.live, id)
	}
}

// hangUp ends what is left, for platforms that are not thrown away.
func (c *checking) hangUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.s.prompt)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range c.live {
		_ = c.p.End(ctx, id)
	}
}

// attempt is one Place under way.
type attempt struct {
	req    provider.Request
	placed chan provider.Call // what OnPlaced said first
	done   chan struct{}      // closed when Place has returned
	call   provider.Call      // after done
	err    error              // after done
	id     provider.CallID    // set by dial
}

// start calls Place in a goroutine of its own.
func (c *checking) start(ctx context.Context, key string) *attempt {
	c.Helper()
	a := &attempt{placed: make(chan provider.Call, 1), done: make(chan struct{})}
	a.req = c.request(key, func(call provider.Call) error {
		select {
		case a.placed <- call:
		default:
		}
		return nil
	})
	go func() {
		defer close(a.done)
		a.call, a.err = c.p.Place(ctx, a.req)
		if a.err == nil {
			c.remember(a.call.ID)
		}
	}()
	return a
}

// returned waits for Place to return, and fails the check if it does not.
func (c *checking) returned(a *attempt, within time.Duration, after string) {
	c.Helper()
	select {
	case <-a.done:
	case <-time.After(within):
		c.fatalf("Place has not returned %s after %s", within, after)
	}
}

// dial places a call that must succeed, and returns when it has an id and the
// phone rings: when Place has returned or, of a Blocking provider, when it called
// OnPlaced.
func (c *checking) dial(key string) *attempt {
	c.Helper()
	a := c.start(c.ctx, key)
	c.hasID(a)
	c.ring(1)
	return a
}

func (c *checking) hasID(a *attempt) {
	c.Helper()
	early := a.placed
	if !c.traits.Blocking {
		early = nil
	}
	var call provider.Call
	select {
	case call = <-early:
	case <-a.done:
		if a.err != nil {
			c.fatalf("Place(%q) = %v, want a call", a.req.Key, a.err)
		}
		call = a.call
		c.wellFormed("Place", call, a.req.Key)
	case <-time.After(c.s.patience):
		c.fatalf("Place(%q) has neither returned nor called OnPlaced after %s (a provider that blocks says so in Traits)", a.req.Key, c.s.patience)
	}
	if call.ID == "" {
		c.fatalf("Place(%q) gave a call without an ID: %+v", a.req.Key, call)
	}
	a.id = call.ID
}

// ring says that n more phones must have rung by now, and waits for them.
func (c *checking) ring(n int) {
	c.Helper()
	c.rings += n
	if c.s.h.Dials == nil || c.uncounted {
		return
	}
	if !c.eventually(c.s.patience, func() bool { return c.s.h.Dials() >= c.rings }) {
		c.fatalf("%d phones have rung, want %d", c.s.h.Dials(), c.rings)
	}
}

// countDials closes every check: exactly the phones that should have rung did.
func (c *checking) countDials() {
	c.Helper()
	if c.s.h.Dials == nil || c.uncounted {
		return
	}
	time.Sleep(c.s.settle)
	if got := c.s.h.Dials(); got != c.rings {
		c.Errorf("%d phones have rung, want %d: Place dials once and never again by itself", got, c.rings)
	}
}

// eventually polls until ok or the time is up.
func (c *checking) eventually(within time.Duration, ok func() bool) bool {
	deadline := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(pause)
	}
}

// wellFormed checks a snapshot by itself. key may be "".
func (c *checking) wellFormed(from string, call provider.Call, key string) {
	c.Helper()
	for _, problem := range faultsOf(call, key) {
		c.Errorf("%s: %s: %+v", from, problem, call)
	}
}

func faultsOf(call provider.Call, key string) []string {
	var all []string
	if call.ID == "" {
		all = append(all, "a call without an ID")
	}
	if key != "" && call.Key != "" && call.Key != key {
		all = append(all, fmt.Sprintf("the call has the key %q, want %q", call.Key, key))
	}
	switch call.Status {
	case provider.StatusQueued, provider.StatusRinging, provider.StatusInProgress:
		if call.Outcome != "" {
			all = append(all, "an Outcome before the Status is ended")
		}
	case provider.StatusEnded:
		if !slices.Contains(outcomes, call.Outcome) {
			all = append(all, fmt.Sprintf("ended with the Outcome %q, want one of package provider", call.Outcome))
		}
	default:
		all = append(all, fmt.Sprintf("the Status is %q, want one of package provider", call.Status))
	}
	for name, at := range map[string]time.Time{"CreatedAt": call.CreatedAt, "AnsweredAt": call.AnsweredAt, "EndedAt": call.EndedAt} {
		if _, offset := at.Zone(); offset != 0 {
			all = append(all, name+" is not in UTC")
		}
	}
	if call.CostUSD < 0 {
		all = append(all, "a negative cost")
	}
	return all
}

var outcomes = []provider.Outcome{
	provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeNoAnswer, provider.OutcomeBusy,
	provider.OutcomeDeclined, provider.OutcomeInvalidNumber, provider.OutcomeCancelled, provider.OutcomeTimedOut,
	provider.OutcomeRateLimited, provider.OutcomeProviderFault, provider.OutcomeConfigError, provider.OutcomeUnknown,
}
