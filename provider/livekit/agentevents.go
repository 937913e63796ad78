package livekit

import (
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

// agentLeft reads the leaving of an agent: what it said of the call, and whether it
// may have left its callee behind, which holding sees to.
func (h *hook) agentLeft(w webhook) (c provider.Call, ok bool) {
	report(&c, []participant{*w.Participant}, w.Room)
	if h.calls != nil && h.calls.tended() && leftBehind(string(w.Participant.DisconnectReason)) {
		c.Reason = codeAgentLeft // and no status: a question
		if o := provider.Outcome(w.Participant.Attributes[AttrOutcome]); knownOutcome(o) {
			c.Outcome = o
		} else if o := provider.Outcome(fieldsOf(w.Participant.Metadata)[AttrOutcome]); knownOutcome(o) {
			c.Outcome = o
		}
		return c, true
	}
	return c, saysSomething(c)
}

func saysSomething(c provider.Call) bool {
	return c.Transcript != "" || c.Summary != "" || c.RecordingURL != ""
}

// leftBehind is false for an agent whose room went with it, or that comes back.
func leftBehind(reason string) bool {
	switch reason {
	case "ROOM_DELETED", "ROOM_CLOSED", "SERVER_SHUTDOWN", "MIGRATION", "STATE_MISMATCH", "DUPLICATE_IDENTITY":
		return false
	}
	return true
}
