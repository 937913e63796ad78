package fence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

func observe(t *testing.T, r *store.Record, c provider.Call) fence.Observation {
	t.Helper()
	o, err := fence.Observe(r, 1, c, now.Add(time.Minute))
	require.NoError(t, err)
	return o
}

func TestObservingTheSameAgainChangesNothing(t *testing.T) {
	for name, c := range map[string]provider.Call{
		"ringing":  {ID: "call-1", Status: provider.StatusRinging, CreatedAt: now},
		"answered": {ID: "call-1", Status: provider.StatusInProgress, CreatedAt: now, AnsweredAt: now},
		"ended":    {ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", CostUSD: 0.1, EndedAt: now},
		"unknown":  {ID: "call-1", Status: provider.StatusEnded},
		"no id":    {Status: provider.StatusRinging},
	} {
		t.Run(name, func(t *testing.T) {
			r := inState(store.AttemptSending)
			require.True(t, observe(t, &r, c).Changed)
			before := copyOf(r)
			require.Equal(t, fence.Observation{}, observe(t, &r, c))
			require.Equal(t, before, r)
		})
	}
}

// TestObserveIsSticky: what a call has once reached it does not lose again.
func TestObserveIsSticky(t *testing.T) {
	r := inState(store.AttemptSending)
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusInProgress, CreatedAt: now, AnsweredAt: now.Add(5 * time.Second)})
	require.Equal(t, store.StatusInProgress, r.Status)

	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusRinging, CreatedAt: now.Add(time.Hour), AnsweredAt: now.Add(time.Hour)})
	a := r.Attempts[0]
	require.Equal(t, now, a.DialledAt, "the first word on when it was dialled stands")
	require.Equal(t, now.Add(5*time.Second), a.AnsweredAt, "the first word on when it was answered stands")

	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", EndedAt: now.Add(30 * time.Second)})
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy, Reason: "busy", EndedAt: now.Add(time.Hour)})
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusRinging})
	a = r.Attempts[0]
	require.Equal(t, store.AttemptEnded, a.State)
	require.Equal(t, provider.OutcomeCompleted, a.Outcome)
	require.Equal(t, "bye", a.Reason)
	require.Equal(t, now.Add(30*time.Second), a.EndedAt)
	require.Equal(t, now.Add(5*time.Second), a.AnsweredAt)
}

func TestOnlyUnknownIsReplacedAfterTheEnd(t *testing.T) {
	r := inState(store.AttemptPlaced)
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded})
	require.Equal(t, provider.OutcomeUnknown, r.Attempts[0].Outcome, "an end without an outcome is unknown")
	require.Equal(t, now.Add(time.Minute), r.Attempts[0].EndedAt, "and is dated by our clock where the platform does not say")

	require.True(t, observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy, Reason: "486"}).Changed)
	require.Equal(t, provider.OutcomeBusy, r.Attempts[0].Outcome)
	require.Equal(t, "486", r.Attempts[0].Reason)

	require.False(t, observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted}).Changed)
}

func TestLateCostEnriches(t *testing.T) {
	r := inState(store.AttemptEnded)
	require.True(t, observe(t, &r, provider.Call{ID: "call-1", CostUSD: 0.25}).Changed)
	require.InDelta(t, 0.25, r.Attempts[0].CostUSD, 0)
	require.True(t, observe(t, &r, provider.Call{ID: "call-1", CostUSD: 0.5}).Changed, "a later word on the cost is a better one")
	require.False(t, observe(t, &r, provider.Call{ID: "call-1"}).Changed, "no word is no change")
	require.Equal(t, provider.OutcomeBusy, r.Attempts[0].Outcome)
}

func TestSecondCallIsAnAlarmAndChangesNothingElse(t *testing.T) {
	r := inState(store.AttemptPlaced)
	second := provider.Call{ID: "call-2", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, CostUSD: 9}
	require.Equal(t, fence.Observation{Changed: true, Second: true}, observe(t, &r, second))
	want := inState(store.AttemptPlaced)
	want.Attempts[0].OtherCallIDs = []provider.CallID{"call-2"}
	require.Equal(t, want, r)
	require.Equal(t, fence.Observation{Second: true}, observe(t, &r, second), "seen again it is no change")
	observe(t, &r, provider.Call{ID: "call-3"})
	require.Equal(t, []provider.CallID{"call-2", "call-3"}, r.Attempts[0].OtherCallIDs)
}

// TestEvidenceBeatsUnknown: an unknown dial becomes what the platform says of it.
func TestEvidenceBeatsUnknown(t *testing.T) {
	r := inState(store.AttemptUnknown)
	r.Attempts[0].Reason = "not found"
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusRinging})
	require.Equal(t, store.AttemptPlaced, r.Attempts[0].State)
	require.Empty(t, r.Attempts[0].Outcome)
	require.Empty(t, r.Attempts[0].Reason)
	require.Equal(t, provider.CallID("call-1"), r.Attempts[0].CallID)

	r = inState(store.AttemptUnknown)
	r.Attempts[0].Reason = "not found"
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer})
	require.Equal(t, provider.OutcomeNoAnswer, r.Attempts[0].Outcome)
	require.Empty(t, r.Attempts[0].Reason, "why we did not know is not why it ended")
}

// TestTheTasksStatusFollows: in_progress, unless it is on hold or over.
func TestTheTasksStatusFollows(t *testing.T) {
	for from, want := range map[store.Status]store.Status{
		store.StatusProcessing: store.StatusInProgress, store.StatusScheduled: store.StatusInProgress, store.StatusPending: store.StatusInProgress,
		store.StatusHold: store.StatusHold, store.StatusFailed: store.StatusFailed, store.StatusCancelled: store.StatusCancelled,
	} {
		r := inState(store.AttemptSending)
		r.Status = from
		observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusRinging})
		require.Equal(t, want, r.Status, "from %s", from)
	}
	r := inState(store.AttemptSending)
	observe(t, &r, provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy})
	require.Equal(t, store.StatusProcessing, r.Status, "an end is for the engine to act on")
}

func TestCallOf(t *testing.T) {
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	base := store.Attempt{N: 1, Key: "t1/1", CallID: "call-1", Reason: "why", CostUSD: 0.5, DialledAt: at(1), EndedAt: time.Time{}}
	for name, c := range map[string]struct {
		change func(a *store.Attempt)
		status provider.Status
		want   provider.Outcome
	}{
		"placed":   {func(a *store.Attempt) { a.State = store.AttemptPlaced }, provider.StatusQueued, ""},
		"answered": {func(a *store.Attempt) { a.State, a.AnsweredAt = store.AttemptPlaced, at(2) }, provider.StatusInProgress, ""},
		"ended":    {func(a *store.Attempt) { a.State, a.Outcome = store.AttemptEnded, provider.OutcomeBusy }, provider.StatusEnded, provider.OutcomeBusy},
		"unknown":  {func(a *store.Attempt) { a.State, a.Outcome = store.AttemptUnknown, provider.OutcomeUnknown }, provider.StatusEnded, provider.OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			a := base
			c.change(&a)
			require.Equal(t, provider.Call{
				ID: "call-1", Key: "t1/1", Status: c.status, Outcome: c.want, Reason: "why", CreatedAt: at(1), AnsweredAt: a.AnsweredAt, CostUSD: 0.5,
			}, fence.CallOf(a))
		})
	}
}

// TestTheRowTellsTheCall: what decides a redial survives the row.
func TestTheRowTellsTheCall(t *testing.T) {
	r := inState(store.AttemptSending)
	c := provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeProviderFault, AnsweredAt: now, EndedAt: now, NoSpeech: true}
	require.True(t, observe(t, &r, c).Changed)
	told := fence.CallOf(r.Attempts[0])
	require.Equal(t, c.Outcome, told.Outcome)
	require.Equal(t, c.AnsweredAt, told.AnsweredAt)
	require.True(t, told.NoSpeech)
}
