package livekit

import (
	"context"
	"errors"
	"time"

	"github.com/superservices/voice/provider"
)

// Place dials once and waits for the answer or the ring limit. A busy, declined or
// unanswered call comes back as ended; a live one has been answered, except with
// Config.AgentDials, where it is queued.
func (p *Provider) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	d, err := p.newDial(ctx, req)
	if err != nil {
		return provider.Call{}, p.fail(provider.KindInvalidRequest, "", err)
	}
	if p.cfg.AgentDials {
		return p.placeByAgent(ctx, d)
	}
	if err := p.prepare(ctx, &d); err != nil {
		return provider.Call{}, err
	}
	return p.ringOnce(ctx, d)
}

// prepare makes the room and waits for the agent. It takes nothing from the time in
// which the callee may answer: where ctx ends, it ends that much earlier, unless the
// caller left too little for the ring limit from the outset.
func (p *Provider) prepare(ctx context.Context, d *dial) (err error) {
	if end, ok := ctx.Deadline(); ok {
		if end = end.Add(-d.ring - p.margin); time.Until(end) > 0 {
			var stop context.CancelFunc
			ctx, stop = context.WithDeadline(ctx, end)
			defer stop()
		}
	}
	if d.made, err = p.createRoom(ctx, *d); err != nil {
		if len(p.cfg.Egress) > 0 {
			p.discardUnrecorded(ctx, *d)
		}
		return err
	}
	if err := p.notInUse(d.made, d.key); err != nil {
		return err
	}
	empty, err := p.ready(ctx, d.ref)
	if empty && provider.KindOf(err).NotPlaced() { // else a callee may be there, whom that would hang up on
		p.discard(ctx, *d)
	}
	return err
}

func (p *Provider) fail(kind provider.Kind, code string, err error) *provider.Error {
	return p.api.fail("place", kind, code, err)
}

// createRoom rings nobody, so any failure of it is certain.
func (p *Provider) createRoom(ctx context.Context, d dial) (room, error) {
	in, err := p.roomRequest(d)
	if err != nil {
		return room{}, p.fail(provider.KindInvalidRequest, "", errors.New("data or model_config is not JSON"))
	}
	var made room
	err = p.api.call(ctx, "place", createRoom, mayCreate(), in, &made)
	return made, err
}

// notInUse refuses a room that another dial has, or had a minute ago: two callees
// must never meet in one.
func (p *Provider) notInUse(r room, key string) error {
	if data, ok := dataOf(r.Metadata); ok && data.Key != key {
		return p.fail(provider.KindUnavailable, codeRoomInUse, errors.New("the task's room belongs to another call"))
	}
	return nil
}

// discard deletes the room of a dial that rings nobody any more, unless the host
// made it. It is done beside the call's own context, and failing is no harm: an
// unused room closes by itself.
func (p *Provider) discard(ctx context.Context, d dial) {
	if _, ours := dataOf(d.made.Metadata); !ours {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	if err := p.api.delete(ctx, "place", d.room); err != nil {
		p.log.InfoContext(ctx, "livekit: an unused room could not be deleted", "room", d.room, "error", err)
	}
}

// discardUnrecorded deletes the room of a dial whose recording was refused: LiveKit
// starts it with a new room only, so that the dial, sent again, would use this one and
// not be recorded. A room with the callee in it is left alone.
func (p *Provider) discardUnrecorded(ctx context.Context, d dial) {
	looking, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	rm, err := p.api.room(looking, "place", d.room)
	if err != nil || rm == nil || rm.dataOf(d.ref).Key == "" {
		return
	}
	ps, err := p.api.participants(looking, "place", d.room)
	if _, there := callee(ps, d.ref); err != nil || there {
		return
	}
	d.made = *rm
	p.discard(ctx, d)
}
