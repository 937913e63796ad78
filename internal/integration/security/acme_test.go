package security

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// acme is a host's own platform, written by somebody who quotes whatever is at hand.
type acme struct {
	known func(number string) (canary, bool)
	mu    sync.Mutex
	calls map[provider.CallID]acmeCall
}

type acmeCall struct {
	callee string
	ended  time.Time
}

func (p *acme) Name() string { return "acme" }

func (p *acme) Traits() provider.Traits {
	return provider.Traits{Events: true, VisibilityLag: 200 * time.Millisecond}
}

func (p *acme) fail(op string, kind provider.Kind, number string) error {
	c, _ := p.known(number)
	return &provider.Error{Provider: "acme", Op: op, Kind: kind, Code: "x", Err: &url.Error{
		Op: "Post", URL: "https://acme.example/control/" + c.secrets, Err: fmt.Errorf("%s (%s) hung up on %s", c.name, number, c.secretURL()),
	}}
}

func (c canary) secretURL() string { return "wss://acme.example/live?token=" + c.secrets }

func (p *acme) Place(_ context.Context, req provider.Request) (provider.Call, error) {
	switch req.To[len(req.To)-2:] {
	case "40":
		return provider.Call{}, p.fail("place", provider.KindOutcomeUnknown, req.To)
	case "41":
		return provider.Call{}, p.fail("place", provider.KindRejected, req.To)
	case "42":
		c, _ := p.known(req.To)
		return provider.Call{}, errors.New("whatever happened to " + c.name + " of " + req.To + " at " + c.secretURL())
	}
	id := provider.CallID("acme-" + strings.ReplaceAll(req.Key, "/", "-"))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[id] = acmeCall{callee: req.To}
	return provider.Call{ID: id, Status: provider.StatusInProgress, AnsweredAt: time.Now()}, nil
}

func (p *acme) Get(_ context.Context, id provider.CallID) (provider.Call, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.calls[id]
	if !ok {
		return provider.Call{}, p.fail("get", provider.KindNotFound, c.callee)
	}
	if c.ended.IsZero() {
		return provider.Call{}, p.fail("get", provider.KindUnavailable, c.callee)
	}
	return provider.Call{ID: id, Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye " + c.callee, EndedAt: c.ended}, nil
}

// End fails once, then hangs up.
func (p *acme) End(_ context.Context, id provider.CallID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[id]
	first := c.ended.IsZero()
	c.ended = time.Now()
	p.calls[id] = c
	if first {
		return p.fail("end", provider.KindUnavailable, c.callee)
	}
	return nil
}
