package fence_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// outcome of a transition in one state: where it leads, or the refusal.
type outcome struct {
	to      store.AttemptState
	refused error
}

func leads(to store.AttemptState) outcome { return outcome{to: to} }
func refused(err error) outcome           { return outcome{refused: err} }

// TestEveryTransitionFromEveryState is the table of the design, in full: what is
// not listed for a state is refused and leaves the record as it was.
func TestEveryTransitionFromEveryState(t *testing.T) {
	type column = map[store.AttemptState]outcome
	lost, gone := refused(fence.ErrLost), refused(fence.ErrNoAttempt)
	ringing := provider.Call{ID: "call-1", Status: provider.StatusRinging}
	ended := provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy}

	for name, transition := range map[string]struct {
		apply func(r *store.Record) error
		want  column
	}{
		"Reserve": {
			func(r *store.Record) error { return fence.Reserve(r, reservation()) },
			column{
				none: leads(store.AttemptReserved), store.AttemptReserved: leads(store.AttemptReserved),
				store.AttemptAborted: leads(store.AttemptReserved), store.AttemptNotSent: leads(store.AttemptReserved),
				store.AttemptSending: refused(fence.ErrSent), store.AttemptPlaced: refused(fence.ErrSent),
				store.AttemptUnknown: refused(fence.ErrSent), store.AttemptEnded: refused(fence.ErrSent),
			},
		},
		"Abort": {
			func(r *store.Record) error { fence.Abort(r, 1, "kill_switch"); return nil },
			column{
				none: leads(none), store.AttemptReserved: leads(store.AttemptAborted), store.AttemptAborted: leads(store.AttemptAborted),
				store.AttemptNotSent: leads(store.AttemptNotSent), store.AttemptSending: leads(store.AttemptSending),
				store.AttemptPlaced: leads(store.AttemptPlaced), store.AttemptUnknown: leads(store.AttemptUnknown), store.AttemptEnded: leads(store.AttemptEnded),
			},
		},
		"GiveBack": {
			func(r *store.Record) error { return fence.GiveBack(r, 1, token, "why") },
			column{
				none: gone, store.AttemptReserved: leads(store.AttemptAborted), store.AttemptAborted: lost, store.AttemptNotSent: lost,
				store.AttemptSending: lost, store.AttemptPlaced: lost, store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"Send": {
			func(r *store.Record) error { return fence.Send(r, 1, token, now) },
			column{
				none: gone, store.AttemptReserved: leads(store.AttemptSending), store.AttemptAborted: lost, store.AttemptNotSent: lost,
				store.AttemptSending: lost, store.AttemptPlaced: lost, store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"NotSent": {
			func(r *store.Record) error { return fence.NotSent(r, 1, token, provider.KindUnavailable, now) },
			column{
				none: gone, store.AttemptSending: leads(store.AttemptNotSent), store.AttemptReserved: lost, store.AttemptAborted: lost,
				store.AttemptNotSent: lost, store.AttemptPlaced: lost, store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"GiveUp": {
			func(r *store.Record) error { return fence.GiveUp(r, 1, provider.OutcomeConfigError, "why", now) },
			column{
				none: gone, store.AttemptNotSent: leads(store.AttemptEnded), store.AttemptReserved: lost, store.AttemptAborted: lost,
				store.AttemptSending: lost, store.AttemptPlaced: lost, store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"Ambiguous": {
			func(r *store.Record) error { return fence.Ambiguous(r, 1, token) },
			column{
				none: gone, store.AttemptSending: leads(store.AttemptSending), store.AttemptReserved: lost, store.AttemptAborted: lost,
				store.AttemptNotSent: lost, store.AttemptPlaced: lost, store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"Unknown": {
			func(r *store.Record) error { return fence.Unknown(r, 1, "why") },
			column{
				none: gone, store.AttemptSending: leads(store.AttemptUnknown), store.AttemptReserved: lost, store.AttemptAborted: lost,
				store.AttemptNotSent: lost, store.AttemptPlaced: lost, store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"Lost": {
			func(r *store.Record) error { return fence.Lost(r, 1, "why") },
			column{
				none: leads(store.AttemptUnknown), store.AttemptReserved: leads(store.AttemptUnknown), store.AttemptAborted: leads(store.AttemptUnknown),
				store.AttemptNotSent: leads(store.AttemptUnknown), store.AttemptSending: lost, store.AttemptPlaced: lost,
				store.AttemptUnknown: lost, store.AttemptEnded: lost,
			},
		},
		"Observe a live call": {
			func(r *store.Record) error { _, err := fence.Observe(r, 1, ringing, now); return err },
			column{
				none: gone, store.AttemptReserved: leads(store.AttemptPlaced), store.AttemptAborted: leads(store.AttemptPlaced),
				store.AttemptNotSent: leads(store.AttemptPlaced), store.AttemptSending: leads(store.AttemptPlaced),
				store.AttemptPlaced: leads(store.AttemptPlaced), store.AttemptUnknown: leads(store.AttemptPlaced), store.AttemptEnded: leads(store.AttemptEnded),
			},
		},
		"Observe an end": {
			func(r *store.Record) error { _, err := fence.Observe(r, 1, ended, now); return err },
			column{
				none: gone, store.AttemptReserved: leads(store.AttemptEnded), store.AttemptAborted: leads(store.AttemptEnded),
				store.AttemptNotSent: leads(store.AttemptEnded), store.AttemptSending: leads(store.AttemptEnded),
				store.AttemptPlaced: leads(store.AttemptEnded), store.AttemptUnknown: leads(store.AttemptEnded), store.AttemptEnded: leads(store.AttemptEnded),
			},
		},
	} {
		for _, from := range states {
			t.Run(name+" from "+string(from), func(t *testing.T) {
				want, listed := transition.want[from]
				require.True(t, listed, "the table has no entry for this state")
				r := inState(from)
				before := copyOf(r)
				err := transition.apply(&r)
				if want.refused != nil {
					require.ErrorIs(t, err, want.refused)
					require.Equal(t, before.Attempts, r.Attempts, "a refusal must leave the ledger alone")
					return
				}
				require.NoError(t, err)
				require.Equal(t, want.to, stateOf(r))
			})
		}
	}
}

// TestOnlyTheHolderMoves checks the token where the table asks for it.
func TestOnlyTheHolderMoves(t *testing.T) {
	for name, c := range map[string]struct {
		from  store.AttemptState
		apply func(r *store.Record) error
	}{
		"GiveBack":  {store.AttemptReserved, func(r *store.Record) error { return fence.GiveBack(r, 1, "another", "") }},
		"Send":      {store.AttemptReserved, func(r *store.Record) error { return fence.Send(r, 1, "another", now) }},
		"NotSent":   {store.AttemptSending, func(r *store.Record) error { return fence.NotSent(r, 1, "another", provider.KindRejected, now) }},
		"Ambiguous": {store.AttemptSending, func(r *store.Record) error { return fence.Ambiguous(r, 1, "another") }},
	} {
		t.Run(name, func(t *testing.T) {
			r := inState(c.from)
			before := copyOf(r)
			require.ErrorIs(t, c.apply(&r), fence.ErrLost)
			require.Equal(t, before, r)
		})
	}
}

// TestWhatKeepsADialFromGoingOut checks the guards that come from the task.
func TestWhatKeepsADialFromGoingOut(t *testing.T) {
	reserve := func(r *store.Record) error { return fence.Reserve(r, reservation()) }
	send := func(r *store.Record) error { return fence.Send(r, 1, token, now) }
	for name, c := range map[string]struct {
		apply func(r *store.Record) error
		spoil func(r *store.Record)
		want  error
	}{
		"Reserve, completed":     {reserve, func(r *store.Record) { r.Status = store.StatusCompleted }, fence.ErrClosed},
		"Reserve, failed":        {reserve, func(r *store.Record) { r.Status = store.StatusFailed }, fence.ErrClosed},
		"Reserve, cancelled":     {reserve, func(r *store.Record) { r.Status = store.StatusCancelled }, fence.ErrClosed},
		"Reserve, cancelling":    {reserve, func(r *store.Record) { r.CancelRequestedAt = now }, fence.ErrCancelled},
		"Reserve, on hold":       {reserve, func(r *store.Record) { r.Status = store.StatusHold }, fence.ErrHeld},
		"Reserve, another's":     {reserve, func(r *store.Record) { r.Owner = "direct:1" }, fence.ErrOtherEngine},
		"Reserve, leased":        {reserve, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:1", now }, fence.ErrOtherEngine},
		"Send, completed":        {send, func(r *store.Record) { r.Status = store.StatusCompleted }, fence.ErrClosed},
		"Send, cancelling":       {send, func(r *store.Record) { r.CancelRequestedAt = now }, fence.ErrCancelled},
		"Send, on hold":          {send, func(r *store.Record) { r.Status = store.StatusHold }, fence.ErrHeld},
		"Reserve, sends used up": {reserve, func(r *store.Record) { r.Attempts[0].State, r.Attempts[0].Sends = store.AttemptNotSent, fence.MaxSends }, fence.ErrSpent},
	} {
		t.Run(name, func(t *testing.T) {
			r := inState(store.AttemptReserved)
			c.spoil(&r)
			before := copyOf(r)
			require.ErrorIs(t, c.apply(&r), c.want)
			require.Equal(t, before.Attempts, r.Attempts)
		})
	}
}
