package fence

import (
	"slices"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Observation is what Observe did.
type Observation struct {
	Changed bool // the row differs and must be written
	News    bool // more than a cost that grows: who follows the call must hear of it
	Second  bool // the call is a second one under this key: an alarm
}

// Observe applies what a call's own snapshot proves, whoever saw it: placed, ended
// or enriched. The first id, the first outcome but unknown, and the time of answer
// stand. Evidence of a call beats every state that says nobody rang.
func Observe(r *store.Record, n int, c provider.Call, now time.Time) (Observation, error) {
	a := Find(r, n)
	if a == nil {
		return Observation{}, ErrNoAttempt
	}
	if a.CallID != "" && c.ID != "" && a.CallID != c.ID && holds(guardFirstID) {
		return second(a, c.ID)
	}
	before := *a
	if c.ID != "" && (a.CallID == "" || !holds(guardFirstID)) {
		a.CallID = c.ID
	}
	if !see(a, c.Status == provider.StatusEnded) {
		return Observation{}, ErrLost
	}
	switch {
	case a.State != store.AttemptEnded:
		a.Outcome, a.Reason = "", "" // they said that we did not know, and why
	case c.Status == provider.StatusEnded:
		end(a, before.State, c, now)
	}
	keepTime(&a.DialledAt, c.CreatedAt)
	keepTime(&a.AnsweredAt, c.AnsweredAt)
	a.NoSpeech = a.NoSpeech || c.NoSpeech
	if c.CostUSD != 0 && (a.CostUSD == 0 || !Outdated(before, c)) {
		a.CostUSD = c.CostUSD
	}
	if !r.Status.Terminal() && r.Status != store.StatusHold && a.State == store.AttemptPlaced {
		r.Status = store.StatusInProgress
	}
	o := Observation{Changed: !equal(before, *a)}
	before.CostUSD = a.CostUSD
	o.News = o.Changed && (a.State == store.AttemptEnded || !equal(before, *a))
	return o, nil
}

// Outdated reports whether c is of the time before the end that a tells of: a message that was
// delayed or is sent again. It may still tell something new, and knows nothing better.
func Outdated(a store.Attempt, c provider.Call) bool {
	return a.State == store.AttemptEnded && c.Status != "" && c.Status != provider.StatusEnded
}

// mostSeconds bounds how many other calls a row remembers: a platform gone mad, or
// somebody who makes calls under our key, must not let it grow without end.
const mostSeconds = 16

// second notes another call under the key. The row goes on telling of the first one.
func second(a *store.Attempt, id provider.CallID) (Observation, error) {
	if slices.Contains(a.OtherCallIDs, id) || len(a.OtherCallIDs) >= mostSeconds {
		return Observation{Second: true}, nil
	}
	if !step(a, nameSecondCall, a.State) {
		return Observation{}, ErrLost
	}
	a.OtherCallIDs = append(slices.Clip(a.OtherCallIDs), id)
	return Observation{Changed: true, Second: true}, nil
}

// see moves the row to what was seen of its call. A live call is no news of one that
// has ended: the table has no way back, and the row is only enriched.
func see(a *store.Attempt, ended bool) bool {
	to := store.AttemptPlaced
	if ended {
		to = store.AttemptEnded
	}
	return step(a, seeing(a.State, to), to) || step(a, nameEnriched, a.State)
}

// seeing names the transition that the sight of a call makes.
func seeing(from, to store.AttemptState) string {
	live := to == store.AttemptPlaced
	switch from {
	case store.AttemptSending:
		if live {
			return namePlaced
		}
		return nameEndedAtOnce
	case store.AttemptPlaced:
		if live {
			return nameProgress
		}
		return nameEnded
	case store.AttemptUnknown:
		if live {
			return nameFoundLate
		}
		return nameToldLate
	case store.AttemptEnded:
		return nameEnriched
	}
	return nameBelied
}

func end(a *store.Attempt, before store.AttemptState, c provider.Call, now time.Time) {
	undecided := before != store.AttemptEnded || a.Outcome == "" || a.Outcome == provider.OutcomeUnknown || !holds(guardOutcome)
	if before != store.AttemptEnded {
		a.Reason = "" // it said why we did not know
	}
	if undecided {
		if c.Outcome != "" {
			a.Outcome = c.Outcome
		}
		if a.Outcome == "" {
			a.Outcome = provider.OutcomeUnknown
		}
		if c.Reason != "" {
			a.Reason = c.Reason
		}
	}
	if !c.EndedAt.IsZero() {
		keepTime(&a.EndedAt, c.EndedAt)
	} else {
		keepTime(&a.EndedAt, now)
	}
}

func keepTime(dst *time.Time, t time.Time) {
	if dst.IsZero() {
		*dst = t
	}
}

func equal(a, b store.Attempt) bool {
	return a.State == b.State && a.CallID == b.CallID && a.Outcome == b.Outcome && a.Reason == b.Reason &&
		a.CostUSD == b.CostUSD && a.NoSpeech == b.NoSpeech && a.DialledAt.Equal(b.DialledAt) && a.AnsweredAt.Equal(b.AnsweredAt) && a.EndedAt.Equal(b.EndedAt)
}
