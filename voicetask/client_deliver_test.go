package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// placed is a desk with a task whose first call is up.
func placed(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) {
		r.Owner, r.Status = "temporal", store.StatusInProgress
		r.Attempts = []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptPlaced, CallID: "call-1", Sends: 1, SentAt: start, DialledAt: start}}
	})
	return d
}

func endOfCall() provider.Event {
	return provider.Event{ID: "e1", Provider: "vapi", Key: "t1/1", At: start.Add(time.Minute), Call: provider.Call{
		ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye +14155550100", AnsweredAt: start.Add(time.Second),
		EndedAt: start.Add(time.Minute), Transcript: "a secret", Summary: "a secret", RecordingURL: "https://a.secret", CostUSD: 0.5, Raw: []byte(`"a secret"`),
	}}
}

// TestDeliverWritesTheRowAndSignals, without bodies.
func TestDeliverWritesTheRowAndSignals(t *testing.T) {
	d := placed(t)
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	a := d.row(t).Attempts[0]
	require.Equal(t, store.AttemptEnded, a.State)
	require.Equal(t, provider.OutcomeCompleted, a.Outcome)
	require.InDelta(t, 0.5, a.CostUSD, 0)
	require.Equal(t, "a secret", storedResult(t, d.row(t)).Data.Transcript, "the row has the body")

	require.Len(t, d.temporal.signals, 1)
	s := d.temporal.signals[0]
	require.Equal(t, "voice-task-t1", s.workflowID)
	require.Equal(t, voicetask.SignalCallEvent, s.name)
	want := endOfCall()
	want.Call.Transcript, want.Call.Summary, want.Call.RecordingURL, want.Call.Raw, want.Call.Reason = "", "", "", nil, "bye +1…00"
	require.Equal(t, want, s.arg)
}

// TestDeliverSignalsOnlyWhatIsNew.
func TestDeliverSignalsOnlyWhatIsNew(t *testing.T) {
	d := placed(t)
	ringing := provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusRinging}}
	require.NoError(t, d.Deliver(t.Context(), ringing))
	require.Empty(t, d.temporal.signals, "the row knew that it is up")
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.NoError(t, d.Deliver(t.Context(), ringing))
	require.Len(t, d.temporal.signals, 1)

	version := d.row(t).Version
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.Equal(t, version, d.row(t).Version, "what is known is not written again")
}

// TestDeliverOfDetailsOnly needs no signal: the row hands them over.
func TestDeliverOfDetailsOnly(t *testing.T) {
	d := placed(t)
	require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Transcript: "hello"}}))
	require.Empty(t, d.temporal.signals)
	require.Equal(t, "hello", storedResult(t, d.row(t)).Data.Transcript)
}

// TestDeliverKeepsEachDetail, also one that comes alone, and writes nothing for none.
func TestDeliverKeepsEachDetail(t *testing.T) {
	for name, c := range map[string]struct {
		call provider.Call
		want voicetask.CallResult
	}{
		"a transcript": {provider.Call{ID: "call-1", Transcript: "x"}, voicetask.CallResult{CallID: "call-1", Transcript: "x"}},
		"a summary":    {provider.Call{ID: "call-1", Summary: "x"}, voicetask.CallResult{CallID: "call-1", CallSummary: "x"}},
		"a recording":  {provider.Call{ID: "call-1", RecordingURL: "x"}, voicetask.CallResult{CallID: "call-1", RecordingURL: "x"}},
		"a caller":     {provider.Call{ID: "call-1", From: "x"}, voicetask.CallResult{CallID: "call-1", AssistantNumber: "x"}},
	} {
		d := placed(t)
		require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: c.call}), name)
		require.Equal(t, c.want, storedResult(t, d.row(t)).Data, name)
		version := d.row(t).Version
		require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: c.call}), name)
		require.Equal(t, version, d.row(t).Version, name)
	}
	d := placed(t)
	require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1"}}))
	require.Empty(t, d.row(t).Result)
}

// TestDeliverSettlesATaskWhoseDialIsKnown: the ledger had the outcome, the task not yet.
func TestDeliverSettlesATaskWhoseDialIsKnown(t *testing.T) {
	d := ended(t, provider.OutcomeUnknown, func(r *store.Record) { r.Attempts[0].Outcome, r.Attempts[0].CostUSD = provider.OutcomeBusy, 0 })
	e := provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy}}
	require.NoError(t, d.Deliver(t.Context(), e))
	require.Equal(t, provider.OutcomeBusy, d.row(t).Outcome)
}

func TestDeliverOfAnUnknownCall(t *testing.T) {
	d := placed(t)
	for name, e := range map[string]provider.Event{
		"an unknown task":    {Key: "t9/1", Call: provider.Call{ID: "call-1"}},
		"an unknown dial":    {Key: "t1/2", Call: provider.Call{ID: "call-1"}},
		"no key of ours":     {Key: "somebody else's"},
		"an unknown call id": {Provider: "vapi", Call: provider.Call{ID: "call-9"}},
		"another platform's": {Provider: "livekit", Call: provider.Call{ID: "call-1"}},
		"neither key nor id": {Provider: "vapi"},
	} {
		require.ErrorIs(t, d.Deliver(t.Context(), e), provider.ErrUnknownCall, name)
	}
	require.Empty(t, d.temporal.signals)
}

func TestDeliverByCallIDNeedsAStoreThatFindsCalls(t *testing.T) {
	d := placed(t)
	e := endOfCall()
	e.Key = ""
	require.NoError(t, d.Deliver(t.Context(), e))
	require.Equal(t, "t1/1", d.temporal.signals[0].arg.(provider.Event).Key, "the signal carries the key")

	blind, err := voicetask.NewClient(&fakeTemporal{}, voicetask.ClientConfig{Store: justStore{d.store}})
	require.NoError(t, err)
	require.ErrorIs(t, blind.Deliver(t.Context(), e), provider.ErrUnknownCall)
}

// TestDeliverToAWorkflowThatIsGone: the row has it, and that is enough.
func TestDeliverToAWorkflowThatIsGone(t *testing.T) {
	for name, err := range map[string]error{"gone": errGone, "server down": errServerDown} {
		d := placed(t)
		d.temporal.signalErr = err
		require.NoError(t, d.Deliver(t.Context(), endOfCall()), name)
		require.Equal(t, store.AttemptEnded, d.row(t).Attempts[0].State)
	}
}

func TestDeliverAfterTheEndIsNotSignalled(t *testing.T) {
	d := placed(t)
	_, err := store.Modify(t.Context(), d.store, "t1", func(r *store.Record) error {
		r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeCompleted
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.Empty(t, d.temporal.signals)
}

// TestDeliverWithTheStoreDown: the workflow may still take it.
func TestDeliverWithTheStoreDown(t *testing.T) {
	for name, change := range map[string]func(e *provider.Event){
		"by key":            func(*provider.Event) {},
		"by the call's key": func(e *provider.Event) { e.Key, e.Call.Key = "", "t1/1" },
	} {
		t.Run(name, func(t *testing.T) {
			d := placed(t)
			d.store.before = func(string, store.Record) error { return errStoreDown }
			e := endOfCall()
			change(&e)
			require.NoError(t, d.Deliver(t.Context(), e))
			require.Len(t, d.temporal.signals, 1)
			got := d.temporal.signals[0].arg.(provider.Event)
			require.Equal(t, "t1/1", got.Key)
			require.Empty(t, got.Call.Transcript)
		})
	}
}

// TestDeliverWithBothDown is an error, so that the platform sends it again.
func TestDeliverWithBothDown(t *testing.T) {
	for _, temporalErr := range []error{errServerDown, errGone} {
		d := placed(t)
		d.store.before = func(string, store.Record) error { return errStoreDown }
		d.temporal.signalErr = temporalErr
		err := d.Deliver(t.Context(), endOfCall())
		require.ErrorIs(t, err, errStoreDown)
		require.NotErrorIs(t, err, provider.ErrUnknownCall)
	}
}

// TestDeliverThatCannotBeWritten: read, and not written.
func TestDeliverThatCannotBeWritten(t *testing.T) {
	d := placed(t)
	d.store.before = func(op string, _ store.Record) error {
		if op == "update" {
			return errStoreDown
		}
		return nil
	}
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	require.Len(t, d.temporal.signals, 1)
}

func TestSecondCallIsNoticed(t *testing.T) {
	d := placed(t)
	e := endOfCall()
	e.Call.ID = "call-2"
	require.NoError(t, d.Deliver(t.Context(), e))
	require.Equal(t, []provider.Notice{{Kind: provider.NoticeSecondCall, Provider: "vapi", TaskID: "t1", Key: "t1/1", N: 1}}, d.notices.seen)
	require.Equal(t, store.AttemptPlaced, d.row(t).Attempts[0].State)
}

// TestSinkOfAWebhookHandler: *Client is one.
func TestSinkOfAWebhookHandler(t *testing.T) {
	var _ provider.EventSink = newDesk(t).Client
	var _ voicetask.Workflow = newDesk(t).Client
}

// TestDeliverOfAnotherAccount: a webhook is authentic for its own account only.
func TestDeliverOfAnotherAccount(t *testing.T) {
	d := placed(t)
	version := d.row(t).Version
	e := endOfCall()
	e.Provider = "vapi-2"
	require.ErrorIs(t, d.Deliver(t.Context(), e), provider.ErrUnknownCall)
	e.Key, e.Call.Key = "", ""
	require.ErrorIs(t, d.Deliver(t.Context(), e), provider.ErrUnknownCall)
	require.Equal(t, version, d.row(t).Version)
	require.Empty(t, d.temporal.signals)
	require.NoError(t, d.Deliver(t.Context(), endOfCall()), "its own account's word counts")
	require.NotEqual(t, version, d.row(t).Version)
}

// TestDeliverOfALiveCallThatIsOver: an update that was delayed, or is sent again, was made before the
// report of the end, and what it has of the talk, and of the cost, is less.
func TestDeliverOfALiveCallThatIsOver(t *testing.T) {
	d := placed(t)
	live := provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{
		ID: "call-1", Status: provider.StatusInProgress, AnsweredAt: start.Add(time.Second), From: "+1",
		Transcript: "a", Summary: "b", RecordingURL: "c", CostUSD: 0.1,
	}}
	require.NoError(t, d.Deliver(t.Context(), endOfCall()))
	before := storedResult(t, d.row(t)).Data
	require.NoError(t, d.Deliver(t.Context(), live))
	after := storedResult(t, d.row(t)).Data
	require.Equal(t, "+1", after.AssistantNumber, "what the report does not say is taken")
	after.AssistantNumber = ""
	require.Equal(t, before, after)
	require.InDelta(t, 0.5, d.row(t).Attempts[0].CostUSD, 0)
	version := d.row(t).Version
	require.NoError(t, d.Deliver(t.Context(), live))
	require.Equal(t, version, d.row(t).Version)
}
