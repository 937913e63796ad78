package voicetask_test

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// errSignalLimit is what a server answers to the 10,001st signal.
var errSignalLimit = serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events")

// flood delivers events n times, from several goroutines, and counts the writes.
func flood(t *testing.T, d *desk, n int, events ...provider.Event) (writes int64) {
	t.Helper()
	var updates atomic.Int64
	d.store.refuse(func(op string, _ store.Record) error { return nil })
	d.store.mu.Lock()
	d.store.after = func(op string, _ store.Record) error {
		if op == "update" {
			updates.Add(1)
		}
		return nil
	}
	d.store.mu.Unlock()
	const senders = 8
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range n / senders {
				if err := d.Deliver(t.Context(), events[rand.IntN(len(events))]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return updates.Load()
}

// TestFloodOfOneEvent: 10,000 times the same event is one change and one signal.
func TestFloodOfOneEvent(t *testing.T) {
	d := placed(t)
	require.EqualValues(t, 1, flood(t, d, 10_000, endOfCall()))
	require.Len(t, d.temporal.signals, 1)
}

// TestFloodInAnyOrder: whatever comes, how often and in which order, is a handful of
// changes, and the end stands.
func TestFloodInAnyOrder(t *testing.T) {
	d := placed(t)
	up := provider.Call{ID: "call-1", Status: provider.StatusInProgress, AnsweredAt: endOfCall().Call.AnsweredAt}
	events := []provider.Event{
		{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusRinging}},
		{Provider: "vapi", Key: "t1/1", Call: up},
		{Provider: "vapi", Call: up},
		{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", CostUSD: 0.5}},
		endOfCall(),
	}
	writes := flood(t, d, 10_000, events...)
	require.Positive(t, writes)
	require.LessOrEqual(t, writes, int64(6))
	require.LessOrEqual(t, len(d.temporal.signals), 6)
	a := d.row(t).Attempts[0]
	require.Equal(t, store.AttemptEnded, a.State)
	require.Equal(t, provider.OutcomeCompleted, a.Outcome)
	require.Empty(t, d.notices.seen)
}

// TestFloodOfASecondCall is one alarm, and no signal: the workflow follows the first.
func TestFloodOfASecondCall(t *testing.T) {
	d := placed(t)
	e := endOfCall()
	e.Call.ID = "call-2"
	require.EqualValues(t, 1, flood(t, d, 10_000, e))
	require.Equal(t, []string{provider.NoticeSecondCall}, d.notices.kinds())
	require.Empty(t, d.temporal.signals)
	row := d.row(t)
	require.Equal(t, []provider.CallID{"call-2"}, row.Attempts[0].OtherCallIDs)
	require.Equal(t, start, row.DueAt, "the sweeper ends one of the two")
}

// TestFloodOfSecondCalls, each with an id of its own: the row does not grow without end.
func TestFloodOfSecondCalls(t *testing.T) {
	d := placed(t)
	for i := range 1000 {
		e := endOfCall()
		e.Call.ID = provider.CallID("other-" + strconv.Itoa(i))
		require.NoError(t, d.Deliver(t.Context(), e))
	}
	others := d.row(t).Attempts[0].OtherCallIDs
	require.Len(t, others, 16)
	require.Len(t, d.notices.kinds(), len(others))
	require.Empty(t, d.temporal.signals)
}

// TestACostThatGrows while the call is up is the row's: no workflow waits for it.
func TestACostThatGrows(t *testing.T) {
	d := placed(t)
	up := provider.Call{ID: "call-1", Status: provider.StatusInProgress, AnsweredAt: endOfCall().Call.AnsweredAt}
	for i := range 900 {
		up.CostUSD = float64(i) / 1000
		require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: up}))
	}
	require.Len(t, d.temporal.signals, 1, "that somebody answered")
	require.InDelta(t, 0.899, d.row(t).Attempts[0].CostUSD, 0)

	end := endOfCall()
	end.Call.CostUSD = 0
	require.NoError(t, d.Deliver(t.Context(), end))
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.Len(t, d.temporal.signals, 3, "the end, and what it cost")
}

// TestFloodAfterTheEndOfTheTask changes nothing, and asks no workflow.
func TestFloodAfterTheEndOfTheTask(t *testing.T) {
	d := ended(t, provider.OutcomeCompleted, func(r *store.Record) {})
	e := provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy}}
	before := d.row(t)
	flood(t, d, 10_000, e)
	require.LessOrEqual(t, d.row(t).Version, before.Version+1)
	require.Equal(t, before.Outcome, d.row(t).Outcome)
	require.Equal(t, before.Attempts[0].Outcome, d.row(t).Attempts[0].Outcome)
	require.Empty(t, d.temporal.signals)
}

// TestAFullSignalQueueCounts as stored: the row has the event, and is due.
func TestAFullSignalQueueCounts(t *testing.T) {
	d := placed(t)
	_, err := store.Modify(t.Context(), d.store, "t1", func(r *store.Record) error {
		r.DueAt = endOfCall().At.AddDate(0, 0, 1)
		return nil
	})
	require.NoError(t, err)
	d.temporal.signalErr = errSignalLimit
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	row := d.row(t)
	require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
	require.Equal(t, start, row.DueAt)
}
