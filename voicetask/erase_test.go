package voicetask_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestAnEngineBringsNothingBackIntoAnErasedRow: a workflow that was reset may record the
// end of a call whose task an operator erased while its end was unknown.
func TestAnEngineBringsNothingBackIntoAnErasedRow(t *testing.T) {
	d := ended(t, provider.OutcomeUnknown, func(r *store.Record) {
		r.Attempts[0].State, r.Attempts[0].Outcome = store.AttemptPlaced, ""
	})
	require.NoError(t, d.Erase(t.Context(), "t1"))
	acts, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: d.store})
	require.NoError(t, err)
	in := voicetask.ResultInput{Task: task(), Result: voicetask.Result{
		TaskID: "t1", Status: store.StatusCompleted, Outcome: provider.OutcomeCompleted, Reason: "told +14155550100", Dials: 1,
		Data: voicetask.CallResult{CallID: "call-1", ContactNumber: "+14155550100", Customer: "Ada", Transcript: "a secret", CallEndReason: "bye +14155550100"},
	}}
	require.NoError(t, acts.RecordResult(t.Context(), in))
	row := d.row(t)
	require.Equal(t, provider.OutcomeCompleted, row.Outcome, "the ledger goes on")
	require.Equal(t, store.StatusCompleted, row.Status)
	require.Empty(t, row.To+string(row.Task)+row.Attempts[0].Reason)
	require.Equal(t, "erased", row.Reason)
	require.Equal(t, provider.OutcomeCompleted, storedResult(t, row).Outcome)
	for _, private := range []string{"1415", "Ada", "secret", "bye"} {
		require.NotContains(t, string(row.Result), private)
	}
	require.NoError(t, d.Erase(t.Context(), "t1"), "again is no error")
	require.Equal(t, row, d.row(t))
	require.NoError(t, d.Submit(t.Context(), task()), "the message may come again")
	require.Equal(t, row, d.row(t))
}
