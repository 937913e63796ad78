package vapi

import (
	"strings"

	"github.com/superservices/voice/provider"
)

// turns are the messages of the call that somebody spoke; told is false if there
// are no messages at all. Prompts, tools and their results are none.
func (w *wireCall) turns() (turns []provider.Turn, told bool) {
	var messages []struct {
		Role    string `json:"role"`
		Message string `json:"message"`
		Content string `json:"content"`
	}
	if decode(w.Artifact.Messages, &messages) != nil {
		return nil, false
	}
	for _, m := range messages {
		text := m.Message
		if text == "" {
			text = m.Content
		}
		switch m.Role {
		case "user", "customer":
			turns = append(turns, provider.Turn{Speaker: provider.SpeakerCallee, Text: text})
		case "bot", "assistant":
			turns = append(turns, provider.Turn{Speaker: provider.SpeakerAgent, Text: text})
		}
	}
	return turns, len(messages) > 0
}

// transcript is in the library's form. The messages say who spoke; Vapi's own text,
// where it comes without them or in a form of its own, is taken as it is.
func (w *wireCall) transcript() string {
	turns, _ := w.turns()
	if text := provider.Transcript(turns); text != "" {
		return text
	}
	if turns := provider.Turns(w.Artifact.Transcript); turns != nil {
		return provider.Transcript(turns)
	}
	return w.Artifact.Transcript
}

// speech reports whether the callee spoke according to messages and transcript,
// and whether those tell at all.
func (w *wireCall) speech() (spoke, told bool) {
	turns, told := w.turns()
	for _, t := range turns {
		if t.Speaker == provider.SpeakerCallee && strings.TrimSpace(t.Text) != "" {
			return true, true
		}
	}
	return strings.Contains(w.Artifact.Transcript, "User:"), told
}
