package provider

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"
)

// Provider places calls on one account of one voice platform. It is yours to
// implement. It must be safe for concurrent use, never retry, and never hang up
// because ctx ended. Its errors are *Error values; any other error counts as
// KindOutcomeUnknown.
type Provider interface {
	// Name is constant, lower case, and kept in history and in the store.
	Name() string
	// Place dials once. Busy, no answer and declined are Calls with an Outcome,
	// not errors. An error whose kind is not NotPlaced means that a phone may
	// have rung.
	Place(ctx context.Context, req Request) (Call, error)
	// Get returns the call as it stands now: ErrNotFound, or ErrUnsupported if
	// the platform only sends webhooks. ErrNotFound does not mean that the call
	// has ended.
	Get(ctx context.Context, id CallID) (Call, error)
	// End hangs up. A call that has ended, or that the platform does not know,
	// is no error. ErrUnsupported: the library waits for the call's own end.
	End(ctx context.Context, id CallID) error
}

// Finder is optional: it looks for the call placed under key, no earlier than
// since, after an answer was lost. ErrNotFound proves nothing (see
// Traits.VisibilityLag); a list that was cut short is KindUnavailable, not
// ErrNotFound.
type Finder interface {
	Find(ctx context.Context, key string, since time.Time) (Call, error)
}

// Describer is optional: facts about the platform. Without it the zero Traits
// hold, which are the cautious ones.
type Describer interface{ Traits() Traits }

// Lister is optional: one sweep per account instead of a Get per call. Absence
// from a list is never an end.
type Lister interface {
	List(ctx context.Context, since time.Time) iter.Seq2[Call, error]
}

// Traits are facts about a platform, constant for the life of a Provider.
// Fields are only added.
type Traits struct {
	// Events: the platform pushes events to the host's webhook handler. Polling
	// then starts only after a silence (Policy.EventGrace).
	Events bool
	// Blocking: Place returns only when the call has ended. Ring and longest
	// call must fit the 15 minutes of the activity.
	Blocking bool
	// IdempotentPlace: the platform itself refuses to dial a key twice, for
	// ever. Only then may a dial whose answer was lost be sent again. The library
	// does not make use of it yet: such a dial is looked for, like any other.
	IdempotentPlace bool
	// VisibilityLag is how long a placed call may stay invisible to Find;
	// 0 means 2 minutes.
	VisibilityLag time.Duration
	// LateDetails is how long after the end of an answered call its summary may still
	// be missing from Get. A poll that finds the end then goes on asking until it is
	// there, or for so long; with events the platform tells. 0 means not at all.
	LateDetails time.Duration
	// SetupTime is how long Place may take before it dials, waiting for an agent,
	// say. Place is given that much more time than the ring limit needs. It counts
	// towards the VisibilityLag too, which begins with Place.
	SetupTime time.Duration
	// NeedsFrom: this account has no number of its own to call from, so that Place
	// refuses a Request without From. voicetask.Config.Prepare sets it, or a
	// Provider around this one; a worker without Prepare logs a warning.
	NeedsFrom bool
}

// DefaultVisibilityLag is what a zero Traits.VisibilityLag stands for.
const DefaultVisibilityLag = 2 * time.Minute

// TraitsOf returns p's Traits, zero when p is no Describer.
func TraitsOf(p Provider) Traits {
	if d, ok := p.(Describer); ok {
		return d.Traits()
	}
	return Traits{}
}

// CallID is the platform's identifier of a call.
type CallID string

// Key is the key of a task's n-th dial, "<task_id>/<n>". Escape it in URLs.
func Key(taskID string, n int) string { return taskID + "/" + strconv.Itoa(n) }

// SplitKey is the inverse of Key. It is not ok for a string that Key could not
// have made of a task id without "/" and an n of at least 1.
func SplitKey(key string) (taskID string, n int, ok bool) {
	taskID, digits, found := strings.Cut(key, "/")
	if !found || taskID == "" {
		return "", 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || strconv.Itoa(n) != digits {
		return "", 0, false
	}
	return taskID, n, true
}

// Request asks for one dial.
type Request struct {
	// Key is "<task_id>/<n>", never used for another dial. Required.
	Key string
	// TaskID is the task this dial belongs to; AgentID the platform-side agent,
	// after Config.Prepare.
	TaskID, AgentID string
	// To is the callee, E.164 or a SIP URI; ToName the callee's name, may be empty.
	To, ToName string
	// From is the caller number or its id; empty means the provider's default.
	From string
	// Room is for room platforms; empty means derived from Key.
	Room string
	// Instructions are for the agent.
	Instructions string
	// RingTimeout is how long to let it ring; 0 means the provider's default.
	RingTimeout time.Duration
	// MaxDuration is an upper bound that the platform should enforce too.
	MaxDuration time.Duration
	// ModelConfig is the task's model_config object, or nil.
	ModelConfig json.RawMessage
	// Data is the task's whole data object.
	Data json.RawMessage
	// OnPlaced is never nil when the library calls Place. A Blocking provider
	// calls it once the call has an id, so that the call can be found and ended
	// while Place still blocks. Its error means that the id could not be kept:
	// log it and go on with the call.
	OnPlaced func(c Call) error `json:"-"`
}
