package voicetask_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestEventBeforeTheAnswerOfPlace: the platform is faster than its own reply.
func TestEventBeforeTheAnswerOfPlace(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Outcome: provider.OutcomeBusy, Lasts: time.Nanosecond})
	p := &hooked{Fake: fake}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		c, err := fake.Place(ctx, req)
		fake.Finish(c.ID, provider.OutcomeBusy)
		w.deliver(req.Key)
		return c, err
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	res := w.run(task())
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Equal(t, start, w.Now().UTC(), "there is nothing left to wait for")
	require.Zero(t, p.polls())
	require.Empty(t, w.notices.kinds())
}

// TestEventBeforeTheAnswerOfPlaceThatNobodySignalled: the row alone tells.
func TestEventBeforeTheAnswerOfPlaceThatNobodySignalled(t *testing.T) {
	fake := providertest.NewFake("vapi")
	p := &hooked{Fake: fake}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		c, err := fake.Place(ctx, req)
		fake.Finish(c.ID, provider.OutcomeBusy)
		deaf, deafErr := voicetask.NewClient(&fakeTemporal{}, voicetask.ClientConfig{Store: w.Store, Now: w.Now})
		require.NoError(t, deafErr)
		require.NoError(t, deaf.Deliver(ctx, fake.Event(req.Key)))
		return c, err
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	require.Equal(t, provider.OutcomeBusy, w.run(task()).Outcome)
	require.Equal(t, start, w.Now().UTC(), "there is nothing left to wait for")
}

// TestDuplicatedAndReorderedEvents change nothing: what was reached stays.
func TestDuplicatedAndReorderedEvents(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	var ringing provider.Event
	w.after(5*time.Second, func() { ringing = w.fake.Event("t1/1") })
	w.after(10*time.Second, func() { w.deliver("t1/1"); w.deliver("t1/1") })
	w.after(30*time.Second, func() {
		w.deliver("t1/1")
		w.deliver("t1/1")
		w.must(w.client.Deliver(context.Background(), ringing))
	})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 30*time.Second, w.Now().Sub(start))
	a := w.row().Attempts[0]
	require.Equal(t, 6*time.Second, since(a.AnsweredAt))
	require.Equal(t, 30*time.Second, since(a.EndedAt))
	require.Empty(t, w.notices.kinds())
}

// TestEventsThatAreNotOurs: of a key nobody dialled, of no task at all.
func TestEventsThatAreNotOurs(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	w.after(10*time.Second, func() {
		for _, key := range []string{"t1/2", "t2/1", "t1", "", "/1", "t1/0"} {
			err := w.client.Deliver(context.Background(), provider.Event{Provider: "vapi", Key: key, Call: provider.Call{ID: "call-9", Status: provider.StatusEnded, Outcome: provider.OutcomeBusy}})
			w.must(errIf(err != provider.ErrUnknownCall, "key %q: %v", key, err))
		}
	})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, w.fake.Dials())
}

// TestSignalOfAnotherDialOrCallIsIgnored by the workflow, whatever sent it.
func TestSignalOfAnotherDialOrCallIsIgnored(t *testing.T) {
	ended := provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeBusy}
	other := ended
	other.ID = "call-9"
	for name, e := range map[string]provider.Event{
		"another dial":             {Key: "t1/2", Call: ended},
		"another task":             {Key: "t2/1", Call: ended},
		"another call":             {Key: "t1/1", Call: other},
		"another call without key": {Call: other},
		"neither key nor call":     {Call: ended},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, voicetask.Config{})
			w.after(10*time.Second, func() { w.SignalWorkflow(voicetask.SignalCallEvent, e) })
			w.after(30*time.Second, func() { w.deliver("t1/1") })
			require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
		})
	}
	w := newWorld(t, voicetask.Config{})
	mine := ended
	mine.ID = "call-1"
	w.after(10*time.Second, func() { w.SignalWorkflow(voicetask.SignalCallEvent, provider.Event{Call: mine}) })
	require.Equal(t, provider.OutcomeBusy, w.run(task()).Outcome, "the id alone is enough")
}

// TestSecondCallUnderOneKeyIsAnAlarm, and does not end the first.
func TestSecondCallUnderOneKeyIsAnAlarm(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	w.after(10*time.Second, func() {
		w.must(w.client.Deliver(context.Background(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{
			ID: "call-2", Status: provider.StatusEnded, Outcome: provider.OutcomeVoicemail, Transcript: "of the second call",
		}}))
	})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.NotContains(t, res.Data.Transcript, "second call")
	require.Equal(t, []provider.CallID{"call-2"}, w.row().Attempts[0].OtherCallIDs)
	require.Equal(t, []provider.Notice{{Kind: provider.NoticeSecondCall, Provider: "vapi", TaskID: "t1", Key: "t1/1", N: 1}}, w.notices.seen)
}

// TestSecondCallDoesNotCostTheFirstItsTranscript: it comes after the first one's.
func TestSecondCallDoesNotCostTheFirstItsTranscript(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	w.after(30*time.Second, func() {
		w.deliver("t1/1")
		w.must(w.client.Deliver(context.Background(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-2", Transcript: "of the second call"}}))
	})
	res := w.run(task())
	require.Contains(t, res.Data.Transcript, "this is a test call")
}

// TestSecondCallFromPlace: the row knows another call already, from an event.
func TestSecondCallFromPlace(t *testing.T) {
	fake := providertest.NewFake("vapi")
	p := &hooked{Fake: fake}
	var w *world
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		w.must(w.client.Deliver(ctx, provider.Event{Provider: "vapi", Key: req.Key, Call: provider.Call{ID: "call-0", Status: provider.StatusRinging}}))
		return fake.Place(ctx, req)
	}
	w = newWorldOn(t, voicetask.Config{}, fake, p)
	w.run(task())
	require.Contains(t, w.notices.kinds(), provider.NoticeSecondCall)
	require.Equal(t, []provider.CallID{"call-1"}, w.row().Attempts[0].OtherCallIDs)
}

// eventsOnly is a platform that is never asked.
func eventsOnly(fake *providertest.Fake) *hooked {
	return &hooked{Fake: fake, get: func(context.Context, provider.CallID) (provider.Call, error) {
		return provider.Call{}, provider.ErrUnsupported
	}}
}

// TestEventsBringTheResult: a signal has no bodies, so the row hands them over.
func TestEventsBringTheResult(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Contains(t, res.Data.Transcript, "this is a test call")
	require.NotEmpty(t, res.Data.CallSummary)
	require.NotEmpty(t, res.Data.RecordingURL)
	require.InDelta(t, 0.05, res.Data.CostUSD, 0)
	require.InDelta(t, 24, float64(res.Data.Duration), 0)
}

// TestDetailsThatComeBetweenTheEndAndTheRecord: the workflow waits a moment for them.
func TestDetailsThatComeSoonAfterTheEnd(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	w.after(30*time.Second, func() {
		e := w.fake.Event("t1/1")
		e.Call.Transcript, e.Call.Summary, e.Call.RecordingURL, e.Call.CostUSD = "", "", "", 0
		w.must(w.client.Deliver(context.Background(), e))
	})
	w.after(33*time.Second, func() {
		w.must(errIf(w.row().Status.Terminal(), "recorded without a wait"))
		w.deliver("t1/1")
	})
	res := w.run(task())
	require.Contains(t, res.Data.Transcript, "this is a test call")
	require.InDelta(t, 0.05, res.Data.CostUSD, 0)
	require.Equal(t, 33*time.Second, w.Now().Sub(start), "no longer than needed")
}

// TestLateReportEnrichesTheRow and nothing else: the task has ended.
func TestLateReportEnrichesTheRow(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	w.after(30*time.Second, func() {
		e := w.fake.Event("t1/1")
		e.Call.Transcript, e.Call.Summary, e.Call.RecordingURL, e.Call.CostUSD = "", "", "", 0
		w.must(w.client.Deliver(context.Background(), e))
	})
	res := w.run(task())
	require.Empty(t, res.Data.Transcript)
	require.Equal(t, 35*time.Second, w.Now().Sub(start), "it waited five seconds")

	before := w.row()
	late := w.fake.Event("t1/1")
	late.Call.Outcome, late.Call.Reason = provider.OutcomeBusy, "never mind"
	require.NoError(t, w.client.Deliver(t.Context(), late))
	after := w.row()
	res = storedResult(t, after)
	require.Contains(t, res.Data.Transcript, "this is a test call")
	require.NotEmpty(t, res.Data.CallSummary)
	require.InDelta(t, 0.05, res.Data.CostUSD, 0)
	require.InDelta(t, 0.05, after.Attempts[0].CostUSD, 0)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, provider.OutcomeCompleted, after.Outcome)
	require.Equal(t, before.Status, after.Status)
	require.Equal(t, before.Reason, after.Reason)

	require.NoError(t, w.client.Deliver(t.Context(), late))
	require.Equal(t, after.Version, w.row().Version, "the same again is no write")
}

// TestLateReportOfAnEarlierDial does not displace the last one's.
func TestLateReportOfAnEarlierDial(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	report := func() {
		e := w.fake.Event("t1/1")
		e.Call.Transcript, e.Call.CostUSD = "of the first call", 0.01
		w.must(w.client.Deliver(context.Background(), e))
	}
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	w.after(50*time.Second, report)
	w.after(70*time.Second, func() { w.deliver("t1/2"); report() })
	res := w.run(task())
	require.Equal(t, provider.CallID("call-2"), res.Data.CallID)
	require.Contains(t, res.Data.Transcript, "this is a test call")
	report()
	row := w.row()
	require.Contains(t, storedResult(t, row).Data.Transcript, "this is a test call")
	require.InDelta(t, 0.01, row.Attempts[0].CostUSD, 0, "the ledger has the cost of each dial")
	require.InDelta(t, 0.05, row.Attempts[1].CostUSD, 0)
}

// TestEventWithoutACallID is found by its key, and its report is kept.
func TestEventWithoutACallID(t *testing.T) {
	fake := providertest.NewFake("vapi")
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	w.after(30*time.Second, func() {
		e := w.fake.Event("t1/1")
		e.Call.ID, e.Call.Key = "", ""
		w.must(w.client.Deliver(context.Background(), e))
	})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
	require.Contains(t, res.Data.Transcript, "this is a test call")
}

// TestEventWithoutAKey is found by its call id, or by the key in the call.
func TestEventWithoutAKey(t *testing.T) {
	for name, change := range map[string]func(e *provider.Event){
		"by call id":        func(e *provider.Event) { e.Key, e.Call.Key = "", "" },
		"by the call's key": func(e *provider.Event) { e.Key, e.Call.ID = "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy})
			w.after(30*time.Second, func() {
				e := w.fake.Event("t1/1")
				change(&e)
				w.must(w.client.Deliver(context.Background(), e))
			})
			require.Equal(t, provider.OutcomeBusy, w.run(task()).Outcome)
			require.Equal(t, 30*time.Second, w.Now().Sub(start))
		})
	}
}

// TestLongTranscriptIsWholeInTheStore and cut in history.
func TestLongTranscriptIsWholeInTheStore(t *testing.T) {
	long := strings.Repeat("word ", 100_000)
	fake := providertest.NewFake("vapi")
	p := &hooked{Fake: fake}
	p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
		c, err := fake.Get(ctx, id)
		if c.Status == provider.StatusEnded {
			c.Transcript = long
		}
		return c, err
	}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	res := w.run(task())
	require.Equal(t, long, res.Data.Transcript)
	var inHistory voicetask.Result
	require.NoError(t, w.GetWorkflowResult(&inHistory))
	require.LessOrEqual(t, len(inHistory.Data.Transcript), 256<<10)
	require.NotEmpty(t, inHistory.Data.Transcript)
	require.Equal(t, store.StatusCompleted, w.row().Status)
}
