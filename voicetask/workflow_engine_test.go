package voicetask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// seed puts a row there before the workflow starts.
func seed(t *testing.T, s store.Store, change func(r *store.Record)) store.Record {
	t.Helper()
	raw, err := task().MarshalJSON()
	require.NoError(t, err)
	r := store.Record{ID: "t1", Status: store.StatusPending, AgentID: "agent-1", To: "+14155550100", Task: raw}
	change(&r)
	r, err = s.Create(t.Context(), r)
	require.NoError(t, err)
	return r
}

// runAlone runs the workflow itself, as after a reset or without Submit.
func (w *world) runAlone(t *testing.T, in voicetask.Task) voicetask.Result {
	t.Helper()
	w.ExecuteWorkflow(voicetask.WorkflowName, in)
	require.True(t, w.IsWorkflowCompleted())
	require.NoError(t, w.GetWorkflowError())
	var res voicetask.Result
	require.NoError(t, w.GetWorkflowResult(&res))
	return res
}

// TestAnotherEngineOwnsTheTask: the workflow ends without writing and says so.
func TestAnotherEngineOwnsTheTask(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	before := seed(t, w.Store, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:1", start.Add(time.Hour) })
	res := w.runAlone(t, task())
	require.Equal(t, provider.OutcomeCancelled, res.Outcome)
	require.Equal(t, "other_engine: carried out by direct", res.Reason)
	require.Empty(t, w.fake.Requests())
	require.Equal(t, before, w.row())
}

// TestDirectProcessThatDiedLeavesTheTask to the workflow.
func TestDirectProcessThatDiedLeavesTheTask(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	seed(t, w.Store, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:1", start.Add(-time.Second) })
	require.Equal(t, provider.OutcomeCompleted, w.runAlone(t, task()).Outcome)
	require.Equal(t, "temporal", w.row().Owner)
	require.True(t, w.row().LeaseUntil.IsZero())
}

// TestTaskThatHasEndedIsNotDialled, whoever starts its workflow.
func TestTaskThatHasEndedIsNotDialled(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	before := seed(t, w.Store, func(r *store.Record) { r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeVoicemail })
	res := w.runAlone(t, task())
	require.Equal(t, provider.OutcomeVoicemail, res.Outcome)
	require.Equal(t, "closed", rule(res.Reason))
	require.Empty(t, w.fake.Requests())
	require.Equal(t, before, w.row())
}

// TestWorkflowWithoutSubmit makes the row itself.
func TestWorkflowWithoutSubmit(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.TenantID, in.RunID = "acme", "run-1"
	require.Equal(t, provider.OutcomeCompleted, w.runAlone(t, in).Outcome)
	row := w.row()
	require.Equal(t, "acme", row.TenantID)
	require.Equal(t, "run-1", row.RunID)
	require.Equal(t, "agent-1", row.AgentID)
	require.Equal(t, store.StatusCompleted, row.Status)
}

func TestMalformedTaskOfAWorkflowEndsConfigError(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	res := w.runAlone(t, voicetask.Task{ID: "t1", AgentID: "a1", Priority: 9})
	require.Equal(t, provider.OutcomeConfigError, res.Outcome)
	require.Equal(t, "invalid_task", rule(res.Reason))
	require.Empty(t, w.fake.Requests())
}

// TestResetFollowsWhatTheRowSays: the workflow starts over, on a row in each state.
func TestResetFollowsWhatTheRowSays(t *testing.T) {
	attempt := func(state store.AttemptState) store.Attempt {
		return store.Attempt{N: 1, Key: "t1/1", Provider: "vapi", State: state, Token: "of the former run", Sends: 1, ReservedAt: start.Add(-time.Minute), SentAt: start.Add(-time.Minute)}
	}
	for name, c := range map[string]struct {
		attempt store.Attempt
		change  func(a *store.Attempt)
		outcome provider.Outcome
		dials   int // made by this run
	}{
		"reserved":        {attempt(store.AttemptReserved), func(a *store.Attempt) { a.Sends = 0 }, provider.OutcomeCompleted, 1},
		"aborted":         {attempt(store.AttemptAborted), func(a *store.Attempt) { a.Sends = 0 }, provider.OutcomeCompleted, 1},
		"not sent":        {attempt(store.AttemptNotSent), func(a *store.Attempt) { a.Kind = provider.KindUnavailable }, provider.OutcomeCompleted, 1},
		"not sent, spent": {attempt(store.AttemptNotSent), func(a *store.Attempt) { a.Kind, a.Sends = provider.KindUnavailable, 3 }, provider.OutcomeProviderFault, 0},
		"sending":         {attempt(store.AttemptSending), func(a *store.Attempt) {}, provider.OutcomeUnknown, 0},
		"unknown":         {attempt(store.AttemptUnknown), func(a *store.Attempt) { a.Outcome = provider.OutcomeUnknown }, provider.OutcomeUnknown, 0},
		"ended":           {attempt(store.AttemptEnded), func(a *store.Attempt) { a.Outcome, a.CallID = provider.OutcomeBusy, "call-9" }, provider.OutcomeBusy, 0},
		"ended, spent": {attempt(store.AttemptEnded), func(a *store.Attempt) {
			a.Outcome, a.Kind, a.Sends = provider.OutcomeProviderFault, provider.KindUnavailable, 3
		}, provider.OutcomeProviderFault, 0},
		"ended by a fault": {attempt(store.AttemptEnded), func(a *store.Attempt) { a.Outcome, a.CallID = provider.OutcomeProviderFault, "call-9" }, provider.OutcomeCompleted, 1},
		"ended by a fault, third send": {attempt(store.AttemptEnded), func(a *store.Attempt) {
			a.Outcome, a.CallID, a.Kind, a.Sends = provider.OutcomeProviderFault, "call-9", provider.KindUnavailable, 3
		}, provider.OutcomeCompleted, 1},
		"ended, refused": {attempt(store.AttemptEnded), func(a *store.Attempt) {
			a.Outcome, a.Kind, a.Sends = provider.OutcomeConfigError, provider.KindRejected, 3
		}, provider.OutcomeConfigError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, voicetask.Config{})
			c.change(&c.attempt)
			seed(t, w.Store, func(r *store.Record) {
				r.Owner, r.Status, r.Attempts = "temporal", store.StatusProcessing, []store.Attempt{c.attempt}
			})
			res := w.runAlone(t, task())
			require.Equal(t, c.outcome, res.Outcome)
			require.Equal(t, c.dials, w.fake.Dials())
			require.True(t, w.row().Status.Terminal())
		})
	}
}

// TestResetAdoptsTheCallThatIsUp.
func TestResetAdoptsTheCallThatIsUp(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	c, err := w.fake.Place(t.Context(), provider.Request{Key: "t1/1"})
	require.NoError(t, err)
	seed(t, w.Store, func(r *store.Record) {
		r.Owner, r.Status = "temporal", store.StatusInProgress
		r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptPlaced, Sends: 1, CallID: c.ID, SentAt: start, DialledAt: start}}
	})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	res := w.runAlone(t, task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, c.ID, res.Data.CallID)
	require.Equal(t, 1, w.fake.Dials())
}

// TestProviderThatIsGone: the row names one that no worker has any more.
func TestProviderThatIsGone(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	seed(t, w.Store, func(r *store.Record) {
		r.Owner, r.Status = "temporal", store.StatusProcessing
		r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "retired", State: store.AttemptSending, Sends: 1, SentAt: start}}
	})
	res := w.runAlone(t, task())
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)
	require.Empty(t, w.fake.Requests())
}

// TestHeartbeatKnowsMoreThanTheRow: the store was restored from a backup, and
// Temporal remembers that a send was under way.
func TestHeartbeatKnowsMoreThanTheRow(t *testing.T) {
	for name, c := range map[string]struct {
		row     []store.Attempt
		details map[string]any
		dials   int
		outcome provider.Outcome
	}{
		"no row of the dial":       {nil, map[string]any{"key": "t1/1", "send": 1}, 0, provider.OutcomeUnknown},
		"a row that has not sent":  {[]store.Attempt{{N: 1, Key: "t1/1", State: store.AttemptReserved}}, map[string]any{"key": "t1/1", "send": 1}, 0, provider.OutcomeUnknown},
		"a row of fewer sends":     {[]store.Attempt{{N: 1, Key: "t1/1", State: store.AttemptNotSent, Sends: 1}}, map[string]any{"key": "t1/1", "send": 2}, 0, provider.OutcomeUnknown},
		"a row of as many":         {[]store.Attempt{{N: 1, Key: "t1/1", State: store.AttemptNotSent, Sends: 1}}, map[string]any{"key": "t1/1", "send": 1}, 1, ""},
		"words of another dial":    {nil, map[string]any{"key": "t1/2", "send": 1}, 1, ""},
		"words of a foreign shape": {nil, map[string]any{"key": 7}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fake, s := providertest.NewFake("vapi"), store.NewMemory()
			seed(t, s, func(r *store.Record) { r.Owner, r.Attempts = "temporal", c.row })
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.SetTestTimeout(time.Minute) // the SDK allows 3 s
			env.SetHeartbeatDetails(c.details)
			require.NoError(t, voicetask.RegisterActivities(env, voicetask.Config{Providers: registry(t, fake), Store: s}))
			value, err := env.ExecuteActivity(voicetask.ActivityName, voicetask.CallInput{Task: task(), N: 1, Key: "t1/1"})
			require.NoError(t, err)
			var d voicetask.Dialled
			require.NoError(t, value.Get(&d))
			require.Equal(t, c.dials, fake.Dials())
			require.Equal(t, c.outcome, d.Call.Outcome)
		})
	}
}

// TestTwoExecutionsOfOneDial at the same time: one rings.
func TestTwoExecutionsOfOneDial(t *testing.T) {
	for range 20 {
		fake, s := providertest.NewFake("vapi"), store.NewMemory()
		a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, fake), Store: s})
		require.NoError(t, err)
		seed(t, s, func(*store.Record) {})
		done := make(chan voicetask.Dialled, 8)
		for range cap(done) {
			go func() {
				d, _ := a.ExecuteCall(t.Context(), voicetask.CallInput{Task: task(), N: 1, Key: "t1/1"})
				done <- d
			}()
		}
		for range cap(done) {
			d := <-done
			require.Contains(t, []provider.CallID{"", "call-1"}, d.Call.ID)
		}
		require.LessOrEqual(t, fake.Dials(), 1)
		require.LessOrEqual(t, rowOf(t, s, "t1").Attempts[0].Sends, 1)
	}
}

// TestBlockingProvider: Place returns with the end, and the call told its id before.
func TestBlockingProvider(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault, Blocking: true, Lasts: 5 * time.Second}, providertest.Step{Blocking: true})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
	require.Equal(t, 13*time.Minute, w.fake.Requests()[0].MaxDuration)
	require.InDelta(t, 24, float64(res.Data.Duration), 0)
	require.Equal(t, "completed", string(w.row().Attempts[1].Outcome))
}

// TestPlacedIsKnownWhilePlaceBlocks: OnPlaced writes the row.
func TestPlacedIsKnownWhilePlaceBlocks(t *testing.T) {
	fake := providertest.NewFake("vapi")
	p := &hooked{Fake: fake, traits: &provider.Traits{Blocking: true}}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		c, err := fake.Place(ctx, req)
		require.NoError(t, err)
		require.NoError(t, req.OnPlaced(c))
		a := w.row().Attempts[0]
		require.Equal(t, store.AttemptPlaced, a.State)
		require.Equal(t, c.ID, a.CallID)
		fake.Finish(c.ID, provider.OutcomeBusy)
		return fake.Get(ctx, c.ID)
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	require.Equal(t, provider.OutcomeBusy, w.run(task()).Outcome)
}
