package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/superservices/voice/provider"
)

// webhook is what LiveKit posts.
type webhook struct {
	Event       string       `json:"event"`
	ID          string       `json:"id"`
	CreatedAt   wireTime     `json:"createdAt"`
	Room        *room        `json:"room"`
	Participant *participant `json:"participant"`
	Egress      *egressInfo  `json:"egressInfo"`
	Result      *result      `json:"result"` // ResultEvent
}

// events turns a verified body into at most one event. The rest of what LiveKit
// sends is for others: track_* events, for one, carry a participant without kind
// and attributes.
func (h *hook) events(ctx context.Context, body []byte) ([]provider.Event, error) {
	var w webhook
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, errors.New("livekit: the webhook is not LiveKit's JSON")
	}
	switch {
	case w.Event == ResultEvent:
		return h.result(w)
	case w.Event == "egress_ended":
		e, ok := recorded(w)
		if !ok {
			return nil, nil
		}
		e.Provider = h.provider
		return []provider.Event{e}, nil
	case w.Room == nil:
		return nil, nil
	}
	data, _ := dataOf(w.Room.Metadata)
	var (
		key  string
		call provider.Call
		ok   bool
	)
	switch w.Event {
	case "participant_joined", "participant_left", "participant_connection_aborted":
		if w.Participant == nil {
			return nil, nil
		}
		left := w.Event != "participant_joined"
		switch w.Participant.Kind {
		case kindSIP:
			key = keyOf(*w.Participant, data)
			call, ok = h.callee(ctx, w, key, data, left)
		case kindAgent:
			key = data.Key
			if left {
				call, ok = h.agentLeft(w)
			}
		}
	case "room_finished":
		key = data.Key
		call, ok = finished(w, data)
	}
	if !ok || key == "" {
		return nil, nil
	}
	call.ID, call.Key = (ref{room: w.Room.Name, identity: identityFor(key)}).id(), key
	call.Raw = w.raw()
	return []provider.Event{{ID: w.ID, Provider: h.provider, Key: key, Call: call, At: w.CreatedAt.Time}}, nil
}

// at is when the webhook was made, as far as known.
func (w webhook) at() time.Time {
	if w.CreatedAt.IsZero() {
		return time.Now().UTC()
	}
	return w.CreatedAt.Time
}

func (w webhook) raw() json.RawMessage {
	if w.Participant == nil {
		return raw(w.Room)
	}
	return raw(w.Room, *w.Participant)
}

// keyOf is empty for a participant that is not the callee. The room's own key
// counts only where an agent dials: else another SIP participant, to whom the agent
// transferred, would be taken for the callee.
func keyOf(p participant, data roomData) string {
	if key := p.Attributes[AttrKey]; key != "" {
		return key
	}
	if data.AgentDials {
		return data.Key
	}
	return ""
}

// callee reads an event of the callee's participant.
func (h *hook) callee(ctx context.Context, w webhook, key string, data roomData, left bool) (provider.Call, bool) {
	p := *w.Participant
	c := snapshot(ref{}, p)
	if c.AnsweredAt.IsZero() {
		c.AnsweredAt = data.AnsweredAt
	}
	answered := p.answered() || !c.AnsweredAt.IsZero()
	if answered && c.Status != provider.StatusEnded {
		c.Status = provider.StatusInProgress
	}
	if c.Status == provider.StatusEnded && !left {
		c.Status = provider.StatusInProgress // the end has an event of its own
	}
	if !left {
		return c, key != ""
	}
	end := endOf(string(p.DisconnectReason), answered)
	if key != "" {
		h.notice(ctx, key, end, string(p.DisconnectReason))
	}
	if end.outcome == "" {
		return c, false
	}
	c.Status, c.Outcome, c.Reason, c.EndedAt = provider.StatusEnded, end.outcome, string(p.DisconnectReason), w.CreatedAt.Time
	if !answered {
		return c, true // nobody spoke with an agent
	}
	if c.AnsweredAt.IsZero() {
		c.AnsweredAt = w.at() // by now: a fault after the answer is not dialled again
	}
	report(&c, nil, w.Room)
	if said := provider.Outcome(p.Attributes[AttrOutcome]); answered && knownOutcome(said) {
		c.Outcome, c.Reason = said, AttrOutcome
	}
	return c, true
}

func (h *hook) notice(ctx context.Context, key string, end ending, reason string) {
	n := provider.Notice{Provider: h.provider, Key: key, N: 1}
	n.TaskID, _, _ = provider.SplitKey(key)
	switch {
	case end.second:
		n.Kind = provider.NoticeSecondCall
	case end.unmapped:
		n.Kind = provider.NoticeUnmappedReason
	default:
		return
	}
	h.observe(ctx, n)
	h.log.WarnContext(ctx, "livekit: a participant left in an unexpected way", "key", key, "notice", n.Kind, "reason", reason)
}

// finished reads the end of a room. It is the end of a call only where there
// certainly was one: a room is also deleted because nobody could be rung, and its
// key may then be dialled again.
func finished(w webhook, data roomData) (provider.Call, bool) {
	c := provider.Call{Status: provider.StatusEnded, Reason: w.Event, EndedAt: w.CreatedAt.Time, AnsweredAt: data.AnsweredAt, CreatedAt: w.Room.CreationTime.Time}
	switch {
	case !data.AnsweredAt.IsZero():
		c.Outcome = provider.OutcomeCompleted
	case data.AgentDials:
		c.Outcome = provider.OutcomeUnknown
	default:
		return c, false
	}
	report(&c, nil, w.Room)
	return c, true
}
