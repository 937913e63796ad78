package livekit

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// afterDeadline is how much longer than the task's longest call LiveKit may keep
// it: its webhook says nothing of a limit, so that a call that LiveKit ended would
// count as completed. The library's own deadline comes first.
const afterDeadline = 10 * time.Second

// ringOnce sends the one request that makes the phone ring, and waits.
func (p *Provider) ringOnce(ctx context.Context, d dial) (provider.Call, error) {
	url, h, body, err := p.api.request(createSIP, mayCall(), sipRequest{
		SIPTrunkID: p.cfg.SIPTrunkID, SIPCallTo: d.to, SIPNumber: d.from,
		RoomName: d.room, ParticipantIdentity: d.identity, ParticipantName: d.req.ToName,
		ParticipantAttributes: d.attributes(),
		RingingTimeout:        wireDuration(d.ring), MaxCallDuration: wireDuration(d.most + afterDeadline),
		WaitUntilAnswered: true,
		SIPOptions:        d.sip,
	})
	if err != nil {
		p.discard(ctx, d)
		return provider.Call{}, p.fail(provider.KindInvalidRequest, "", err)
	}
	sent := time.Now()
	d.began = sent.UTC()
	call := d.call()
	watched := p.watch(ctx, d)
	reply, err := p.placer.Post(ctx, vendorhttp.Send{URL: url, Header: h, Body: body, Timeout: d.ring + answerMargin})
	agentLost := watched()
	switch {
	case provider.KindOf(err).NotPlaced():
		p.discard(ctx, d)
		return provider.Call{}, err
	case err != nil:
		return provider.Call{}, err // it may be ringing: the room stays
	case reply.Status == http.StatusOK: // whatever its body: the callee has answered
		call.Status, call.AnsweredAt = provider.StatusInProgress, time.Now().UTC()
		p.keepAnswer(ctx, d.ref, d.made.Metadata, call.AnsweredAt)
		return call, nil
	}
	v := judge(reply)
	if v.cancelled && agentLost {
		v = verdict{outcome: provider.OutcomeProviderFault, code: codeAgentLeft}
	}
	if v.cancelled {
		v = p.whoCancelled(ctx, d, v, time.Since(sent))
	}
	return p.settle(ctx, d, call, v, reply)
}

// whoCancelled decides about an answer that a ring limit gives, and also somebody
// who ends the call while it rings, or dials a second time under its identity. The
// limit cannot be over before its time.
func (p *Provider) whoCancelled(ctx context.Context, d dial, v verdict, rang time.Duration) verdict {
	if rang >= d.ring-ringSlack {
		v.outcome = provider.OutcomeNoAnswer
		return v
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	ps, err := p.api.participants(ctx, "place", d.room)
	if _, there := callee(ps, d.ref); err != nil || there {
		v.kind = provider.KindOutcomeUnknown
		return v
	}
	v.outcome = provider.OutcomeCancelled
	return v
}

// settle turns a verdict into what Place returns. Unless the call may be live, the
// agent is sent home.
func (p *Provider) settle(ctx context.Context, d dial, call provider.Call, v verdict, reply vendorhttp.Reply) (provider.Call, error) {
	if v.kind == provider.KindOutcomeUnknown {
		return provider.Call{}, p.fail(v.kind, v.code, nil)
	}
	p.discard(ctx, d)
	if v.kind != "" {
		e := p.fail(v.kind, v.code, hint(v.kind))
		if v.kind == provider.KindRateLimited {
			e.RetryAfter = vendorhttp.RetryAfter(reply.Header, time.Now())
		}
		return provider.Call{}, e
	}
	call.Status, call.Outcome, call.Reason = provider.StatusEnded, v.outcome, v.code
	call.EndedAt = time.Now().UTC()
	return call, nil
}

func hint(k provider.Kind) error {
	switch k {
	case provider.KindNotFound:
		return errors.New("LiveKit knows no such SIP trunk: check Config.SIPTrunkID")
	case provider.KindInvalidRequest:
		return errors.New("LiveKit refused the number, the trunk or the room's name")
	case provider.KindUnauthenticated:
		return errors.New("check Config.APIKey and Config.APISecret")
	case provider.KindUnavailable:
		return errors.New("no LiveKit SIP service took the call")
	}
	return nil
}
