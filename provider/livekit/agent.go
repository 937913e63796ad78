package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// Error.Codes of our own: nobody came to talk to the callee; the task's room is
// another dial's; whoever came has left before the callee did.
const (
	codeNoAgent   = "no_agent"
	codeRoomInUse = "room_in_use"
	codeAgentLeft = "agent_left" // also a Call.Reason
)

// awaitAgent waits until an agent is in the room, so that whoever picks up is
// spoken to. LiveKit accepts a dispatch for an agent that nobody runs without a
// word; only its absence tells. Every error here is certain: nobody was rung.
func (p *Provider) awaitAgent(ctx context.Context, r ref) error {
	if p.cfg.AgentName == "" {
		return nil
	}
	limit := time.NewTimer(p.cfg.AgentWait)
	defer limit.Stop()
	tick := time.NewTicker(p.gap)
	defer tick.Stop()
	for {
		ps, err := p.api.participants(ctx, "place", r.room)
		switch provider.KindOf(err) {
		case provider.KindUnauthenticated, provider.KindInvalidRequest:
			return err // no look will go better
		}
		if agentIn(ps) {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return p.fail(provider.KindUnavailable, codeNoAgent, errors.New("no agent joined the room in time: is one running under Config.AgentName?"))
		case <-ctx.Done():
			return p.fail(provider.KindUnavailable, "", context.Cause(ctx))
		}
	}
}

func agentIn(ps []participant) bool {
	for _, p := range ps {
		if p.Kind == kindAgent && p.State == stateActive { // joined, it may not hear yet
			return true
		}
	}
	return false
}

// placeByAgent leaves the dial to the agent: creating the room dispatches it, once,
// so here the room is what must not be sent twice.
func (p *Provider) placeByAgent(ctx context.Context, d dial) (provider.Call, error) {
	in, err := p.roomRequest(d)
	if err != nil {
		return provider.Call{}, p.fail(provider.KindInvalidRequest, "", errors.New("data or model_config is not JSON"))
	}
	url, h, body, err := p.api.request(createRoom, mayCreate(), in)
	if err != nil {
		return provider.Call{}, p.fail(provider.KindInvalidRequest, "", err)
	}
	d.began = time.Now().UTC()
	reply, err := p.placer.Post(ctx, vendorhttp.Send{URL: url, Header: h, Body: body})
	if err != nil {
		return provider.Call{}, err
	}
	if reply.Status != http.StatusOK {
		v := judgeRoom(reply)
		e := p.fail(v.kind, v.code, nil)
		if v.kind == provider.KindRateLimited {
			e.RetryAfter = vendorhttp.RetryAfter(reply.Header, time.Now())
		}
		return provider.Call{}, e
	}
	var made room
	if reply.BodyErr != nil || json.Unmarshal(reply.Body, &made) != nil {
		return provider.Call{}, p.fail(provider.KindOutcomeUnknown, "", errors.New("the answer was not LiveKit's"))
	}
	if _, ours := dataOf(made.Metadata); !ours {
		return provider.Call{}, p.fail(provider.KindInvalidRequest, codeRoomInUse, errors.New("the room exists already: LiveKit dispatches a room's agents when it is created, so nobody will dial"))
	}
	if err := p.notInUse(made, d.key); err != nil {
		return provider.Call{}, err
	}
	return d.call(), nil
}
