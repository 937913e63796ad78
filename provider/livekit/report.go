package livekit

import (
	"encoding/json"
	"strings"

	"github.com/superservices/voice/provider"
)

// report adds what the agent says of the call. It may say so in three places: in
// attributes of itself or of the callee, in the metadata of either, and in the
// room's; of the last two each is a JSON object with the attributes' names. Later
// ones count more, and an attribute more than metadata.
func report(c *provider.Call, ps []participant, rm *room) {
	if rm != nil {
		said(c, fieldsOf(rm.Metadata))
	}
	for _, p := range ps {
		if p.Kind != kindAgent && (c.Key == "" || p.Attributes[AttrKey] != c.Key) {
			continue
		}
		said(c, fieldsOf(p.Metadata))
		said(c, p.Attributes)
	}
}

func said(c *provider.Call, fields map[string]string) {
	set := func(dst *string, v string) {
		if v != "" {
			*dst = v
		}
	}
	set(&c.Transcript, transcriptOf(fields[AttrTranscript]))
	set(&c.Summary, fields[AttrSummary])
	set(&c.RecordingURL, fields[AttrRecordingURL])
	if o := provider.Outcome(fields[AttrOutcome]); c.Status == provider.StatusEnded && knownOutcome(o) {
		c.Outcome, c.Reason = o, AttrOutcome
	}
}

// fieldsOf reads metadata, in which a transcript may be JSON itself. Metadata of
// another kind says nothing.
func fieldsOf(metadata string) map[string]string {
	if !strings.Contains(metadata, `"voice.`) {
		return nil
	}
	var any map[string]json.RawMessage
	if json.Unmarshal([]byte(metadata), &any) != nil {
		return nil
	}
	fields := make(map[string]string, 4)
	for _, name := range []string{AttrOutcome, AttrTranscript, AttrSummary, AttrRecordingURL} {
		var text string
		if v := any[name]; json.Unmarshal(v, &text) == nil {
			fields[name] = text
		} else if name == AttrTranscript {
			fields[name] = string(v)
		}
	}
	return fields
}

// transcriptOf brings a transcript into the library's form if it is the history of
// a LiveKit agent, as JSON (the object with items, or the list of them); other text
// is kept as it is.
func transcriptOf(text string) string {
	type item struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		Text    string          `json:"text"`
	}
	var items []item
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") {
		var history struct {
			Items []item `json:"items"`
		}
		_ = json.Unmarshal([]byte(trimmed), &history)
		items = history.Items
	} else if strings.HasPrefix(trimmed, "[") {
		_ = json.Unmarshal([]byte(trimmed), &items)
	}
	var turns []provider.Turn
	for _, i := range items {
		t := provider.Turn{Text: i.Text + contentOf(i.Content)}
		switch i.Role {
		case "assistant", "agent":
			t.Speaker = provider.SpeakerAgent
		case "user":
			t.Speaker = provider.SpeakerCallee
		default:
			continue
		}
		turns = append(turns, t)
	}
	if written := provider.Transcript(turns); written != "" {
		return written
	}
	return text
}

// contentOf is the text of a message: a string, or a list in which pictures and
// sound are objects.
func contentOf(raw json.RawMessage) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var many []any
	_ = json.Unmarshal(raw, &many)
	var texts []string
	for _, m := range many {
		if s, ok := m.(string); ok {
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, " ")
}

// knownOutcome is for what an agent may say; anything else is left out.
func knownOutcome(o provider.Outcome) bool {
	switch o {
	case provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeNoAnswer, provider.OutcomeBusy,
		provider.OutcomeDeclined, provider.OutcomeInvalidNumber, provider.OutcomeCancelled, provider.OutcomeTimedOut,
		provider.OutcomeProviderFault, provider.OutcomeUnknown:
		return true
	}
	return false
}
