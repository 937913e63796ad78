package voicetask

import (
	"context"
	"time"

	"github.com/superservices/voice/provider"
)

// Activity is what VoiceTaskWorkflow runs. To change a step embed the one Wrap
// gives you and override a method; do not implement it whole: methods may be
// added. Every method may run again with the same input.
type Activity interface {
	// ExecuteCall decides at the moment of dialling, then passes the fence and
	// dials, puts off, or ends the task.
	ExecuteCall(ctx context.Context, in CallInput) (Dialled, error)
	// AwaitCall returns the call once it has ended; until then it is an error that
	// the caller retries after the policy's PollInterval.
	AwaitCall(ctx context.Context, in CallInput) (provider.Call, error)
	// EndCall hangs up whatever was placed under the key and returns the call as it
	// then stands; a zero Call if nothing is known to have been placed, and an ended
	// one without an id if it is certain that nothing was and, for Cancel, will be.
	EndCall(ctx context.Context, in CallInput) (provider.Call, error)
	// RecordResult writes the result to the store, once.
	RecordResult(ctx context.Context, in ResultInput) error
}

// Dialled is what ExecuteCall did about dial N: Call (dialled or adopted), DialAt
// (put off until then) or End (the task ends). Rule and Reason explain each.
type Dialled struct {
	Call     provider.Call    `json:"call,omitzero"`
	Provider string           `json:"provider,omitempty"`
	DialAt   time.Time        `json:"dial_at,omitzero"`
	End      provider.Outcome `json:"end,omitempty"`
	Rule     string           `json:"rule,omitempty"`
	Reason   string           `json:"reason,omitempty"`
	// AwaitAfter is the silence before polling starts; 0 = at once, negative = never.
	AwaitAfter time.Duration `json:"await_after,omitempty"`
	// Policy is resolved for this task; the workflow reads it from here, so it is in
	// history and a change of configuration cannot break a replay.
	Policy Policy `json:"policy"`
	// CancelRequestedAt is the row's: a call of a task that was cancelled is hung up,
	// also when the cancellation did not reach the workflow.
	CancelRequestedAt time.Time `json:"cancel_requested_at,omitzero"`
}

// CallInput names one dial.
type CallInput struct {
	Task     Task            `json:"task"`
	N        int             `json:"n"`
	Key      string          `json:"key"`
	Provider string          `json:"provider,omitempty"`
	CallID   provider.CallID `json:"call_id,omitempty"`
	Policy   Policy          `json:"policy,omitzero"`
	// Previous is how the dial before this one ended: ExecuteCall brings the ledger
	// up to date with it in the same write that reserves this one.
	Previous provider.Call `json:"previous,omitzero"`
	// NotBefore is when the redial policy allows this dial.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Cancel tells EndCall that the task was cancelled: no later dial may start.
	Cancel bool `json:"cancel,omitempty"`
}

// ResultInput is what RecordResult writes.
type ResultInput struct {
	Task   Task   `json:"task"`
	Result Result `json:"result"`
	// LastDial is how the last dial ended, where the task ended for another reason:
	// cancelled between two dials, say.
	LastDial provider.Outcome `json:"last_dial,omitempty"`
	// NoSpeech: it is certain that the callee of the last dial never spoke.
	NoSpeech bool `json:"no_speech,omitempty"`
}

// Gate may refuse or defer a dial: suppression lists, consent, caps per callee.
type Gate interface {
	// Check judges d. An error is retried: no answer, no dial.
	Check(ctx context.Context, d Dial) (Verdict, error)
}

// GateFunc is a function that is a Gate.
type GateFunc func(ctx context.Context, d Dial) (Verdict, error)

// Check calls f.
func (f GateFunc) Check(ctx context.Context, d Dial) (Verdict, error) { return f(ctx, d) }
