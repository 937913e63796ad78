package voicetask

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/superservices/voice/internal/jsonobj"
)

// Errors of tasks.
var (
	// ErrInvalidTask is never worth a retry: dead letter.
	ErrInvalidTask = errors.New("voicetask: invalid task")
	// ErrUnknownTask is returned for a task id that nothing is known of.
	ErrUnknownTask = errors.New("voicetask: unknown task")
)

// MessageTypeOutboundCall is the one message type there is.
const MessageTypeOutboundCall = "outbound_call"

// Task is the wire message and the workflow's input; its JSON is the contract.
// Names are matched exactly. Unknown fields survive in Extra, byte for byte.
type Task struct {
	// ID is 1 to 200 bytes without control characters and "/". Required.
	ID string `json:"task_id"`
	// AgentID names the platform-side agent. Required.
	AgentID string `json:"agent_id"`
	// Data is required on the wire.
	Data Data `json:"data"`
	// Instructions are for the agent; null, absent and "" are one.
	Instructions string `json:"instructions"`
	// ModelConfig is an object, or nil.
	ModelConfig json.RawMessage `json:"model_config"`
	// Callback is passed on; the host delivers it (decorate RecordResult).
	Callback string `json:"callback"`
	// RetryAttempt counts resubmissions by the producer. Old producers send "retry".
	RetryAttempt int `json:"retry_attempt"`
	// MessageType defaults to "outbound_call".
	MessageType string `json:"message_type"`
	RunID       string `json:"run_id,omitempty"`
	TenantID    string `json:"tenant_id,omitempty"`
	// Priority is 1 (first) to 5; 0 means 3.
	Priority  int       `json:"priority,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	// NotAfter: no dial starts later.
	NotAfter time.Time `json:"not_after,omitzero"`
	// TimeZone is the IANA name of the callee's zone.
	TimeZone string `json:"time_zone,omitempty"`
	// MaxDials overrides Policy.MaxDials.
	MaxDials int                        `json:"max_dials,omitempty"`
	Extra    map[string]json.RawMessage `json:"-"`
}

// ParseTask decodes and validates a message. Its error wraps ErrInvalidTask, says
// what is wrong, and quotes nothing of the message but field names.
func ParseTask(b []byte) (Task, error) {
	var t Task
	if err := t.UnmarshalJSON(b); err != nil {
		return Task{}, err
	}
	if err := t.check(); err != nil { // the JSON in it has been checked
		return Task{}, err
	}
	return t, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalidTask, fmt.Errorf(format, args...))
}

const (
	maxIDBytes  = 200
	maxPriority = 5
	mostDials   = 100 // the ledger of a task is one row
)

// Validate reports what Submit would refuse; the error wraps ErrInvalidTask.
func (t Task) Validate() error {
	if err := t.check(); err != nil {
		return err
	}
	if len(t.ModelConfig) > 0 && jsonobj.Check(t.ModelConfig) != nil {
		return invalid("model_config is not valid JSON")
	}
	for _, extra := range []map[string]json.RawMessage{t.Extra, t.Data.Extra} {
		for _, name := range slices.Sorted(maps.Keys(extra)) {
			if jsonobj.Check(extra[name]) != nil {
				return invalid("Extra[%q] is not valid JSON", name)
			}
		}
	}
	return nil
}

// check is Validate but for the JSON in t.
func (t Task) check() error {
	if err := checkID("task_id", t.ID, true); err != nil {
		return err
	}
	if strings.Contains(t.ID, "/") {
		return invalid(`task_id contains "/", which separates it from the number of the dial`)
	}
	if err := checkID("agent_id", t.AgentID, true); err != nil {
		return err
	}
	if err := checkID("run_id", t.RunID, false); err != nil {
		return err
	}
	if err := checkID("tenant_id", t.TenantID, false); err != nil {
		return err
	}
	switch {
	case t.MessageType != "" && t.MessageType != MessageTypeOutboundCall:
		return invalid("message_type is not %q", MessageTypeOutboundCall)
	case t.RetryAttempt < 0:
		return invalid("retry_attempt is negative")
	case t.Priority < 0 || t.Priority > maxPriority:
		return invalid("priority is not 1 (first) to %d", maxPriority)
	case t.MaxDials < 0 || t.MaxDials > mostDials:
		return invalid("max_dials is not 1 to %d", mostDials)
	case !t.NotBefore.IsZero() && !t.NotAfter.IsZero() && t.NotAfter.Before(t.NotBefore):
		return invalid("not_after is before not_before")
	case len(t.ModelConfig) > 0 && !jsonobj.IsNull(t.ModelConfig) && !jsonobj.IsObject(t.ModelConfig):
		return invalid("model_config is not an object")
	}
	return nil
}

func checkID(field, id string, required bool) error {
	switch {
	case id == "" && required:
		return invalid("%s is missing or empty", field)
	case len(id) > maxIDBytes:
		return invalid("%s is longer than %d bytes", field, maxIDBytes)
	case !utf8.ValidString(id):
		return invalid("%s is not valid UTF-8", field)
	case strings.ContainsFunc(id, unicode.IsControl):
		return invalid("%s contains a control character", field)
	}
	return nil
}

// maxDials is how often the task may be dialled under policy p.
func (t Task) maxDials(p Policy) int {
	if t.MaxDials > 0 {
		return t.MaxDials
	}
	return p.MaxDials
}
