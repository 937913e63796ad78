package voicetask

import (
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// overtaken is what may be recorded of res by what the ledger says by now. A result
// may come late: from a process that was frozen after its judge had said no, while
// another one dialled, or from a workflow that was reset. It must not close a task
// whose phone may ring, nor tell of another call than the last one.
func overtaken(r *store.Record, res Result) (Result, error) {
	if len(r.Attempts) == 0 {
		return res, nil
	}
	last := r.Attempts[len(r.Attempts)-1]
	unheard := last.N > res.Dials
	switch last.State {
	case store.AttemptSending, store.AttemptPlaced:
		if unheard {
			return res, &later{delay: openDialDelay, why: "a dial is open that the result does not tell of"}
		}
	case store.AttemptUnknown:
		if res.Outcome != provider.OutcomeUnknown {
			return rowsResult(*r, last, RuleUnknown, last.Reason), nil
		}
	case store.AttemptEnded:
		if unheard && last.CallID != "" {
			return rowsResult(*r, last, RuleOutcome, reason("told late", last.Reason)), nil
		}
	}
	return res, nil
}

// openDialDelay is how long a result waits for a dial that is open.
const openDialDelay = 10 * time.Second
