package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// TestEventsOfTasksThatAreOver are taken and counted, whether they bring something new
// or not.
func TestEventsOfTasksThatAreOver(t *testing.T) {
	d := placed(t)
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.Empty(t, d.notices.kinds(), "the task was open")
	_, err := store.Modify(t.Context(), d.store, "t1", func(r *store.Record) error {
		r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeCompleted
		return nil
	})
	require.NoError(t, err)
	signals := len(d.temporal.signals)
	more := endOfCall()
	more.Call.CostUSD = 0.75
	require.NoError(t, d.Deliver(t.Context(), more))
	require.InDelta(t, 0.75, d.row(t).Attempts[0].CostUSD, 0, "the row takes what is new")
	require.NoError(t, d.Deliver(t.Context(), more), "again")
	require.Equal(t, []string{provider.NoticeStrayEvent, provider.NoticeStrayEvent}, d.notices.kinds())
	require.Len(t, d.temporal.signals, signals, "there is nobody to tell")
}

// TestEventsOfWorkflowsThatAreNotThere: closed though the row is open, or not started
// yet. The row has the event, and is due for the sweeper.
func TestEventsOfWorkflowsThatAreNotThere(t *testing.T) {
	d := placed(t)
	d.temporal.signalErr = serviceerror.NewNotFound("workflow execution already completed")
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.Equal(t, store.AttemptEnded, d.row(t).Attempts[0].State)
	require.Equal(t, []string{provider.NoticeStrayEvent}, d.notices.kinds())
	require.False(t, d.row(t).DueAt.After(d.row(t).UpdatedAt.Add(time.Minute)))
}

// TestEventsOfNoTask are refused with ErrUnknownCall: whoever serves the webhook counts
// them, and has them sent again while the call is young.
func TestEventsOfNoTask(t *testing.T) {
	d := newDesk(t)
	require.ErrorIs(t, d.Deliver(t.Context(), endOfCall()), provider.ErrUnknownCall)
	require.Empty(t, d.notices.kinds(), "counted once, by the handler")
}
