package livekit

import (
	"context"
	"errors"
	"time"

	"github.com/superservices/voice/provider"
)

// watch looks into the room while it rings. It calls OnPlaced once the callee is
// there, dialled or ringing: not before, since until then LiveKit may still refuse
// the dial, and a call that was told of cannot be taken back. And it stops the
// ringing if the agent has left: nobody would speak. The func it returns stops
// looking, waits, and reports what was seen.
func (p *Provider) watch(ctx context.Context, d dial) func() watched {
	if d.req.OnPlaced == nil && !p.tended() {
		return func() watched { return watched{} }
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	var saw watched
	go func() {
		defer close(done)
		p.watchRoom(ctx, d, &saw)
	}()
	return func() watched {
		stop()
		<-done // what it saw is written by then
		return saw
	}
}

// watched is what a watch saw: the callee in the room, so that they were dialled; and
// the agent gone, so that the ringing was stopped.
type watched struct{ dialled, agentLost bool }

func (p *Provider) watchRoom(ctx context.Context, d dial, saw *watched) {
	told := d.req.OnPlaced == nil
	alone := 0 // looks in a row that saw the callee and nobody else
	for wait := p.gap; !told || p.tended(); wait = min(2*wait, maxGap) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		ps, err := p.api.participants(ctx, "place", d.room)
		c, there := callee(ps, d.ref)
		if err != nil || !there {
			continue // looked for again
		}
		saw.dialled = true
		if !told {
			told = true
			if err := tell(d); err != nil {
				p.log.WarnContext(ctx, "livekit: the id of a call could not be kept", "key", d.key, "error", err)
			}
		}
		if c.answered() {
			return // from here on Get and the webhooks look after it
		}
		if !p.deserted(sight{all: ps, callee: &c}) {
			alone = 0
			continue
		}
		if alone++; alone >= 2 && p.stopRinging(ctx, d) {
			saw.agentLost = true
			return
		}
	}
}

// tell calls the host's OnPlaced. Its panic, on a goroutine that nobody of the host's
// could guard, costs this one word and not the process with all its calls; what it
// says is left out, since it may hold a number.
func tell(d dial) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("Request.OnPlaced panicked")
		}
	}()
	return d.req.OnPlaced(d.call())
}

// stopRinging is done beside the watch's context, which ends when the dial's answer
// comes: the answer to this.
func (p *Provider) stopRinging(ctx context.Context, d dial) bool {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	err := p.api.delete(ctx, "place", d.room)
	if err != nil {
		p.log.WarnContext(ctx, "livekit: a call without its agent could not be stopped", "key", d.key, "error", err)
	}
	return err == nil
}

// tended reports whether calls without their agent are ended.
func (p *Provider) tended() bool { return p.cfg.AgentName != "" && p.cfg.AgentGone >= 0 }

// deserted reports whether the callee is alone though there was to be an agent.
// Whoever else was brought in, a colleague or a third party on the phone, may talk
// to them; recorders do not.
func (p *Provider) deserted(s sight) bool {
	if !p.tended() || s.callee == nil {
		return false
	}
	for _, other := range s.all {
		if other.Identity != s.callee.Identity && other.Kind != "EGRESS" && other.Kind != "INGRESS" {
			return false
		}
	}
	return true
}

// endDeserted ends a call whose agent has left, if a second look some time later
// still finds the callee alone: an agent that lost its connection comes back. ended
// is false if it is not, or no longer, such a call.
func (p *Provider) endDeserted(ctx context.Context, op string, r ref, key string) (c provider.Call, ended bool, err error) {
	wait := time.NewTimer(p.cfg.AgentGone)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return c, false, p.api.fail(op, provider.KindUnavailable, "", context.Cause(ctx))
	}
	s, err := p.see(ctx, op, r)
	if err != nil || !p.deserted(s) {
		return c, false, err
	}
	c, err = p.hangUp(ctx, op, r, key, s)
	return c, err == nil, err
}

// hangUp ends a call whose callee was seen alone.
func (p *Provider) hangUp(ctx context.Context, op string, r ref, key string, s sight) (provider.Call, error) {
	rm, err := p.api.room(ctx, op, r.room) // what the agent may have left behind
	if err != nil {
		return provider.Call{}, err
	}
	if rm != nil {
		p.leaveWord(ctx, op, r, *rm)
	}
	if err := p.api.delete(ctx, op, r.room); err != nil {
		return provider.Call{}, err
	}
	c := snapshot(r, *s.callee)
	if c.Key == "" {
		c.Key = key
	}
	answered := s.callee.answered()
	if rm != nil && c.AnsweredAt.IsZero() {
		c.AnsweredAt = rm.dataOf(r).AnsweredAt
	}
	if at := p.answers.get(r.id()); c.AnsweredAt.IsZero() && !at.IsZero() {
		c.AnsweredAt = at
	}
	if answered && c.AnsweredAt.IsZero() {
		c.AnsweredAt = time.Now().UTC() // by now
	}
	c.Status, c.Outcome, c.Reason, c.EndedAt = provider.StatusEnded, provider.OutcomeProviderFault, codeAgentLeft, time.Now().UTC()
	c.NoSpeech = !answered && c.AnsweredAt.IsZero()
	report(&c, s.all, rm)
	c.Raw = raw(rm, s.all...)
	p.log.WarnContext(ctx, "livekit: the agent has left a call, which was ended", "provider", p.name, "key", c.Key)
	return c, nil
}

// leaveWord writes into a room that is about to be deleted why: the webhooks about that
// carry it, and say "completed" without it. What the agent wrote there itself counts.
func (p *Provider) leaveWord(ctx context.Context, op string, r ref, rm room) {
	if rm.dataOf(r).Key == "" || fieldsOf(rm.Metadata)[AttrOutcome] != "" {
		return
	}
	metadata, err := withField(rm.Metadata, AttrOutcome, provider.OutcomeProviderFault)
	if err == nil {
		err = p.api.setMetadata(ctx, op, r.room, metadata)
	}
	if err != nil {
		p.log.InfoContext(ctx, "livekit: why a call was ended could not be written into its room", "room", r.room, "error", err)
	}
}
