package livekit

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
)

// Get looks into the call's room. A call whose participant is gone has ended, as
// completed, only if it is known to have been answered and is still missing in a
// second look; otherwise it is ErrNotFound, which ends nothing (see the package's
// documentation). A call whose agent has left is ended by the Get that notices.
func (p *Provider) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	r, ok := parseID(id)
	if !ok {
		return provider.Call{}, p.api.fail("get", provider.KindNotFound, "", errors.New("not an id of this provider"))
	}
	c, seen, err := p.look(ctx, "get", r, "")
	if err != nil || c.Status != provider.StatusInProgress || !p.deserted(seen) {
		return c, err
	}
	over, ended, err := p.endDeserted(ctx, "get", r, c.Key)
	if err != nil || !ended {
		return c, nil // the next Get looks again
	}
	return c.Merge(over), nil
}

// Find looks for the call placed under key: in the room that derives from it, then,
// for a task that named its room, among all rooms there are. since is not needed: a
// key is never used twice. A host should keep Find for lost answers, as the library
// does; in a project with many thousands of live rooms the second step is heavy.
func (p *Provider) Find(ctx context.Context, key string, _ time.Time) (provider.Call, error) {
	r := ref{room: derivedRoom(key), identity: identityFor(key)}
	call, _, err := p.look(ctx, "find", r, key)
	if !errors.Is(err, provider.ErrNotFound) {
		return call, err
	}
	rooms, listErr := p.api.rooms(ctx, "find")
	if listErr != nil {
		return provider.Call{}, listErr
	}
	for _, rm := range rooms {
		if data, ok := dataOf(rm.Metadata); ok && data.Key == key && rm.Name != r.room {
			call, _, err := p.look(ctx, "find", ref{room: rm.Name, identity: r.identity}, key)
			return call, err
		}
	}
	return provider.Call{}, err
}

// sight is what one look saw.
type sight struct {
	all    []participant
	callee *participant
}

func (p *Provider) see(ctx context.Context, op string, r ref) (sight, error) {
	ps, err := p.api.participants(ctx, op, r.room)
	if err != nil {
		return sight{}, err
	}
	s := sight{all: ps}
	if c, ok := callee(ps, r); ok {
		s.callee = &c
		return s, nil
	}
	c, ok := strangerOnLine(ps)
	if !ok || !p.cfg.AgentDials {
		return s, nil
	}
	// The agent has dialled under a name of its own: the callee of whose room it is.
	data, err := p.roomData(ctx, op, r)
	if err == nil && data.AgentDials {
		s.callee = &c
	}
	return s, err
}

// callee finds the callee's participant.
func callee(ps []participant, r ref) (participant, bool) {
	for _, p := range ps {
		if p.Identity == r.identity {
			return p, true
		}
	}
	return participant{}, false
}

// strangerOnLine finds a SIP participant whom no dial of ours claims.
func strangerOnLine(ps []participant) (participant, bool) {
	for _, p := range ps {
		if p.Kind == kindSIP && p.Attributes[AttrKey] == "" && !strings.HasPrefix(p.Identity, identityPrefix) {
			return p, true
		}
	}
	return participant{}, false
}

// roomData is what the room says about the dial of r; zero if there is no such room,
// or it is another's.
func (p *Provider) roomData(ctx context.Context, op string, r ref) (roomData, error) {
	rm, err := p.api.room(ctx, op, r.room)
	if err != nil || rm == nil {
		return roomData{}, err
	}
	return rm.dataOf(r), nil
}

// look reports the call, and the room as it was seen with the callee in it.
func (p *Provider) look(ctx context.Context, op string, r ref, key string) (provider.Call, sight, error) {
	s, err := p.see(ctx, op, r)
	if err != nil {
		return provider.Call{}, sight{}, err
	}
	if s.callee != nil {
		c, err := p.present(ctx, op, r, key, s)
		return c, s, err
	}
	rm, err := p.api.room(ctx, op, r.room)
	if err != nil {
		return provider.Call{}, sight{}, err
	}
	var data roomData
	if rm != nil {
		data = rm.dataOf(r)
	}
	at := p.answers.get(r.id())
	if at.IsZero() {
		at = data.AnsweredAt
	}
	if key == "" {
		key = data.Key
	}
	switch {
	case !at.IsZero():
		c, err := p.gone(ctx, op, r, key, at, s, rm)
		return c, sight{}, err
	case data.AgentDials:
		return provider.Call{ID: r.id(), Key: key, Status: provider.StatusQueued, CreatedAt: rm.CreationTime.Time, Raw: raw(rm, s.all...)}, sight{}, nil
	}
	return provider.Call{}, sight{}, p.notFound(op)
}

func (p *Provider) notFound(op string) error {
	return p.api.fail(op, provider.KindNotFound, "", errors.New("the callee is not in the room"))
}

// present reports a callee who is there.
func (p *Provider) present(ctx context.Context, op string, r ref, key string, s sight) (provider.Call, error) {
	c := snapshot(r, *s.callee)
	if c.Key == "" {
		c.Key = key
	}
	if at := c.AnsweredAt; at.IsZero() {
		c.AnsweredAt = p.answeredAt(ctx, op, r, s.callee.answered())
	} else if p.answers.get(r.id()).IsZero() {
		p.answers.put(r.id(), at)
	}
	if !c.AnsweredAt.IsZero() && c.Status != provider.StatusEnded {
		c.Status = provider.StatusInProgress // after a restart the attribute says "dialing" again
	}
	if c.Status == provider.StatusEnded {
		c.Outcome, c.Reason, c.EndedAt = provider.OutcomeCompleted, sipHangup, time.Now().UTC()
	}
	report(&c, s.all, nil)
	c.Raw = raw(nil, s.all...)
	return c, nil
}

// answeredAt tells when a callee who is there picked up: as remembered, else as the
// room has it, else, if it is certain that they did, now, which is then kept.
func (p *Provider) answeredAt(ctx context.Context, op string, r ref, answered bool) time.Time {
	if at := p.answers.get(r.id()); !at.IsZero() {
		return at
	}
	rm, err := p.api.room(ctx, op, r.room)
	if err == nil && rm != nil {
		if at := rm.dataOf(r).AnsweredAt; !at.IsZero() {
			p.answers.put(r.id(), at)
			return at
		}
	}
	if !answered {
		return time.Time{}
	}
	now := time.Now().UTC()
	if rm != nil {
		p.keepAnswer(ctx, r, rm.Metadata, now)
	} else {
		p.answers.put(r.id(), now)
	}
	return now
}

// gone says that an answered call has ended, unless it was answered only now, or a
// second look finds it back: a server that restarts drops the participant, and the
// call joins again as another.
func (p *Provider) gone(ctx context.Context, op string, r ref, key string, answered time.Time, first sight, rm *room) (provider.Call, error) {
	ended := time.Now().UTC()
	if ended.Sub(answered) < p.cfg.GoneAfter {
		return provider.Call{}, p.notFound(op)
	}
	wait := time.NewTimer(p.cfg.GoneAfter)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return provider.Call{}, p.api.fail(op, provider.KindUnavailable, "", context.Cause(ctx))
	}
	s, err := p.see(ctx, op, r)
	if err != nil {
		return provider.Call{}, err
	}
	if s.callee != nil {
		return p.present(ctx, op, r, key, s)
	}
	c := provider.Call{
		ID: r.id(), Key: key, Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted,
		Reason: "participant_gone", AnsweredAt: answered, EndedAt: ended, Raw: raw(nil, first.all...),
	}
	report(&c, first.all, rm)
	report(&c, s.all, nil)
	return c, nil
}

// snapshot is the call as the callee's participant shows it.
func snapshot(r ref, p participant) provider.Call {
	return provider.Call{
		ID: r.id(), Key: p.Attributes[AttrKey], Status: p.status(),
		CreatedAt: p.JoinedAt.Time, AnsweredAt: p.answerTime(),
	}
}
