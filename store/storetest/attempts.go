package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// move is one step of the dial fence, as docs/design.md has it: what it does to the
// task's last attempt.
type move struct {
	to store.AttemptState
	do func(r *store.Record, a *store.Attempt)
}

// step is a move that changes the state only.
func step(to store.AttemptState) move { return move{to, func(*store.Record, *store.Attempt) {}} }

// paths go through every move of the fence's table; the status and outcome of the
// task move along, through all of theirs.
func paths() map[string][]move {
	at := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	reserve := func(token string) move {
		return move{store.AttemptReserved, func(r *store.Record, a *store.Attempt) {
			a.Token, a.ReservedAt, r.Status, r.Owner = token, at, store.StatusProcessing, "temporal"
		}}
	}
	send := move{store.AttemptSending, func(_ *store.Record, a *store.Attempt) { a.Sends, a.SentAt = a.Sends+1, at }}
	notSent := func(kind provider.Kind) move {
		return move{store.AttemptNotSent, func(_ *store.Record, a *store.Attempt) { a.Kind, a.NotBefore = kind, at }}
	}
	placed := move{store.AttemptPlaced, func(r *store.Record, a *store.Attempt) {
		a.CallID, a.DialledAt, r.Status = "call-1", at, store.StatusInProgress
	}}
	ended := func(o provider.Outcome, s store.Status) move {
		return move{store.AttemptEnded, func(r *store.Record, a *store.Attempt) {
			a.Outcome, a.EndedAt, a.NoSpeech, r.Outcome, r.Status, r.DueAt = o, at, o != provider.OutcomeCompleted, o, s, time.Time{}
		}}
	}
	unknown := move{store.AttemptUnknown, func(r *store.Record, a *store.Attempt) {
		a.Outcome, a.Kind, r.Outcome, r.Status = provider.OutcomeUnknown, provider.KindOutcomeUnknown, provider.OutcomeUnknown, store.StatusFailed
	}}
	putOff := move{store.AttemptAborted, func(r *store.Record, _ *store.Attempt) { r.Status, r.DueAt = store.StatusScheduled, at }}
	hold := move{store.AttemptAborted, func(r *store.Record, _ *store.Attempt) { r.Status = store.StatusHold }}
	cancelled := move{store.AttemptAborted, func(r *store.Record, _ *store.Attempt) {
		r.CancelRequestedAt, r.Outcome, r.Status = at, provider.OutcomeCancelled, store.StatusCancelled
	}}
	return map[string][]move{
		"a plain call":        {reserve("t1"), send, placed, ended(provider.OutcomeCompleted, store.StatusCompleted)},
		"taken over":          {reserve("t1"), reserve("t2"), send, placed, ended(provider.OutcomeVoicemail, store.StatusCompleted)},
		"put off and held":    {reserve("t1"), putOff, reserve("t2"), hold, reserve("t3"), send, placed},
		"sent three times":    {reserve("t1"), send, notSent(provider.KindRateLimited), reserve("t2"), send, notSent(provider.KindUnavailable), reserve("t3"), send, notSent(provider.KindRejected), ended(provider.OutcomeConfigError, store.StatusFailed)},
		"unknown, then known": {reserve("t1"), send, step(store.AttemptSending), unknown, placed, ended(provider.OutcomeNoAnswer, store.StatusFailed)},
		"unknown, then ended": {reserve("t1"), send, unknown, ended(provider.OutcomeBusy, store.StatusFailed)},
		"lost":                {unknown, placed},
		"cancelled":           {reserve("t1"), cancelled},
	}
}

// checkAttempts takes rows along every path of the fence. After each move the row is
// read as it was written, and the writer before it, which still believes it holds the
// row, is refused and changes nothing.
func checkAttempts(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	for name, path := range paths() {
		id := "task " + name
		r, err := st.Create(ctx, store.Record{ID: id, Status: store.StatusPending})
		if err != nil {
			return fmt.Errorf("Create: %w", err)
		}
		for n, m := range path {
			before, next := r, r
			next.Attempts = []store.Attempt{{N: 1, Key: provider.Key(id, 1), Provider: "vapi"}}
			if n > 0 {
				next.Attempts[0] = r.Attempts[0]
			}
			next.Attempts[0].State = m.to
			m.do(&next, &next.Attempts[0])
			what := fmt.Sprintf("%s: move %d, to %s", name, n+1, m.to)
			if r, err = st.Update(ctx, next); err != nil {
				return fmt.Errorf("%s: Update: %w", what, err)
			}
			p.compare(what, next, r)
			before.Attempts = []store.Attempt{{N: 1, Key: provider.Key(id, 1), State: store.AttemptSending, Token: "late"}}
			_, err = st.Update(ctx, before)
			p.want(store.ErrConflict, err, "%s: Update by who held it before", what)
			got, err := st.Get(ctx, id)
			if err != nil {
				return fmt.Errorf("%s: Get: %w", what, err)
			}
			p.same(what+": Get", r, got)
		}
	}
	return p.err()
}

// checkOwnWrite is what follows a lost reply. Whoever does not know whether its write
// took place repeats it or looks: the repetition conflicts, and the token in the row
// says whose it is.
func checkOwnWrite(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	created, err := st.Create(ctx, store.Record{ID: "task-1", Status: store.StatusPending})
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	reserve := func(token string) store.Record {
		r := created
		r.Status = store.StatusProcessing
		r.Attempts = []store.Attempt{{N: 1, Key: provider.Key(r.ID, 1), State: store.AttemptReserved, Token: token}}
		return r
	}
	written, err := st.Update(ctx, reserve("mine")) // its reply is lost
	if err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	for _, token := range []string{"mine", "another's"} {
		_, err = st.Update(ctx, reserve(token))
		p.want(store.ErrConflict, err, "the Update of %s token after one whose reply was lost", token)
		got, err := st.Get(ctx, created.ID)
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		p.same("Get after a repeated Update", written, got)
	}
	return p.err()
}
