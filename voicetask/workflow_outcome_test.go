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

// TestAnsweredCall looks at everything that a plain call leaves behind.
func TestAnsweredCall(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.Data.CallType = "survey"
	in.Data.Extra = raws("metadata", `{"k":1}`, "document_id", `"d1"`)
	w.DeliverAfter(31*time.Second, func() provider.Event { return w.fake.Event("t1/1") })
	res := w.run(in)

	require.Equal(t, voicetask.Result{
		Status: store.StatusCompleted, TaskID: "t1", Outcome: provider.OutcomeCompleted, Reason: "outcome: fake-completed", Dials: 1,
		Data: voicetask.CallResult{
			CallID: "call-1", Provider: "vapi", Customer: "Ada Example", ContactNumber: "+14155550100", CallEndReason: "fake-completed",
			RecordingURL: "https://recordings.example/call-1.wav", Transcript: "AI: Hello, this is a test call.\nUser: Hello.",
			StartTime: start.Add(6 * time.Second), EndTime: start.Add(30 * time.Second), AssistantNumber: "+12025550100",
			CallSummary: "The callee answered the test call.", Duration: 24, CostUSD: 0.05, CallType: "survey", Metadata: []byte(`{"k":1}`),
		},
	}, res)

	row := w.row()
	require.Equal(t, store.StatusCompleted, row.Status)
	require.Equal(t, provider.OutcomeCompleted, row.Outcome)
	require.Equal(t, "outcome: fake-completed", row.Reason)
	require.Equal(t, "temporal", row.Owner)
	require.Equal(t, "+14155550100", row.To)
	require.True(t, row.DueAt.IsZero(), "a task that has ended wants no work")
	require.Len(t, row.Attempts, 1)
	a := row.Attempts[0]
	require.NotEmpty(t, a.Token)
	a.Token = ""
	require.Equal(t, store.Attempt{
		N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptEnded, Sends: 1, CallID: "call-1", ReservedAt: start, SentAt: start,
		Outcome: provider.OutcomeCompleted, Reason: "fake-completed", CostUSD: 0.05, DialledAt: start,
		AnsweredAt: start.Add(6 * time.Second), EndedAt: start.Add(30 * time.Second),
	}, a)

	req := w.fake.Requests()[0]
	require.NotNil(t, req.OnPlaced)
	req.OnPlaced = nil
	require.Equal(t, provider.Request{
		Key: "t1/1", TaskID: "t1", AgentID: "agent-1", To: "+14155550100", ToName: "Ada Example", RingTimeout: 45 * time.Second, MaxDuration: 15 * time.Minute,
		Data: []byte(`{"contact_number":"+14155550100","contact_name":"Ada Example","call_type":"survey","document_id":"d1","metadata":{"k":1}}`),
	}, req)
	require.Empty(t, w.notices.kinds())
}

// TestAnswersAreFinal: each is a result and no error, after one dial.
func TestAnswersAreFinal(t *testing.T) {
	for o, status := range map[provider.Outcome]store.Status{
		provider.OutcomeCompleted: store.StatusCompleted, provider.OutcomeVoicemail: store.StatusCompleted,
		provider.OutcomeBusy: store.StatusFailed, provider.OutcomeNoAnswer: store.StatusFailed, provider.OutcomeDeclined: store.StatusFailed,
		provider.OutcomeInvalidNumber: store.StatusFailed, provider.OutcomeTimedOut: store.StatusFailed, provider.OutcomeConfigError: store.StatusFailed,
		provider.OutcomeUnknown: store.StatusFailed, provider.OutcomeCancelled: store.StatusCancelled,
	} {
		t.Run(string(o), func(t *testing.T) {
			w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: o})
			res := w.run(task())
			require.Equal(t, o, res.Outcome)
			require.Equal(t, status, res.Status)
			require.Equal(t, 1, res.Dials)
			require.Equal(t, "fake-"+string(o), res.Data.CallEndReason)
			require.Equal(t, voicetask.RuleOutcome, rule(res.Reason))
			require.Equal(t, 1, w.fake.Dials())
			require.Equal(t, store.AttemptEnded, w.row().Attempts[0].State)
			require.Equal(t, o, w.row().Attempts[0].Outcome)
		})
	}
}

// TestFaultIsDialledAgain under the next key, ten seconds later.
func TestFaultIsDialledAgain(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	w.after(35*time.Second, func() {
		s := w.state()
		w.must(errIf(s.Status != store.StatusScheduled || !s.Until.Equal(start.Add(40*time.Second)), "state between two dials: %+v", s))
	})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
	require.Equal(t, provider.CallID("call-2"), res.Data.CallID)
	require.Equal(t, []string{"t1/1", "t1/2"}, keys(w.fake))
	first, second := w.row().Attempts[0], w.row().Attempts[1]
	require.Equal(t, 30*time.Second, since(first.EndedAt))
	require.Equal(t, 40*time.Second, since(second.SentAt))
	require.Equal(t, provider.OutcomeProviderFault, first.Outcome)
	require.Equal(t, provider.OutcomeCompleted, second.Outcome)
}

// TestWaitsBetweenDialsGrow: 10 s, then 20 s.
func TestWaitsBetweenDialsGrow(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault, Lasts: time.Second})
	for _, d := range []time.Duration{1, 12, 33} {
		w.after(d*time.Second, func() {
			for _, key := range []string{"t1/1", "t1/2", "t1/3"} {
				if w.fake.Dials(key) > 0 {
					w.deliver(key)
				}
			}
		})
	}
	res := w.run(task())
	require.Equal(t, provider.OutcomeProviderFault, res.Outcome)
	require.Equal(t, store.StatusFailed, res.Status)
	require.Equal(t, voicetask.RuleMaxDials, rule(res.Reason))
	require.Equal(t, 3, res.Dials)
	require.Equal(t, []string{"t1/1", "t1/2", "t1/3"}, keys(w.fake))
	var sent []time.Duration
	for _, a := range w.row().Attempts {
		sent = append(sent, since(a.SentAt))
		require.Equal(t, store.AttemptEnded, a.State)
	}
	require.Equal(t, []time.Duration{0, 11 * time.Second, 32 * time.Second}, sent)
}

func TestMaxDialsOfTheTask(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault})
	in := task()
	in.MaxDials = 1
	res := w.run(in)
	require.Equal(t, 1, res.Dials)
	require.Equal(t, 1, w.fake.Dials())
}

// TestFaultInMidCallIsNotDialledAgain: the customer may have talked to us.
func TestFaultInMidCallIsNotDialledAgain(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeProviderFault, Answered: true})
	res := w.run(task())
	require.Equal(t, provider.OutcomeProviderFault, res.Outcome)
	require.Equal(t, 1, w.fake.Dials())
}
