package provider

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"
)

// ErrBadSignature is what a webhook's parser returns for a request that is not
// authentic; ErrUnknownCall is what an EventSink returns for a call it has no
// task for, or one that was over long ago.
var (
	ErrBadSignature = errors.New("provider: bad webhook signature")
	ErrUnknownCall  = errors.New("provider: no task for this call")
)

// Event is a pushed snapshot. Key or Call.ID is required.
type Event struct {
	// ID is the platform's, for de-duplication; may be empty.
	ID string `json:"id,omitempty"`
	// Provider is the name of the Provider the call belongs to.
	Provider string `json:"provider"`
	// Key may be empty: the task is then found through the store's CallFinder.
	Key  string    `json:"key,omitempty"`
	Call Call      `json:"call"`
	At   time.Time `json:"at,omitzero"`
}

// Notice is something worth counting, or an alarm. N is how many; 0 means 1.
type Notice struct {
	Kind, Provider, TaskID, Key string
	N                           int
}

// Notice kinds. More may come.
const (
	NoticeUnknownOutcome  = "unknown_outcome"  // a dial could not be proved either way
	NoticeUnmappedReason  = "unmapped_reason"  // the vendor gave a reason that no rule knows
	NoticeSecondCall      = "second_call"      // two calls were seen under one key: an alarm
	NoticePayloadConflict = "payload_conflict" // a task id came again with another payload
	NoticeForgedWebhook   = "forged_webhook"   // a webhook failed verification
	NoticeOverdueCall     = "overdue_call"     // a call was up beyond its limits, or after a cancellation: it was ended
	NoticeUnfollowed      = "unfollowed_task"  // nothing followed an open task: the sweeper had its workflow started again
	NoticeDuplicateTask   = "duplicate_task"   // a task id came again with the same payload
	NoticeBreakerOpen     = "breaker_open"     // an account failed many times in a row: no dials through it for a while
	NoticeStrayEvent      = "stray_event"      // a genuine event for a call without a task or workflow yet, or whose task is over
)

// EventSink takes events; *voicetask.Client and *voicetask.Direct are sinks.
// Deliver may see an event twice, late or out of order. ErrUnknownCall: not ours,
// or over long ago. It must be safe for concurrent use.
type EventSink interface {
	Deliver(ctx context.Context, e Event) error
}

// EventSinkFunc is a function that is an EventSink.
type EventSinkFunc func(ctx context.Context, e Event) error

// Deliver calls f.
func (f EventSinkFunc) Deliver(ctx context.Context, e Event) error { return f(ctx, e) }

const (
	maxWebhookBody = 4 << 20
	// webhookRead bounds how long a sender may take over its body.
	webhookRead = 10 * time.Second
	// youngCall is how long an unknown call's events are refused rather than
	// dropped: the event may have overtaken our own write of the call's id.
	youngCall = 2 * time.Minute
)

// WebhookHandler serves POSTs: parse verifies and decodes a request whose body
// is bounded to 4 MiB and 10 seconds, and sink takes the events. A parse that can
// tell a forgery by the headers should do so before it reads.
//
// It answers 204 when all events were delivered or are not ours, 401 for
// ErrBadSignature, 413 for a body that is too long, 408 for one that is too slow,
// 400 for another parse error, and 503, so that the platform
// sends again, when the sink failed or when the call is unknown but younger than
// 2 minutes by Call.CreatedAt, else Event.At (with both zero it counts as old).
func WebhookHandler(parse func(r *http.Request) ([]Event, error), sink EventSink) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		conn := http.NewResponseController(w)
		_ = conn.SetReadDeadline(time.Now().Add(webhookRead)) // of a real connection
		r.Body = http.MaxBytesReader(w, r.Body, maxWebhookBody)
		events, err := parse(r)
		if err != nil {
			w.Header().Set("Connection", "close") // nothing more is read of it
			w.WriteHeader(statusOf(err))
			return
		}
		_ = conn.SetReadDeadline(time.Time{})
		status := http.StatusNoContent
		for _, e := range events {
			if !delivered(r.Context(), sink, e) {
				status = http.StatusServiceUnavailable
			}
		}
		w.WriteHeader(status)
	})
}

// statusOf is the answer to a request that parse refused.
func statusOf(err error) int {
	var tooLong *http.MaxBytesError
	switch {
	case errors.Is(err, ErrBadSignature):
		return http.StatusUnauthorized
	case errors.As(err, &tooLong):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

func delivered(ctx context.Context, sink EventSink, e Event) bool {
	err := sink.Deliver(ctx, e)
	if errors.Is(err, ErrUnknownCall) {
		at := e.Call.CreatedAt
		if at.IsZero() {
			at = e.At
		}
		return at.IsZero() || time.Since(at) >= youngCall
	}
	return err == nil
}
