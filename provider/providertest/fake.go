package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// Defaults of a Step and of the calls it makes.
const (
	defaultLasts = 30 * time.Second
	fakeFrom     = "+12025550100"
	ringShare    = 5 // an answered call rings for one fifth of its time
	reasonHungUp = "hung up"
)

// Step scripts one Place. The zero Step is a call that is answered and completed
// after 30 seconds.
type Step struct {
	// Outcome is how the call ends; default completed.
	Outcome provider.Outcome
	// Lasts is the time from Place to the end, by the fake's clock; default 30 s.
	// A call that somebody answers rings for the first fifth of it.
	Lasts time.Duration
	// Fail: Place returns it as it is, and nothing rings.
	Fail error
	// LoseReply: it rings, and Place returns KindOutcomeUnknown at once.
	LoseReply bool
	// Hidden: Find does not see the call for so long.
	Hidden time.Duration
	// Blocking: Place returns when the call has ended, and calls OnPlaced before
	// it waits. After UseClock it returns at once, EndedAt ahead of the clock,
	// since a blocking activity stops a skipping clock.
	Blocking bool
	// Answered: somebody picks up although Outcome alone does not say so. With
	// provider_fault it makes a fault in mid-call. Completed, voicemail and
	// timed_out calls are answered anyway.
	Answered bool
}

// Fake is a provider with a scripted platform behind it. It finds calls by key
// and reports them on Get; where a call stands follows from the clock alone.
//
// The i-th Step scripts the i-th Place, over all keys, and the last one repeats.
// A key that is placed twice rings twice. Call ids are "call-1", "call-2" and so
// on in the order of the rings. It is safe for concurrent use.
type Fake struct {
	name   string
	steps  []Step
	traits provider.Traits

	mu       sync.Mutex
	now      func() time.Time // nil = time.Now
	clocked  chan struct{}    // closed by UseClock: no Place may block any more
	next     []Step
	requests []provider.Request
	calls    []*fakeCall // in order of the rings
}

var (
	_ provider.Provider  = (*Fake)(nil)
	_ provider.Finder    = (*Fake)(nil)
	_ provider.Describer = (*Fake)(nil)
)

// NewFake returns a fake of that name. With no steps every call completes.
func NewFake(name string, steps ...Step) *Fake {
	if len(steps) == 0 {
		steps = []Step{{}}
	}
	return &Fake{
		name:  name,
		steps: slices.Clone(steps),
		traits: provider.Traits{
			Events:   true,
			Blocking: slices.ContainsFunc(steps, func(s Step) bool { return s.Blocking }),
		},
		clocked: make(chan struct{}),
	}
}

// UseClock sets the clock that calls progress by. From then on no Place blocks.
// A Place that is waiting returns.
func (f *Fake) UseClock(now func() time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now == nil {
		close(f.clocked)
	}
	if now == nil {
		now = time.Now
	}
	f.now = now
}

// Next puts steps before those that remain: the first scripts the next Place. It
// does not change Traits.
func (f *Fake) Next(steps ...Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = slices.Concat(steps, f.next)
}

// Finish ends a live call now with outcome o, as if the callee or the platform
// had done it. It leaves alone a call that has ended or that it does not know.
func (f *Fake) Finish(id provider.CallID, o provider.Outcome) {
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.byID(id)
	if c == nil || c.endedBy(now) {
		return
	}
	switch {
	case !answers(o) && !c.answeredBy(now):
		c.answerAt = time.Time{}
	case !c.answeredBy(now):
		c.answerAt = now
	}
	c.stop(now, o, reasonOf(o))
}

// Dials counts phones rung, in all or under the given keys.
func (f *Fake) Dials(key ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(key) == 0 {
		return len(f.calls)
	}
	n := 0
	for _, c := range f.calls {
		if slices.Contains(key, c.key) {
			n++
		}
	}
	return n
}

// Requests returns every Place so far, those that failed too. The i-th of them
// was scripted by the i-th Step.
func (f *Fake) Requests() []provider.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Event is the webhook that the platform would send for the call under key, as it
// stands now: the latest such call, hidden or not. The ID is the same for the
// same state. If nothing rang under key, Call is zero.
func (f *Fake) Event(key string) provider.Event {
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	e := provider.Event{Provider: f.name, Key: key, At: now}
	if c := f.byKey(key, func(*fakeCall) bool { return true }); c != nil {
		e.Call = c.snapshot(now)
		e.ID = fmt.Sprintf("event-%s-%s", e.Call.ID, e.Call.Status)
	}
	return e
}

// Name implements provider.Provider.
func (f *Fake) Name() string { return f.name }

// Traits implements provider.Describer: Events, and Blocking if any step given to
// NewFake is.
func (f *Fake) Traits() provider.Traits { return f.traits }

// Place implements provider.Provider by the script. With a context that has
// already ended it returns KindUnavailable and nothing rings.
func (f *Fake) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	now := f.clock()
	f.mu.Lock()
	step := f.step()
	f.requests = append(f.requests, req)
	switch {
	case ctx.Err() != nil:
		f.mu.Unlock()
		return provider.Call{}, f.fail("place", provider.KindUnavailable, context.Cause(ctx))
	case step.Fail != nil:
		f.mu.Unlock()
		return provider.Call{}, step.Fail
	}
	c := newFakeCall(provider.CallID(fmt.Sprintf("call-%d", len(f.calls)+1)), req, step, now)
	f.calls = append(f.calls, c)
	placed, clocked := c.snapshot(now), f.clocked
	f.mu.Unlock()

	switch {
	case step.LoseReply:
		return provider.Call{}, f.fail("place", provider.KindOutcomeUnknown, errors.New("the reply was lost"))
	case step.Blocking:
		return f.block(ctx, c, placed, req.OnPlaced, clocked)
	}
	return placed, nil
}

// block waits for the end of c. It does not hang up when ctx ends.
func (f *Fake) block(ctx context.Context, c *fakeCall, placed provider.Call, onPlaced func(provider.Call) error, clocked chan struct{}) (provider.Call, error) {
	end := time.NewTimer(c.lasts)
	defer end.Stop()
	if onPlaced != nil {
		_ = onPlaced(placed) // the id could not be kept: the call goes on
	}
	select {
	case <-end.C:
	case <-c.stopped:
	case <-clocked:
	case <-ctx.Done():
		return provider.Call{}, f.fail("place", provider.KindOutcomeUnknown, context.Cause(ctx))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.snapshot(c.endAt), nil
}

// Get implements provider.Provider.
func (f *Fake) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	if ctx.Err() != nil {
		return provider.Call{}, f.fail("get", provider.KindUnavailable, context.Cause(ctx))
	}
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.byID(id)
	if c == nil {
		return provider.Call{}, f.fail("get", provider.KindNotFound, fmt.Errorf("no call %s", id))
	}
	return c.snapshot(now), nil
}

// End implements provider.Provider: it hangs up now. The call is then completed,
// or what its answering machine made of it, if it had been answered, else
// cancelled.
func (f *Fake) End(ctx context.Context, id provider.CallID) error {
	if ctx.Err() != nil {
		return f.fail("end", provider.KindUnavailable, context.Cause(ctx))
	}
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.byID(id)
	if c == nil || c.endedBy(now) {
		return nil
	}
	outcome := provider.OutcomeCancelled
	switch {
	case !c.answeredBy(now):
		c.answerAt = time.Time{}
	case c.outcome == provider.OutcomeVoicemail:
		outcome = provider.OutcomeVoicemail
	default:
		outcome = provider.OutcomeCompleted
	}
	c.stop(now, outcome, reasonHungUp)
	return nil
}

// Find implements provider.Finder: the latest call placed under key that is not
// hidden.
func (f *Fake) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	if ctx.Err() != nil {
		return provider.Call{}, f.fail("find", provider.KindUnavailable, context.Cause(ctx))
	}
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.byKey(key, func(c *fakeCall) bool {
		return !c.created.Before(since) && !now.Before(c.created.Add(c.hidden))
	})
	if c == nil {
		return provider.Call{}, f.fail("find", provider.KindNotFound, fmt.Errorf("no call under key %s", key))
	}
	return c.snapshot(now), nil
}

// clock reads the time without holding f.mu, since a test's clock may have locks
// of its own.
func (f *Fake) clock() time.Time {
	f.mu.Lock()
	now := f.now
	f.mu.Unlock()
	if now == nil {
		now = time.Now
	}
	return now().UTC().Round(0)
}

func (f *Fake) fail(op string, kind provider.Kind, err error) error {
	return &provider.Error{Provider: f.name, Op: op, Kind: kind, Err: err}
}

// step takes the step of the next Place; f.mu is held.
func (f *Fake) step() Step {
	if len(f.next) > 0 {
		s := f.next[0]
		f.next = f.next[1:]
		return s
	}
	s := f.steps[0]
	if len(f.steps) > 1 {
		f.steps = f.steps[1:]
	}
	return s
}

func (f *Fake) byID(id provider.CallID) *fakeCall { // f.mu is held
	for _, c := range f.calls {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (f *Fake) byKey(key string, ok func(*fakeCall) bool) *fakeCall { // f.mu is held
	for _, c := range slices.Backward(f.calls) {
		if c.key == key && ok(c) {
			return c
		}
	}
	return nil
}
