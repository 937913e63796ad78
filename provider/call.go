package provider

import (
	"encoding/json"
	"time"
)

// Status is where a call stands.
type Status string

// Statuses of a call. StatusQueued is a live call (accepted, may still dial);
// StatusEnded is the only terminal one.
const (
	StatusQueued     Status = "queued"
	StatusRinging    Status = "ringing"
	StatusInProgress Status = "in_progress"
	StatusEnded      Status = "ended"
)

// rank orders statuses; an unknown one ranks lowest and never replaces another.
func (s Status) rank() int {
	switch s {
	case StatusQueued:
		return 1
	case StatusRinging:
		return 2
	case StatusInProgress:
		return 3
	case StatusEnded:
		return 4
	}
	return 0
}

// Outcome is how a call, or a task, ended: one set for all providers.
type Outcome string

// Outcomes. A redial policy maps them to another dial or none; OutcomeUnknown is
// never redialled.
const (
	OutcomeCompleted     Outcome = "completed"      // answered, and the conversation took place
	OutcomeVoicemail     Outcome = "voicemail"      // a machine answered
	OutcomeNoAnswer      Outcome = "no_answer"      // it rang, nobody answered
	OutcomeBusy          Outcome = "busy"           // the line was busy
	OutcomeDeclined      Outcome = "declined"       // the callee, or the network for them, refused
	OutcomeInvalidNumber Outcome = "invalid_number" // no such number
	OutcomeCancelled     Outcome = "cancelled"      // given up by us before or during the call
	OutcomeTimedOut      Outcome = "timed_out"      // ended because it outlasted its limit
	OutcomeRateLimited   Outcome = "rate_limited"   // the platform had no capacity for it
	OutcomeProviderFault Outcome = "provider_fault" // the platform or the network failed
	OutcomeConfigError   Outcome = "config_error"   // it cannot work until somebody changes a setting
	OutcomeUnknown       Outcome = "unknown"        // cannot be proved either way, or an unmapped reason
)

// Valid reports whether o is one of the outcomes above.
func (o Outcome) Valid() bool {
	switch o {
	case OutcomeCompleted, OutcomeVoicemail, OutcomeNoAnswer, OutcomeBusy, OutcomeDeclined, OutcomeInvalidNumber,
		OutcomeCancelled, OutcomeTimedOut, OutcomeRateLimited, OutcomeProviderFault, OutcomeConfigError, OutcomeUnknown:
		return true
	}
	return false
}

// Call is a snapshot of a call. From a webhook it may be partial: a zero field is
// not known. A Call enters workflow history; Raw does not.
type Call struct {
	ID     CallID `json:"id,omitempty"`
	Key    string `json:"key,omitempty"`
	Status Status `json:"status,omitempty"`
	// Outcome is set once Status is ended.
	Outcome Outcome `json:"outcome,omitempty"`
	// Reason is the vendor's own words for the outcome.
	Reason    string    `json:"reason,omitempty"`
	From      string    `json:"from,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	// AnsweredAt is zero when the call was never answered, as far as known.
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	// NoSpeech: it is certain that the callee never spoke. After a fault this
	// decides whether a redial would bother somebody who already talked to us.
	NoSpeech bool `json:"no_speech,omitempty"`
	// Transcript has a line a turn, "AI: ..." or "User: ..." (see Turns), where the
	// platform tells who spoke.
	Transcript   string `json:"transcript,omitempty"`
	Summary      string `json:"summary,omitempty"`
	RecordingURL string `json:"recording_url,omitempty"`
	// CostUSD is in US dollars.
	CostUSD float64 `json:"cost_usd,omitempty"`
	// Raw is the vendor's object without secrets, for hosts that decorate.
	Raw json.RawMessage `json:"-"`
}

// Merge returns c updated by a later or fuller snapshot of the same call.
//
// Ended and answered are sticky: the status never moves backwards, a time of
// answer once known stays, and the first outcome stands unless it was unknown.
// The id and key of c stay too. Other fields take the later snapshot's value
// where it has one.
func (c Call) Merge(later Call) Call {
	m := c
	if m.ID == "" {
		m.ID = later.ID
	}
	if m.Key == "" {
		m.Key = later.Key
	}
	if later.Status.rank() > m.Status.rank() {
		m.Status = later.Status
	}
	undecided := m.Outcome == "" || m.Outcome == OutcomeUnknown
	if later.Outcome != "" && undecided {
		m.Outcome = later.Outcome
		if later.Reason != "" {
			m.Reason = later.Reason
		}
	}
	if m.Reason == "" && (later.Outcome == "" || later.Outcome == m.Outcome) {
		m.Reason = later.Reason
	}
	if m.AnsweredAt.IsZero() {
		m.AnsweredAt = later.AnsweredAt
	}
	m.NoSpeech = m.NoSpeech || later.NoSpeech
	setNonZero(&m.From, later.From)
	setNonZero(&m.Transcript, later.Transcript)
	setNonZero(&m.Summary, later.Summary)
	setNonZero(&m.RecordingURL, later.RecordingURL)
	setNonZero(&m.CostUSD, later.CostUSD)
	if !later.CreatedAt.IsZero() {
		m.CreatedAt = later.CreatedAt
	}
	if !later.EndedAt.IsZero() {
		m.EndedAt = later.EndedAt
	}
	if later.Raw != nil {
		m.Raw = later.Raw
	}
	return m
}

func setNonZero[T comparable](dst *T, v T) {
	var zero T
	if v != zero {
		*dst = v
	}
}
