package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/provider"
)

// Store is yours to implement: one row per task, keyed by id. It must be safe for
// concurrent use. Prove it with storetest.Run.
type Store interface {
	// Create adds r with Version 1. If the id exists it returns that record and ErrExists.
	Create(ctx context.Context, r Record) (Record, error)
	// Get returns the record, or ErrNotFound.
	Get(ctx context.Context, id string) (Record, error)
	// Update writes r only if the stored Version equals r.Version, and returns it
	// with Version+1; else ErrConflict, or ErrNotFound if the id is gone. The store
	// keeps CreatedAt and sets UpdatedAt by its own clock.
	Update(ctx context.Context, r Record) (Record, error)
}

// Lister is optional; needed by Direct. List is ordered by ID, after q.After;
// with DueBefore set it is ordered by DueAt and After is not used.
type Lister interface {
	List(ctx context.Context, q Query) ([]Record, error)
}

// Summarizer is optional: counts without reading rows.
type Summarizer interface {
	Summarize(ctx context.Context, q Query) (Summary, error)
}

// CallFinder is optional: needed for webhooks that carry a call id only. It
// returns ErrNotFound when no attempt of that provider has the id.
type CallFinder interface {
	FindCall(ctx context.Context, providerName string, id provider.CallID) (Record, error)
}

// Leaser is optional: needed by voicetask.Config.Limits.
type Leaser interface {
	// Acquire takes all scopes or none and reports which; repeating it for a holder
	// extends the lease.
	Acquire(ctx context.Context, l Lease) (bool, error)
	// Release gives back all that holder has; releasing nothing is no error.
	Release(ctx context.Context, holder string) error
}

// Durability is optional: Durable is false for a store that can lose acknowledged
// writes. Without it a store is taken for durable.
type Durability interface{ Durable() bool }

// Sentinels of Store methods.
var (
	ErrNotFound = errors.New("store: no such task")
	ErrExists   = errors.New("store: task exists")
	ErrConflict = errors.New("store: record changed meanwhile")
)

// Record is one task. Times are UTC. A SQL store needs columns for the first
// block only; the rest may be one JSON column.
type Record struct {
	ID, TenantID, RunID string
	Status              Status
	// DueAt is when the task wants to be worked on next; Direct claims by it.
	DueAt   time.Time
	Version int64
	// CreatedAt is set by Create, UpdatedAt by Create and Update.
	CreatedAt, UpdatedAt time.Time
	AgentID, To          string
	// Outcome is set once Status is terminal.
	Outcome provider.Outcome
	// Reason is why it waits or ended: rule and words.
	Reason string

	// Task is the task as submitted, Result the voicetask.Result once terminal;
	// before that it may hold a draft with what events brought (transcript, cost).
	Task   json.RawMessage `json:",omitempty"`
	Result json.RawMessage `json:",omitempty"`
	// Attempts is the ledger, oldest first; tens at most.
	Attempts []Attempt
	// CancelRequestedAt is set when the task is to be cancelled: it blocks
	// reserved -> sending.
	CancelRequestedAt time.Time
	// Owner is "temporal" or one Direct process, taken by Update before the first
	// dial: the other engine then leaves the task alone. LeaseUntil bounds the
	// ownership of a Direct process.
	Owner      string
	LeaseUntil time.Time
}

// AttemptState of one dial. The moves between them are listed in docs/design.md;
// each is an Update by Version.
type AttemptState string

// States of an Attempt.
const (
	// AttemptReserved: nobody has dialled; a later execution may take it over with
	// a new Token.
	AttemptReserved AttemptState = "reserved"
	// AttemptSending: Token's holder sends once; from here it may ring, and nobody
	// else ever dials.
	AttemptSending AttemptState = "sending"
	// AttemptNotSent: proved by the sender itself.
	AttemptNotSent AttemptState = "not_sent"
	// AttemptPlaced: CallID known.
	AttemptPlaced AttemptState = "placed"
	// AttemptUnknown: cannot be proved either way; never redialled by itself.
	AttemptUnknown AttemptState = "unknown"
	// AttemptEnded: the call is over.
	AttemptEnded AttemptState = "ended"
	// AttemptAborted: given up before sending (cancel, kill switch, window closed);
	// may be reserved again.
	AttemptAborted AttemptState = "aborted"
)

// Attempt is one dial under one key.
type Attempt struct {
	N        int          `json:"n"`
	Key      string       `json:"key"`
	Provider string       `json:"provider"`
	State    AttemptState `json:"state"`
	// Token is who holds it: it tells a lost reply of one's own write from another's.
	Token  string          `json:"token"`
	Sends  int             `json:"sends"`
	CallID provider.CallID `json:"call_id,omitempty"`
	// OtherCallIDs were seen under this key besides: an alarm.
	OtherCallIDs []provider.CallID `json:"other_call_ids,omitempty"`
	// Kind is that of the last error of Place.
	Kind provider.Kind `json:"kind,omitempty"`
	// NotBefore is the time of the next send.
	NotBefore  time.Time        `json:"not_before,omitzero"`
	ReservedAt time.Time        `json:"reserved_at,omitzero"`
	SentAt     time.Time        `json:"sent_at,omitzero"`
	Outcome    provider.Outcome `json:"outcome,omitempty"`
	// Reason is the vendor's.
	Reason  string  `json:"reason,omitempty"`
	CostUSD float64 `json:"cost_usd,omitempty"`
	// NoSpeech: it is certain that the callee never spoke, so a fault may be redialled.
	NoSpeech   bool      `json:"no_speech,omitempty"`
	DialledAt  time.Time `json:"dialled_at,omitzero"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
}

// Query selects records; zero fields match all. A Limit below 1 means 100.
type Query struct {
	TenantID, RunID string
	Statuses        []Status
	DueBefore       time.Time
	// DueFrom narrows DueBefore: records that are due no earlier. It is a help to the
	// database only: a store may ignore it, and who sets it looks at DueAt again.
	DueFrom time.Time
	// After is the ID of the last record seen.
	After string
	Limit int
}

// DefaultLimit is what a Query's zero Limit stands for.
const DefaultLimit = 100

// Lease is a live call's claim on limited things until it is released or Until
// passes.
type Lease struct {
	// Holder is the dial key.
	Holder string
	// Scopes maps a scope to the most holders it may have at once.
	Scopes map[string]int
	Until  time.Time
}

// modifyTries bounds Modify: more conflicts than this in a row mean something is
// rewriting the record all the time.
const modifyTries = 20

// Modify reads, changes and updates id, again on ErrConflict, so change may run
// several times and must depend only on the record it is given. An error of
// change ends it, is returned as it is, and nothing is written.
func Modify(ctx context.Context, s Store, id string, change func(*Record) error) (Record, error) {
	for range modifyTries {
		r, err := s.Get(ctx, id)
		if err != nil {
			return Record{}, err
		}
		if err := change(&r); err != nil {
			return r, err
		}
		updated, err := s.Update(ctx, r)
		if !errors.Is(err, ErrConflict) {
			return updated, err
		}
		if err := ctx.Err(); err != nil {
			return Record{}, err
		}
	}
	return Record{}, fmt.Errorf("store: task %s changed %d times under Modify: %w", id, modifyTries, ErrConflict)
}
