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
	look := p.watch(ctx, d)
	reply, err := p.placer.Post(ctx, vendorhttp.Send{URL: url, Header: h, Body: body, Timeout: d.ring + p.margin})
	saw := look()
	switch {
	case provider.KindOf(err).NotPlaced():
		p.discard(ctx, d)
		return provider.Call{}, err
	case err != nil:
		p.stopOverdue(ctx, d, time.Since(sent))
		return provider.Call{}, err // the callee may be talking: the room stays
	case reply.Status == http.StatusOK: // whatever its body: the callee has answered
		call.Status, call.AnsweredAt = provider.StatusInProgress, time.Now().UTC()
		if saw.agentLost { // picked up as the ringing was stopped, and hung up on
			return p.settle(ctx, d, call, verdict{outcome: provider.OutcomeProviderFault, code: codeAgentLeft})
		}
		p.keepAnswer(ctx, d.ref, p.metadataNow(ctx, d), call.AnsweredAt)
		return call, nil
	}
	v := judge(reply)
	if saw.dialled && v.kind.NotPlaced() {
		v.kind = provider.KindOutcomeUnknown // whatever it says, the callee was there
	}
	if saw.agentLost && (v.cancelled || v.outcome == provider.OutcomeNoAnswer) { // 487 is the phone's word for it
		v = verdict{outcome: provider.OutcomeProviderFault, code: codeAgentLeft}
	}
	if v.cancelled {
		v = p.whoCancelled(ctx, d, v, time.Since(sent))
	}
	return p.settle(ctx, d, call, v)
}

// metadataNow is what the room says by now: the agent may have written there since the
// room was made, and what is written is the whole.
func (p *Provider) metadataNow(ctx context.Context, d dial) string {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	if rm, err := p.api.room(ctx, "place", d.room); err == nil && rm != nil {
		return rm.Metadata
	}
	return d.made.Metadata
}

// stopOverdue ends a dial without an answer whose phone still rings though the ring
// limit is certainly over: LiveKit has lost its grip on it. Before that, and once
// somebody has picked up, the call is left to whoever looks for it.
func (p *Provider) stopOverdue(ctx context.Context, d dial, rang time.Duration) {
	if rang < d.ring+p.margin/2 {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	ps, err := p.api.participants(ctx, "place", d.room)
	if c, there := callee(ps, d.ref); err == nil && there && !c.answered() {
		p.log.WarnContext(ctx, "livekit: a phone rings beyond its limit, and is stopped", "key", d.key)
		_ = p.stopRinging(ctx, d)
	}
}

// whoCancelled decides about an answer that a ring limit gives, and also somebody
// who ends the call while it rings, or dials a second time under its identity, and a
// server that shuts down while the SIP service rings on. The limit cannot be over
// before its time; before it only the SIP service's own words count.
func (p *Provider) whoCancelled(ctx context.Context, d dial, v verdict, rang time.Duration) verdict {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	there, answered, err := p.calleeThere(ctx, d)
	ranOut := rang >= d.ring-ringSlack
	if there && !ranOut { // the answer and the leaving come in either order
		select {
		case <-time.After(2 * p.gap):
		case <-ctx.Done():
		}
		there, answered, err = p.calleeThere(ctx, d)
	}
	switch {
	case answered, !ranOut && (there || err != nil || !v.bySIP):
		v.kind = provider.KindOutcomeUnknown
	case ranOut:
		v.outcome = provider.OutcomeNoAnswer
	default:
		v.outcome = provider.OutcomeCancelled
	}
	return v
}

func (p *Provider) calleeThere(ctx context.Context, d dial) (there, answered bool, err error) {
	ps, err := p.api.participants(ctx, "place", d.room)
	c, there := callee(ps, d.ref)
	return there, there && c.answered(), err
}

// settle turns a verdict into what Place returns. Unless the call may be live, the
// agent is sent home.
func (p *Provider) settle(ctx context.Context, d dial, call provider.Call, v verdict) (provider.Call, error) {
	if v.kind == provider.KindOutcomeUnknown {
		p.stopOverdue(ctx, d, time.Since(d.began))
		return provider.Call{}, p.fail(v.kind, v.code, nil)
	}
	p.discard(ctx, d)
	if v.kind != "" {
		return provider.Call{}, p.fail(v.kind, v.code, hint(v.kind))
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
