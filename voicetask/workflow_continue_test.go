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

// TestTheWaitForARedialCountsFromTheEnd: a run that finds the dial before ended, since
// the one before it has seen that, does not begin to wait anew.
func TestTheWaitForARedialCountsFromTheEnd(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{})
	policy := voicetask.Policy{Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeBusy: {After: []time.Duration{time.Hour}}}}
	for name, c := range map[string]struct{ ago, want time.Duration }{
		"in the midst": {40 * time.Minute, 20 * time.Minute}, "long over": {3 * time.Hour, 0}, "a platform's clock is ahead": {-time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOn(t, voicetask.Config{Policy: policy}, fake, fake)
			seed(t, w.Store, func(r *store.Record) {
				r.Owner, r.Status = "temporal", store.StatusScheduled
				r.Attempts = []store.Attempt{attempt(store.AttemptEnded, func(a *store.Attempt) {
					a.CallID, a.Outcome, a.DialledAt, a.EndedAt = "c1", provider.OutcomeBusy, start.Add(-c.ago), start.Add(-c.ago)
				})}
			})
			res := w.runAlone(t, task())
			require.Equal(t, 2, res.Dials)
			require.Equal(t, c.want, since(w.row().Attempts[1].SentAt).Round(time.Second))
		})
	}
}
