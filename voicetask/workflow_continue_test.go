package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestPutOffContinuesAsNew when the history has grown long, and only then: the rows
// know all that the run does, and the next one goes on from them.
func TestPutOffContinuesAsNew(t *testing.T) {
	s := store.NewMemory()
	fake := providertest.NewFake("vapi", providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	w := newWorldOn(t, voicetask.Config{Store: s}, fake, fake)
	s.UseClock(w.Now)
	w.after(30*time.Second, func() { w.deliver("t1/1"); w.SetContinueAsNewSuggested(true) })
	w.ExecuteWorkflow(voicetask.WorkflowName, task())
	require.True(t, workflow.IsContinueAsNewError(w.GetWorkflowError()), "%v", w.GetWorkflowError())
	row := w.row()
	require.Equal(t, store.StatusScheduled, row.Status, "nothing was recorded")
	require.Len(t, row.Attempts, 1)

	next := newWorldOn(t, voicetask.Config{Store: s}, fake, fake)
	s.UseClock(next.Now)
	res := next.runAlone(t, task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
	require.Equal(t, []string{"t1/1", "t1/2"}, keys(fake))
}

// TestNoContinueAsNewWhileACallIsUp.
func TestNoContinueAsNewWhileACallIsUp(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	w.SetContinueAsNewSuggested(true)
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
}
