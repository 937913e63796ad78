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
// another dial's; whoever came has left before the callee did; the callee is there
// before the dial.
const (
	codeNoAgent       = "no_agent"
	codeRoomInUse     = "room_in_use"
	codeAgentLeft     = "agent_left" // also a Call.Reason
	codeCalleePresent = "callee_present"
)

// ready looks into the room before the dial: the callee must not be there, and an
// agent must, so that whoever picks up is spoken to. LiveKit accepts a dispatch for an
// agent that nobody runs without a word; only its absence tells. All errors but that
// for a callee who is there are certain: nobody was rung. empty is whether a look
// has seen that no callee is there, of this dial or another.
func (p *Provider) ready(ctx context.Context, r ref) (empty bool, err error) {
	limit := time.NewTimer(p.cfg.AgentWait)
	defer limit.Stop()
	tick := time.NewTicker(p.gap)
	defer tick.Stop()
	for {
		ps, err := p.api.participants(ctx, "place", r.room)
		empty = empty || err == nil
		switch kind := provider.KindOf(err); {
		case err == nil:
			if _, there := callee(ps, r); there {
				return false, p.fail(provider.KindOutcomeUnknown, codeCalleePresent, errors.New("the callee is in the room already: this key was dialled before"))
			}
			if anotherCallee(ps, r) {
				return false, p.fail(provider.KindUnavailable, codeRoomInUse, errors.New("the task's room has another call's callee in it"))
			}
			if p.cfg.AgentName == "" || agentIn(ps) {
				return true, nil
			}
		case p.cfg.AgentName == "", kind == provider.KindUnauthenticated, kind == provider.KindInvalidRequest:
			return empty, err // no look will go better
		}
		select {
		case <-tick.C:
			continue
		case <-limit.C:
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return empty, p.fail(provider.KindUnavailable, "", cause)
			}
		}
		return empty, p.fail(provider.KindUnavailable, codeNoAgent, errors.New("no agent joined the room in time: is one running under Config.AgentName?"))
	}
}

// anotherCallee reports whether somebody whom this package dialled for another dial is
// there. A room of the host's making does not say whose it is, but they do.
func anotherCallee(ps []participant, r ref) bool {
	for _, p := range ps {
		if _, ours := parseID(ref{room: r.room, identity: p.Identity}.id()); ours && p.Identity != r.identity {
			return true
		}
	}
	return false
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
		v := judgeRoom(reply, len(p.cfg.Egress) > 0)
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
