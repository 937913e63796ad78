package livekit

import (
	"context"
	"errors"

	"github.com/superservices/voice/provider"
)

// ResultEvent is the event under which an agent may post its result to
// WebhookHandler, if it would rather do so than set attributes:
//
//	{"event": "voice.result", "id": "<any>", "createdAt": <Unix seconds>, "result": {
//	   "key": "<the dispatch's key>", "room_name": "<its room_name>", "outcome": "voicemail",
//	   "transcript": "...", "summary": "...", "recording_url": "..."}}
//
// It is signed as LiveKit signs webhooks, which LiveKit's server libraries do for
// anybody who has the API key: a token with the claim sha256, the base64 of the
// body's SHA-256, as the header Authorization. An outcome says that the call is
// over: post it last, or leave it out. Permanent.
const ResultEvent = "voice.result"

type result struct {
	Key          string           `json:"key"`
	RoomName     string           `json:"room_name"`
	Outcome      provider.Outcome `json:"outcome"`
	Transcript   string           `json:"transcript"`
	Summary      string           `json:"summary"`
	RecordingURL string           `json:"recording_url"`
}

// result reads what an agent posted.
func (h *hook) result(w webhook) ([]provider.Event, error) {
	r := w.Result
	if r == nil {
		return nil, errors.New("livekit: a posted result without one")
	}
	if _, _, ok := provider.SplitKey(r.Key); !ok || r.RoomName == "" {
		return nil, errors.New("livekit: a posted result names no call: key and room_name are those of the dispatch")
	}
	c := provider.Call{
		ID: (ref{room: r.RoomName, identity: identityFor(r.Key)}).id(), Key: r.Key,
		Transcript: transcriptOf(r.Transcript), Summary: r.Summary, RecordingURL: r.RecordingURL,
	}
	switch {
	case knownOutcome(r.Outcome):
		c.Status, c.Outcome, c.Reason, c.EndedAt = provider.StatusEnded, r.Outcome, ResultEvent, w.CreatedAt.Time
	case r.Outcome != "":
		return nil, errors.New("livekit: a posted result has an outcome that is none of provider's")
	}
	return []provider.Event{{ID: w.ID, Provider: h.provider, Key: r.Key, Call: c, At: w.CreatedAt.Time}}, nil
}

// agentLeft reads the leaving of an agent: what it said of the call, and, if it left
// its callee behind, the end of the call.
func (h *hook) agentLeft(ctx context.Context, w webhook, key string) (c provider.Call, ok bool) {
	if key != "" && h.calls != nil && h.calls.tended() && leftBehind(string(w.Participant.DisconnectReason)) {
		over, ended, err := h.calls.endDeserted(ctx, "end", ref{room: w.Room.Name, identity: identityFor(key)}, key)
		switch {
		case err != nil: // polling looks again
			h.log.WarnContext(ctx, "livekit: an agent has left, and its call could not be looked at", "key", key, "error", err)
		case ended:
			c, ok = over, true
		}
	}
	report(&c, []participant{*w.Participant}, w.Room)
	return c, ok || c.Transcript != "" || c.Summary != "" || c.RecordingURL != ""
}

// leftBehind is false for an agent whose room went with it, or that comes back.
func leftBehind(reason string) bool {
	switch reason {
	case "ROOM_DELETED", "ROOM_CLOSED", "SERVER_SHUTDOWN", "MIGRATION", "STATE_MISMATCH", "DUPLICATE_IDENTITY":
		return false
	}
	return true
}
