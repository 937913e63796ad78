package fence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

func TestClaim(t *testing.T) {
	for name, c := range map[string]struct {
		owner  string
		until  time.Time
		status store.Status
		want   error
	}{
		"nobody's":                 {"", time.Time{}, store.StatusPending, nil},
		"ours":                     {engine, time.Time{}, store.StatusPending, nil},
		"ours, lease run out":      {engine, now.Add(-time.Hour), store.StatusPending, nil},
		"another's, without end":   {"temporal-2", time.Time{}, store.StatusPending, fence.ErrOtherEngine},
		"another's, lease holds":   {"direct:1", now.Add(time.Second), store.StatusPending, fence.ErrOtherEngine},
		"another's, to the moment": {"direct:1", now, store.StatusPending, fence.ErrOtherEngine},
		"another's, lease run out": {"direct:1", now.Add(-time.Nanosecond), store.StatusPending, nil},
		"ended":                    {engine, time.Time{}, store.StatusCompleted, fence.ErrClosed},
		"ended, another's":         {"direct:1", time.Time{}, store.StatusCancelled, fence.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			r := store.Record{ID: "t1", Status: c.status, Owner: c.owner, LeaseUntil: c.until}
			before := r
			err := fence.Claim(&r, engine, now, lease)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				require.Equal(t, before, r)
				return
			}
			require.NoError(t, err)
			require.Equal(t, engine, r.Owner)
			require.Equal(t, lease, r.LeaseUntil)
		})
	}
}

func TestReserveFillsTheRow(t *testing.T) {
	r := inState(none)
	r.Reason = "hours: closed"
	require.NoError(t, fence.Reserve(&r, reservation()))
	require.Equal(t, []store.Attempt{{
		N: 1, Key: "t1/1", Provider: "livekit", State: store.AttemptReserved, Token: token, ReservedAt: now,
	}}, r.Attempts)
	require.Equal(t, store.StatusProcessing, r.Status)
	require.Equal(t, now.Add(time.Hour), r.DueAt)
	require.Empty(t, r.Reason)
	require.Equal(t, engine, r.Owner)
}

func TestTakingOverInvalidatesTheFormerHolder(t *testing.T) {
	r := inState(store.AttemptReserved)
	v := reservation()
	v.Token = "later"
	require.NoError(t, fence.Reserve(&r, v))
	require.ErrorIs(t, fence.Send(&r, 1, token, now), fence.ErrLost)
	require.NoError(t, fence.Send(&r, 1, "later", now))
}

func TestReservingAgainKeepsTheCount(t *testing.T) {
	r := inState(store.AttemptNotSent)
	r.Attempts[0].Sends, r.Attempts[0].NotBefore = 2, now
	require.NoError(t, fence.Reserve(&r, reservation()))
	require.Equal(t, 2, r.Attempts[0].Sends)
	require.True(t, r.Attempts[0].NotBefore.IsZero())
	require.Len(t, r.Attempts, 1, "the same key, not another dial")
}

// TestNextDialNeedsASettledOne: n grows only after an end, never after unknown.
func TestNextDialNeedsASettledOne(t *testing.T) {
	for _, last := range states {
		t.Run("after "+string(last), func(t *testing.T) {
			r := inState(last)
			v := reservation()
			v.N = 2
			err := fence.Reserve(&r, v)
			if last == store.AttemptEnded {
				require.NoError(t, err)
				require.Len(t, r.Attempts, 2)
				require.Equal(t, "t1/2", r.Attempts[1].Key)
				return
			}
			require.ErrorIs(t, err, fence.ErrOrder)
		})
	}
}

func TestNoDialIsSkipped(t *testing.T) {
	r := inState(store.AttemptEnded)
	for _, n := range []int{0, -1, 3, 100} {
		v := reservation()
		v.N = n
		require.ErrorIs(t, fence.Reserve(&r, v), fence.ErrOrder, n)
	}
	require.Len(t, r.Attempts, 1)
}

func TestLostCannotSkipADialEither(t *testing.T) {
	r := inState(store.AttemptEnded)
	require.ErrorIs(t, fence.Lost(&r, 3, "why"), fence.ErrOrder)
	require.NoError(t, fence.Lost(&r, 2, "why"))
	require.Equal(t, store.Attempt{N: 2, Key: "t1/2", State: store.AttemptUnknown, Outcome: provider.OutcomeUnknown, Reason: "why"}, r.Attempts[1])
}

// TestSendsAreCapped sends as often as the fence allows.
func TestSendsAreCapped(t *testing.T) {
	r := inState(none)
	for i := range fence.MaxSends {
		v := reservation()
		v.Token = fmt.Sprint("send ", i)
		require.NoError(t, fence.Reserve(&r, v))
		require.NoError(t, fence.Send(&r, 1, v.Token, now))
		require.Equal(t, i+1, r.Attempts[0].Sends)
		require.NoError(t, fence.NotSent(&r, 1, v.Token, provider.KindRateLimited, now.Add(time.Minute)))
		require.Equal(t, provider.KindRateLimited, r.Attempts[0].Kind)
		require.Equal(t, now.Add(time.Minute), r.Attempts[0].NotBefore)
	}
	require.ErrorIs(t, fence.Reserve(&r, reservation()), fence.ErrSpent)
	require.NoError(t, fence.GiveUp(&r, 1, provider.OutcomeRateLimited, "no capacity", now))
	require.Equal(t, provider.OutcomeRateLimited, r.Attempts[0].Outcome)
	require.Equal(t, "no capacity", r.Attempts[0].Reason)
	require.Equal(t, now, r.Attempts[0].EndedAt)
}

func TestAbortSaysWhyAndCanBeReservedAgain(t *testing.T) {
	r := inState(store.AttemptReserved)
	fence.Abort(&r, 1, "kill_switch")
	require.Equal(t, "kill_switch", r.Attempts[0].Reason)
	require.NoError(t, fence.Reserve(&r, reservation()))
	require.Len(t, r.Attempts, 1)
	require.Equal(t, 1, r.Attempts[0].N, "nobody rang: n does not grow")
	require.Empty(t, r.Attempts[0].Reason)
}

func TestAmbiguousNotesThatTheSenderIsBack(t *testing.T) {
	r := inState(store.AttemptSending)
	require.NoError(t, fence.Ambiguous(&r, 1, token))
	require.Equal(t, provider.KindOutcomeUnknown, r.Attempts[0].Kind)
	require.NoError(t, fence.Unknown(&r, 1, "not found"))
	require.Equal(t, provider.OutcomeUnknown, r.Attempts[0].Outcome)
	require.Equal(t, "not found", r.Attempts[0].Reason)
}

func TestFind(t *testing.T) {
	r := inState(store.AttemptEnded)
	require.Same(t, &r.Attempts[0], fence.Find(&r, 1))
	require.Nil(t, fence.Find(&r, 2))
	require.Nil(t, fence.Find(&store.Record{}, 1))
}
