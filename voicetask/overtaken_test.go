package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestResultThatTheLedgerContradicts: an engine was frozen after its judge had said no,
// and another one dialled meanwhile.
func TestResultThatTheLedgerContradicts(t *testing.T) {
	for name, c := range map[string]struct {
		attempt store.Attempt
		waits   bool
		want    provider.Outcome
		rule    string
	}{
		"never sent":      {store.Attempt{State: store.AttemptReserved}, false, provider.OutcomeCancelled, "suppression"},
		"given up":        {store.Attempt{State: store.AttemptAborted}, false, provider.OutcomeCancelled, "suppression"},
		"not placed":      {store.Attempt{State: store.AttemptNotSent, Sends: 1}, false, provider.OutcomeCancelled, "suppression"},
		"never placed":    {store.Attempt{State: store.AttemptEnded, Sends: 3, Outcome: provider.OutcomeProviderFault}, false, provider.OutcomeCancelled, "suppression"},
		"being sent":      {store.Attempt{State: store.AttemptSending, Sends: 1, SentAt: start}, true, "", ""},
		"up":              {store.Attempt{State: store.AttemptPlaced, Sends: 1, SentAt: start, CallID: "call-1"}, true, "", ""},
		"sent long ago":   {store.Attempt{State: store.AttemptSending, Sends: 1, SentAt: start.Add(-time.Hour)}, false, provider.OutcomeUnknown, voicetask.RuleUnknown},
		"up for long":     {store.Attempt{State: store.AttemptPlaced, Sends: 1, SentAt: start.Add(-time.Hour), CallID: "call-1"}, false, provider.OutcomeUnknown, voicetask.RuleUnknown},
		"unknown":         {store.Attempt{State: store.AttemptUnknown, Sends: 1, Outcome: provider.OutcomeUnknown}, false, provider.OutcomeUnknown, voicetask.RuleUnknown},
		"ended meanwhile": {store.Attempt{State: store.AttemptEnded, Sends: 1, CallID: "call-1", Outcome: provider.OutcomeCompleted}, false, provider.OutcomeCompleted, voicetask.RuleOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			s := store.NewMemory()
			c.attempt.N, c.attempt.Key, c.attempt.Provider = 1, "t1/1", "vapi"
			before := seed(t, s, func(r *store.Record) { r.Owner, r.Attempts = "temporal", []store.Attempt{c.attempt} })
			a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s, Now: func() time.Time { return start }})
			require.NoError(t, err)
			refused := voicetask.Result{TaskID: "t1", Status: store.StatusCancelled, Outcome: provider.OutcomeCancelled, Reason: "suppression: no"}
			err = a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: refused})
			row := rowOf(t, s, "t1")
			if c.waits {
				require.Error(t, err)
				require.Equal(t, before, row)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, row.Outcome)
			require.Equal(t, c.rule, rule(row.Reason))
			res := storedResult(t, row)
			require.Equal(t, c.want, res.Outcome)
			require.Equal(t, c.attempt.CallID, res.Data.CallID)
			require.NotContains(t, []store.AttemptState{store.AttemptReserved, store.AttemptSending, store.AttemptPlaced}, row.Attempts[0].State)
		})
	}
}

// TestResultOfTheDialThatIsOpen is not overtaken: the workflow followed it.
func TestResultOfTheDialThatIsOpen(t *testing.T) {
	s := store.NewMemory()
	seed(t, s, func(r *store.Record) {
		r.Owner, r.Attempts = "temporal", []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptPlaced, Sends: 1, CallID: "call-1"}}
	})
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: s})
	require.NoError(t, err)
	res := voicetask.Result{TaskID: "t1", Status: store.StatusCompleted, Outcome: provider.OutcomeCompleted, Dials: 1, Data: voicetask.CallResult{CallID: "call-1"}}
	require.NoError(t, a.RecordResult(t.Context(), voicetask.ResultInput{Task: task(), Result: res}))
	row := rowOf(t, s, "t1")
	require.Equal(t, provider.OutcomeCompleted, row.Outcome)
	require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
}
