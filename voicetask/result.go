package voicetask

import (
	"encoding/json"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Seconds is a duration in JSON's seconds.
type Seconds float64

// Duration returns s as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Result is the workflow's result. A task that reached nobody has a Result, not
// an error.
type Result struct {
	// Status is completed (Outcome completed or voicemail), cancelled, else failed.
	Status  store.Status     `json:"status"`
	Data    CallResult       `json:"data"`
	TaskID  string           `json:"task_id"`
	Outcome provider.Outcome `json:"outcome"`
	// Reason is why it ended: rule and words.
	Reason string `json:"reason,omitempty"`
	// Dials is how many dials were made or tried.
	Dials int `json:"dials"`
}

// CallResult tells of the last dial. Every key but error is always in the JSON; a
// zero time is null.
type CallResult struct {
	CallID        provider.CallID `json:"call_id"`
	Provider      string          `json:"provider"`
	Customer      string          `json:"customer"`
	ContactNumber string          `json:"contact_number"`
	// CallEndReason is the vendor's.
	CallEndReason   string    `json:"call_end_reason"`
	RecordingURL    string    `json:"recording_url"`
	Transcript      string    `json:"transcript"`
	StartTime       time.Time `json:"start_time"`
	EndTime         time.Time `json:"end_time"`
	AssistantNumber string    `json:"assistant_number"`
	CallSummary     string    `json:"call_summary"`
	Duration        Seconds   `json:"duration"`
	// CostUSD is in US dollars.
	CostUSD  float64         `json:"cost"`
	CallType string          `json:"call_type"`
	Metadata json.RawMessage `json:"metadata"`
	Error    string          `json:"error,omitempty"`
}

// plainCallResult is CallResult without its methods.
type plainCallResult CallResult

// callResultJSON is CallResult on the wire: its times are null when zero.
type callResultJSON struct {
	plainCallResult
	StartTime *time.Time `json:"start_time"`
	EndTime   *time.Time `json:"end_time"`
}

// MarshalJSON writes every key but an empty error; a zero time is null.
func (c CallResult) MarshalJSON() ([]byte, error) {
	if len(c.Metadata) == 0 {
		c.Metadata = json.RawMessage("null")
	}
	return json.Marshal(callResultJSON{plainCallResult(c), timeOrNil(c.StartTime), timeOrNil(c.EndTime)})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (c *CallResult) UnmarshalJSON(b []byte) error {
	var w callResultJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*c = CallResult(w.plainCallResult)
	if w.StartTime != nil {
		c.StartTime = *w.StartTime
	}
	if w.EndTime != nil {
		c.EndTime = *w.EndTime
	}
	if string(c.Metadata) == "null" {
		c.Metadata = nil
	}
	return nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// statusFor folds an outcome into the status of a task that has ended.
func statusFor(o provider.Outcome) store.Status {
	switch o {
	case provider.OutcomeCompleted, provider.OutcomeVoicemail:
		return store.StatusCompleted
	case provider.OutcomeCancelled:
		return store.StatusCancelled
	}
	return store.StatusFailed
}

// ending is what is known when a task ends; result makes the Result of it. The
// workflow and Direct end a task in the same way.
type ending struct {
	outcome  provider.Outcome
	rule     string
	words    string
	provider string
	call     provider.Call // of the last dial; may be zero
	// lastDial is how that one ended, where the task ended for another reason.
	lastDial provider.Outcome
	dials    int
	err      string
}

func (e ending) result(t Task) Result {
	if e.outcome == "" { // a platform that says "ended" and not how
		e.outcome = provider.OutcomeUnknown
	}
	return Result{
		Status:  statusFor(e.outcome),
		Data:    callResult(t, e),
		TaskID:  t.ID,
		Outcome: e.outcome,
		Reason:  reason(e.rule, e.words),
		Dials:   e.dials,
	}
}

// withoutMetadata leaves out what the task, which goes with it, has already: a
// payload has a limit of 2 MiB.
func (r Result) withoutMetadata() Result {
	r.Data.Metadata = nil
	return r
}

func callResult(t Task, e ending) CallResult {
	c := e.call
	start := c.AnsweredAt
	if start.IsZero() {
		start = c.CreatedAt
	}
	r := CallResult{
		CallID:          c.ID,
		Provider:        e.provider,
		Customer:        t.Data.ContactName,
		ContactNumber:   t.Data.ContactNumber,
		CallEndReason:   c.Reason,
		RecordingURL:    c.RecordingURL,
		Transcript:      c.Transcript,
		StartTime:       start,
		EndTime:         c.EndedAt,
		AssistantNumber: c.From,
		CallSummary:     c.Summary,
		CostUSD:         c.CostUSD,
		CallType:        t.Data.CallType,
		Metadata:        t.Data.Extra["metadata"],
		Error:           e.err,
	}
	if !c.AnsweredAt.IsZero() && c.EndedAt.After(c.AnsweredAt) {
		r.Duration = Seconds(c.EndedAt.Sub(c.AnsweredAt).Seconds())
	}
	return r
}

// input is what RecordResult is told of it.
func (e ending) input(t Task) ResultInput {
	return ResultInput{Task: t, Result: e.result(t).withoutMetadata(), LastDial: e.lastDial, NoSpeech: e.call.NoSpeech}
}

// withMetadata puts it back, for RecordResult and what decorates it.
func (in ResultInput) withMetadata() ResultInput {
	if in.Result.Data.Metadata == nil {
		in.Result.Data.Metadata = in.Task.Data.Extra["metadata"]
	}
	return in
}

// cancelledBefore says where a task was cancelled that was not on the phone.
func cancelledBefore(n int) string {
	if n > 1 {
		return "cancelled between two dials"
	}
	return "cancelled before the dial"
}

// reason joins a rule and the words that explain it.
func reason(rule, words string) string {
	switch {
	case rule == "":
		return words
	case words == "":
		return rule
	}
	return rule + ": " + words
}

// enrich fills what c lacks with what a later or fuller snapshot has.
func (c *CallResult) enrich(call provider.Call) {
	if c.CallID != "" && call.ID != "" && c.CallID != call.ID {
		return
	}
	fill(&c.CallID, call.ID)
	fill(&c.CallEndReason, call.Reason)
	fill(&c.AssistantNumber, call.From)
	replace(&c.RecordingURL, call.RecordingURL)
	replace(&c.Transcript, call.Transcript)
	replace(&c.CallSummary, call.Summary)
	replace(&c.CostUSD, call.CostUSD)
	if !call.AnsweredAt.IsZero() && (c.Duration == 0 || c.StartTime.IsZero()) {
		c.StartTime = call.AnsweredAt
	}
	if c.EndTime.IsZero() {
		c.EndTime = call.EndedAt
	}
	if c.Duration == 0 && !call.AnsweredAt.IsZero() && call.EndedAt.After(call.AnsweredAt) {
		c.Duration = Seconds(call.EndedAt.Sub(call.AnsweredAt).Seconds())
	}
}

// fill sets dst if it is empty, replace if there is something to set.
func fill[T comparable](dst *T, v T) {
	var zero T
	if *dst == zero {
		*dst = v
	}
}

func replace[T comparable](dst *T, v T) {
	var zero T
	if v != zero {
		*dst = v
	}
}
