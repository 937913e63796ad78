package voicetask

import (
	"fmt"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// State is what a running task is doing: the answer to QueryState.
type State struct {
	TaskID string       `json:"task_id"`
	Status store.Status `json:"status"`
	// Dial is 0 before the first.
	Dial     int             `json:"dial"`
	Provider string          `json:"provider,omitempty"`
	CallID   provider.CallID `json:"call_id,omitempty"`
	Call     provider.Status `json:"call,omitempty"`
	// Until is when it acts next by itself.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// text is State for a person: the Web UI's current details. It holds neither number nor name.
func (s State) text(t Task, maxDials int) string {
	text := "**" + string(s.Status) + "**"
	if s.Dial > 0 {
		text += fmt.Sprintf(", dial %d", s.Dial)
		if maxDials > 0 {
			text += fmt.Sprintf(" of at most %d", maxDials)
		}
	}
	if s.Provider != "" {
		text += " through " + s.Provider
	}
	if !s.Until.IsZero() {
		text += ", acts by itself at " + s.Until.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		text += "\n\n" + hidden(t, s.Reason)
	}
	return text
}
