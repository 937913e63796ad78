package voicetask

import (
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// overtaken is what may be recorded of res by what the ledger says by now. A result
// may come late: from a process that was frozen after its judge had said no, while
// another one dialled, or from a workflow that was reset. It must not close a task
// whose phone may ring, nor tell of another call than the last one. A dial that is open
// is waited for; one whose end nobody has told for long is unknown.
func overtaken(r *store.Record, res Result, now time.Time) (Result, error) {
	if len(r.Attempts) == 0 {
		return res, nil
	}
	last := r.Attempts[len(r.Attempts)-1]
	unheard := last.N > res.Dials
	switch last.State {
	case store.AttemptSending, store.AttemptPlaced:
		switch {
		case !unheard:
		case now.Sub(sentAt(last)) < openDialLongest:
			return res, &later{delay: openDialDelay, why: "a dial is open that the result does not tell of"}
		default:
			const why = "nobody has told how the last dial ended"
			_ = fence.Unknown(r, last.N, why) // a placed one is ended with the result
			last.Outcome = provider.OutcomeUnknown
			return rowsResult(*r, last, RuleUnknown, why), nil
		}
	case store.AttemptUnknown:
		if res.Outcome != provider.OutcomeUnknown {
			return rowsResult(*r, last, RuleUnknown, last.Reason), nil
		}
	case store.AttemptEnded:
		switch {
		case !unheard || last.CallID == "":
		case endedByCancel(*r, last):
			last.Outcome = provider.OutcomeCancelled
			return rowsResult(*r, last, RuleCancel, last.Reason), nil
		default:
			return rowsResult(*r, last, RuleOutcome, reason("told late", last.Reason)), nil
		}
	}
	return res, nil
}

// endedByCancel reports that a dial of a cancelled task ended after that: because of it,
// as far as anybody can tell.
func endedByCancel(r store.Record, a store.Attempt) bool {
	asked := r.CancelRequestedAt
	return !asked.IsZero() && !maybeRings(fence.CallOf(a)) && !a.EndedAt.Before(asked.Add(-clockSlack))
}

// openDialDelay is how long a result waits before it looks again at a dial that is
// open, openDialLongest how long in all: no send takes so long, and late evidence of a
// call moves an unknown task.
const (
	openDialDelay   = 10 * time.Second
	openDialLongest = time.Hour
)
