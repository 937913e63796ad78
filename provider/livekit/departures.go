package livekit

import (
	"context"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

const (
	// maxDepartures bounds the memory of agents that left.
	maxDepartures = 1000
	// departureGap is the shortest time between two looks because of one webhook.
	departureGap = 500 * time.Millisecond
)

// departures remembers the webhooks about agents that have left, the newest ones: one
// that is sent again, by LiveKit or by somebody who recorded it, must cost nothing.
type departures struct {
	mu    sync.Mutex
	by    map[string]*departure
	order []string // a ring, oldest at next
	next  int
}

// departure is one of them. The holder of mu looks after it; no one else waits.
type departure struct {
	mu      sync.Mutex
	looked  time.Time
	over    *provider.Call // hung up on, and not stored yet
	settled bool           // nothing is left to do about it
}

func (d *departures) of(id string) *departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.by[id]; known != nil {
		return known
	}
	if d.by == nil {
		d.by = map[string]*departure{}
	}
	if len(d.order) < maxDepartures {
		d.order = append(d.order, id)
	} else {
		delete(d.by, d.order[d.next])
		d.order[d.next] = id
		d.next = (d.next + 1) % maxDepartures
	}
	d.by[id] = new(departure)
	return d.by[id]
}

// agentGone decides about a call whose agent has left. It looks into the room and
// answers at once: as long as the agent may come back LiveKit is asked to send the
// webhook again, which costs no goroutine here and survives a restart. If LiveKit
// gives up, polling decides.
func (h *hook) agentGone(ctx context.Context, sink provider.EventSink, e provider.Event) error {
	said := e.Call.Outcome
	e.Call.Reason, e.Call.Outcome = "", ""
	id := e.ID
	if id == "" {
		id = string(e.Call.ID) + e.At.String()
	}
	d := h.left.of(id)
	if !d.mu.TryLock() {
		return errTooEarly // a copy of it is in hand
	}
	defer d.mu.Unlock()
	if d.settled {
		return nil
	}
	if saysSomething(e.Call) && d.looked.IsZero() {
		if err := h.pass(ctx, sink, e); err != nil {
			return err
		}
	}
	if d.over == nil {
		if time.Since(d.looked) < departureGap {
			return errTooEarly
		}
		d.looked = time.Now()
		over, alone, err := h.lookAfter(ctx, e)
		switch {
		case err != nil:
			h.log.WarnContext(ctx, "livekit: an agent has left, and its call could not be looked after", "key", e.Key, "error", err)
			return err
		case over == nil && alone:
			return errTooEarly
		case over == nil:
			d.settled = true
			return nil
		}
		d.over = over
	}
	e.Call = e.Call.Merge(*d.over)
	if said != "" {
		e.Call.Outcome, e.Call.Reason = said, AttrOutcome
	}
	err := h.pass(ctx, sink, e)
	if err == nil {
		d.settled, d.over = true, nil
	}
	return err
}

// lookAfter hangs up a callee who is still alone when the agent's time to come back
// is over. The time goes by the webhook's own, so that any process may go on. It is
// carried through even if the sender hangs up meanwhile: half of it would lose why.
func (h *hook) lookAfter(ctx context.Context, e provider.Event) (over *provider.Call, alone bool, err error) {
	r, ok := parseID(e.Call.ID)
	if !ok || e.At.IsZero() {
		return nil, false, nil
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	s, err := h.calls.see(ctx, "end", r)
	if err != nil || !h.calls.deserted(s) {
		return nil, false, err
	}
	if time.Since(e.At) < h.calls.cfg.AgentGone {
		return nil, true, nil
	}
	if rings, err := h.calls.rings(ctx, r, s); err != nil || rings {
		return nil, true, err // Place looks after it, and knows what to say of it
	}
	c, err := h.calls.hangUp(ctx, "end", r, e.Key, s)
	if err != nil {
		return nil, true, err
	}
	return &c, true, nil
}

// rings reports whether nobody has picked up yet, in a call that a Place waits for.
func (p *Provider) rings(ctx context.Context, r ref, s sight) (bool, error) {
	if p.cfg.AgentDials || s.callee.answered() || !p.answers.get(r.id()).IsZero() {
		return false, nil
	}
	data, err := p.roomData(ctx, "end", r) // the attributes say "dialing" again after a restart
	return data.AnsweredAt.IsZero(), err
}
