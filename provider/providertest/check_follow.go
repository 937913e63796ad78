package providertest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// lookBack is how far before a dial Find and List look, as the library does.
const lookBack = 5 * time.Minute

// get: what Place gave an id to, Get shows.
func (c *checking) get() {
	a := c.dial(c.key())
	var (
		call provider.Call
		err  error
	)
	c.eventually(c.s.patience, func() bool {
		call, err = c.p.Get(c.ctx, a.id)
		return !errors.Is(err, provider.ErrNotFound)
	})
	switch {
	case errors.Is(err, provider.ErrUnsupported):
		if !c.traits.Events && !c.traits.Blocking {
			c.Errorf("Get is unsupported, and Traits say neither Events nor Blocking: the end of a call could never be known")
		}
	case err != nil:
		c.Errorf("Get(%q) = %v, want the call that Place returned", a.id, err)
	case call.ID != a.id:
		c.Errorf("Get(%q) = the call %q", a.id, call.ID)
	default:
		c.wellFormed("Get", call, a.req.Key)
	}
}

// getUnknown: a call that nobody placed is not found. It is not ended: absence is
// never an end.
func (c *checking) getUnknown() {
	id := unlike(c.dial(c.key()).id)
	call, err := c.p.Get(c.ctx, id)
	if !errors.Is(err, provider.ErrNotFound) && !errors.Is(err, provider.ErrUnsupported) {
		c.Errorf("Get of the unknown call %q = %+v, %v; want ErrNotFound", id, call, err)
	}
}

// unlike returns an id of the same form that no call has.
func unlike(id provider.CallID) provider.CallID {
	turn := func(r, from, to rune) rune { return from + (r-from+(to-from+1)/2)%(to-from+1) }
	out := []rune(string(id))
	for i, changed := len(out)-1, 0; i >= 0 && changed < 4; i, changed = i-1, changed+1 {
		switch r := out[i]; {
		case r >= '0' && r <= '9':
			out[i] = turn(r, '0', '9')
		case r >= 'a' && r <= 'f': // stays a hexadecimal digit
			out[i] = turn(r, 'a', 'f')
		case r >= 'g' && r <= 'z':
			out[i] = turn(r, 'g', 'z')
		case r >= 'A' && r <= 'F':
			out[i] = turn(r, 'A', 'F')
		case r >= 'G' && r <= 'Z':
			out[i] = turn(r, 'G', 'Z')
		}
	}
	if other := provider.CallID(out); other != id {
		return other
	}
	return id + "0"
}

// end: End hangs up a live call.
func (c *checking) end() {
	a := c.dial(c.key())
	if !c.ended(a.id) {
		return
	}
	c.gone(a)
}

// ended calls End, and reports false where that is unsupported.
func (c *checking) ended(id provider.CallID) bool {
	c.Helper()
	err := c.p.End(c.ctx, id)
	switch {
	case errors.Is(err, provider.ErrUnsupported):
		return false
	case err != nil:
		c.Errorf("End(%q) = %v, want nil", id, err)
	}
	return true
}

// gone: the call is over, or the platform shows it no more.
func (c *checking) gone(a *attempt) {
	c.Helper()
	var (
		call provider.Call
		err  error
	)
	over := c.eventually(c.s.patience, func() bool {
		call, err = c.p.Get(c.ctx, a.id)
		return err == nil && call.Status == provider.StatusEnded ||
			errors.Is(err, provider.ErrNotFound) || errors.Is(err, provider.ErrUnsupported)
	})
	if !over {
		c.fatalf("%s after End, Get(%q) = %+v, %v; want it ended", c.s.patience, a.id, call, err)
	}
	if err == nil {
		c.wellFormed("Get after End", call, a.req.Key)
	}
	if c.traits.Blocking {
		c.returned(a, c.s.patience, "End of its call")
	}
}

// endTwice: hanging up what is over is no error.
func (c *checking) endTwice() {
	a := c.dial(c.key())
	if !c.ended(a.id) {
		return
	}
	c.ended(a.id)
	c.gone(a)
	c.ended(a.id)
}

// endUnknown: hanging up what the platform does not know is no error.
func (c *checking) endUnknown() {
	c.ended(unlike(c.dial(c.key()).id))
}

// finish: the end of a call, and how it ended, reach Get; so they do the return of a
// Blocking Place.
func (c *checking) finish(o provider.Outcome) {
	a := c.dial(c.key())
	if !c.traits.Blocking && a.call.Status == provider.StatusEnded {
		c.fatalf("the call is over when Place returns (%s, %q): Harness.Request should dial a callee who answers and talks", a.call.Outcome, a.call.Reason)
	}
	c.s.h.Finish(a.id, o)
	if c.traits.Blocking {
		c.returned(a, c.s.patience, "Finish")
		if a.err != nil {
			c.fatalf("Place = %v after Finish(%s), want the call", a.err, o)
		}
		c.endedAs("Place", a.call, o)
	}
	var (
		call provider.Call
		err  error
	)
	over := c.eventually(c.s.patience, func() bool {
		call, err = c.p.Get(c.ctx, a.id)
		return errors.Is(err, provider.ErrUnsupported) || err == nil && call.Status == provider.StatusEnded
	})
	switch {
	case errors.Is(err, provider.ErrUnsupported):
		c.Logf("Get is unsupported: the outcome is not checked there")
		return
	case !over:
		c.fatalf("%s after Finish(%s), Get(%q) = %+v, %v; want it ended", c.s.patience, o, a.id, call, err)
	}
	c.wellFormed("Get after Finish", call, a.req.Key)
	c.endedAs("Get", call, o)
	if again, err := c.p.Get(c.ctx, a.id); err != nil || again.Status != provider.StatusEnded {
		c.Errorf("Get(%q) = %s, %v after it was ended once: ended is for ever", a.id, again.Status, err)
	}
}

func (c *checking) endedAs(from string, call provider.Call, o provider.Outcome) {
	c.Helper()
	if call.Outcome != o {
		c.Errorf("%s: the Outcome is %q (reason %q), want %q", from, call.Outcome, call.Reason, o)
	}
	if o == provider.OutcomeNoAnswer && !call.AnsweredAt.IsZero() {
		c.Errorf("%s: no_answer, but AnsweredAt is %s", from, call.AnsweredAt)
	}
}

// found polls Find until it sees the call under key. Until then only ErrNotFound
// is right.
func (c *checking) found(key string, within time.Duration) provider.Call {
	c.Helper()
	since := time.Now().Add(-lookBack)
	var (
		call provider.Call
		err  error
	)
	c.eventually(within, func() bool {
		call, err = c.finder.Find(c.ctx, key, since)
		return !errors.Is(err, provider.ErrNotFound)
	})
	if err != nil {
		c.fatalf("Find(%q) = %v after %s, want the call that was placed", key, err, within)
	}
	c.wellFormed("Find", call, key)
	c.remember(call.ID)
	return call
}

// find: Find sees the call under its key, and under no key that looks like it.
func (c *checking) find() {
	if c.finder == nil {
		return
	}
	a := c.dial(c.key())
	if call := c.found(a.req.Key, c.s.patience); call.ID != a.id {
		c.Errorf("Find(%q) = the call %q, want %q", a.req.Key, call.ID, a.id)
	}
	taskID, _, _ := provider.SplitKey(a.req.Key)
	for _, key := range []string{
		provider.Key(taskID, 2), provider.Key(taskID, 11),
		provider.Key(taskID[:len(taskID)-1], 1), provider.Key(taskID[1:], 1), provider.Key(taskID+"1", 1),
		provider.Key(strings.ToUpper(taskID), 1),
	} {
		c.absent(key)
	}
}

func (c *checking) absent(key string) {
	c.Helper()
	call, err := c.finder.Find(c.ctx, key, time.Now().Add(-lookBack))
	if !errors.Is(err, provider.ErrNotFound) {
		c.Errorf("Find(%q) = %+v, %v though nothing was placed under it; want ErrNotFound", key, call, err)
	}
}

// findUnknown: of an empty platform Find says ErrNotFound.
func (c *checking) findUnknown() {
	if c.finder != nil {
		c.absent(c.key())
	}
}

// findCancelled: a search that was cut short does not say ErrNotFound.
func (c *checking) findCancelled() {
	if c.finder == nil {
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	call, err := c.finder.Find(ctx, c.key(), time.Now().Add(-lookBack))
	if err == nil || errors.Is(err, provider.ErrNotFound) {
		c.Errorf("Find with a cancelled context = %+v, %v: it has not looked; want an error that is not ErrNotFound", call, err)
	}
}

// list: a sweep shows live calls, and may be left in the middle.
func (c *checking) list() {
	lister, ok := c.p.(provider.Lister)
	if !ok {
		return
	}
	ids := map[provider.CallID]string{}
	for range 2 {
		a := c.dial(c.key())
		ids[a.id] = a.req.Key
	}
	seen := map[provider.CallID]bool{}
	complete := c.eventually(c.s.patience, func() bool {
		for call, err := range lister.List(c.ctx, time.Now().Add(-lookBack)) {
			if err != nil {
				c.fatalf("List = %v", err)
			}
			if key, ours := ids[call.ID]; ours && !seen[call.ID] {
				c.wellFormed("List", call, key)
				seen[call.ID] = true
			}
		}
		return len(seen) == len(ids)
	})
	if !complete {
		c.Errorf("List shows %d of %d calls after %s", len(seen), len(ids), c.s.patience)
	}
	for range lister.List(c.ctx, time.Now().Add(-lookBack)) {
		break
	}
}

// concurrent: Get, Find and End may be called from many goroutines.
func (c *checking) concurrent() {
	a := c.dial(c.key())
	var (
		mu   sync.Mutex
		bad  []string
		wg   sync.WaitGroup
		note = func(what string, err error, fine ...error) {
			if err == nil {
				return
			}
			for _, f := range fine {
				if errors.Is(err, f) {
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			bad = append(bad, what+": "+err.Error())
		}
	)
	for range 4 {
		wg.Go(func() {
			for range 5 {
				_, err := c.p.Get(c.ctx, a.id)
				note("Get", err, provider.ErrNotFound, provider.ErrUnsupported)
			}
		})
		wg.Go(func() {
			for range 5 {
				if c.finder != nil {
					_, err := c.finder.Find(c.ctx, a.req.Key, time.Now().Add(-lookBack))
					note("Find", err, provider.ErrNotFound)
				}
			}
		})
		wg.Go(func() {
			time.Sleep(c.s.settle)
			note("End", c.p.End(c.ctx, a.id), provider.ErrUnsupported)
		})
	}
	wg.Wait()
	for _, b := range bad {
		c.Errorf("from many goroutines: %s", b)
	}
}
