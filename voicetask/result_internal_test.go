package voicetask

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

var outcomes = []provider.Outcome{
	provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeNoAnswer, provider.OutcomeBusy, provider.OutcomeDeclined,
	provider.OutcomeInvalidNumber, provider.OutcomeCancelled, provider.OutcomeTimedOut, provider.OutcomeRateLimited,
	provider.OutcomeProviderFault, provider.OutcomeConfigError, provider.OutcomeUnknown,
}

func TestStatusForEveryOutcome(t *testing.T) {
	for _, o := range outcomes {
		want := store.StatusFailed
		switch o {
		case provider.OutcomeCompleted, provider.OutcomeVoicemail:
			want = store.StatusCompleted
		case provider.OutcomeCancelled:
			want = store.StatusCancelled
		}
		require.Equal(t, want, statusFor(o), o)
	}
}

func TestReason(t *testing.T) {
	require.Equal(t, "hours: closed", reason("hours", "closed"))
	require.Equal(t, "hours", reason("hours", ""))
	require.Equal(t, "closed", reason("", "closed"))
	require.Empty(t, reason("", ""))
}

func TestResultOfACall(t *testing.T) {
	base := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	task := Task{ID: "t1", AgentID: "a1", Data: Data{ContactNumber: "+1", ContactName: "Ada", CallType: "survey", Extra: map[string]json.RawMessage{"metadata": json.RawMessage(`{"k":1}`)}}}
	call := provider.Call{
		ID: "c1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", From: "+2", CreatedAt: base,
		AnsweredAt: base.Add(5 * time.Second), EndedAt: base.Add(30 * time.Second), Transcript: "t", Summary: "s", RecordingURL: "r", CostUSD: 0.1,
	}
	got := ending{outcome: provider.OutcomeCompleted, rule: RuleOutcome, words: "bye", provider: "vapi", call: call, dials: 2}.result(task)
	require.Equal(t, Result{
		Status: store.StatusCompleted, TaskID: "t1", Outcome: provider.OutcomeCompleted, Reason: "outcome: bye", Dials: 2,
		Data: CallResult{
			CallID: "c1", Provider: "vapi", Customer: "Ada", ContactNumber: "+1", CallEndReason: "bye", RecordingURL: "r", Transcript: "t",
			StartTime: base.Add(5 * time.Second), EndTime: base.Add(30 * time.Second), AssistantNumber: "+2", CallSummary: "s", Duration: 25,
			CostUSD: 0.1, CallType: "survey", Metadata: json.RawMessage(`{"k":1}`),
		},
	}, got)

	call.AnsweredAt = time.Time{}
	got = ending{outcome: provider.OutcomeNoAnswer, call: call}.result(task)
	require.Equal(t, base, got.Data.StartTime, "a call that nobody answered starts with the dial")
	require.Zero(t, got.Data.Duration, "and lasted no time")
}

func TestEnrich(t *testing.T) {
	base := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	r := CallResult{CallID: "c1", CallEndReason: "bye", Transcript: "short", AssistantNumber: "+2"}
	r.enrich(provider.Call{ID: "c2", Transcript: "of another call", CostUSD: 7})
	require.Equal(t, CallResult{CallID: "c1", CallEndReason: "bye", Transcript: "short", AssistantNumber: "+2"}, r)

	r.enrich(provider.Call{ID: "c1", Reason: "other", From: "+3", Transcript: "longer", Summary: "s", RecordingURL: "r", CostUSD: 0.1, AnsweredAt: base, EndedAt: base.Add(time.Minute)})
	require.Equal(t, CallResult{
		CallID: "c1", CallEndReason: "bye", Transcript: "longer", AssistantNumber: "+2", CallSummary: "s", RecordingURL: "r", CostUSD: 0.1,
		StartTime: base, EndTime: base.Add(time.Minute), Duration: 60,
	}, r)
	r.enrich(provider.Call{ID: "c1", AnsweredAt: base.Add(time.Hour), EndedAt: base.Add(2 * time.Hour)})
	require.Equal(t, base, r.StartTime, "times that are known stand")
	require.InDelta(t, 60, float64(r.Duration), 0)
}

func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"busy":                            "busy",
		"486 Busy Here":                   "486 Busy Here",
		"no route to +14155550123":        "no route to +1…23",
		"no route to +1 (415) 555-0123":   "no route to +1…23",
		"put off until 2026-01-07":        "put off until 2026-01-07",
		"suppressed: 4155550123":          "suppressed: 41…23",
		"asked by (415) 555-0123":         "asked by (4…23",
		"asked by 415-555-0123":           "asked by 41…23",
		"asked by 0171 2345678":           "asked by 01…78",
		"at 2026-01-07 10:00:00":          "at 2026-01-07 10:00:00",
		"+4915112345678 and 004915112345": "+4…78 and 00…45",
	} {
		require.Equal(t, want, masked(in), in)
	}
}

func TestMaskedNumber(t *testing.T) {
	for in, want := range map[string]string{"+14155550123": "+1…23", "sip:ada@example.test": "si…st", "1234": "…", "": "…", "12345": "…45", "1234567": "…67", "12345678": "12…78"} {
		require.Equal(t, want, maskedNumber(in), in)
	}
}

func TestSummaryHoldsNoNumber(t *testing.T) {
	s := summary(Task{AgentID: "agent +14155550123", Data: Data{ContactNumber: "+14155550199"}})
	require.Equal(t, "Call +1…99 by agent agent +1…23", s)
	require.Equal(t, "Call no number by agent a1", summary(Task{AgentID: "a1"}))
}

func TestStateText(t *testing.T) {
	require.Equal(t, "**pending**", State{Status: store.StatusPending}.text(Task{}, 0))
	require.Equal(t, "**in_progress**, dial 2 of at most 3 through vapi, acts by itself at 2026-01-07T10:00:00Z\n\nno route to +1…23",
		State{Status: store.StatusInProgress, Dial: 2, Provider: "vapi", Until: time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC), Reason: "no route to +14155550123"}.text(Task{}, 3))
}

// TestCuttingKeepsText: what is cut to a length is still text, since a database
// refuses half a character.
func TestCuttingKeepsText(t *testing.T) {
	long := strings.Repeat("ü", 400)
	for name, s := range map[string]string{
		"describe":     describe(&provider.Error{Kind: provider.KindRejected, Err: errorString("x" + long)}),
		"fairness key": priority(Task{TenantID: "x" + long[:100]}).FairnessKey,
		"transcript":   forHistory(provider.Call{Transcript: "x" + strings.Repeat("ü", maxTranscript)}).Transcript,
		"number":       maskedNumber("ü12345ü") + maskedNumber("xüxxxxxüx"),
	} {
		require.True(t, utf8.ValidString(s), name)
		require.NotContains(t, s, "\ufffd", name)
	}
	require.LessOrEqual(t, len(describe(errorString(long))), 300)
	require.LessOrEqual(t, len(priority(Task{TenantID: long}).FairnessKey), 64)
	require.LessOrEqual(t, len(forHistory(provider.Call{Transcript: strings.Repeat("x", maxTranscript+1)}).Transcript), maxTranscript)
}

type errorString string

func (e errorString) Error() string { return string(e) }

func TestHistoryHoldsNoRaw(t *testing.T) {
	require.Equal(t, provider.Call{ID: "c1", Transcript: "t"}, forHistory(provider.Call{ID: "c1", Transcript: "t", Raw: json.RawMessage(`{}`)}))
}

// TestSignalsHoldNoBodies: key, call id, status, outcome and times only.
func TestSignalsHoldNoBodies(t *testing.T) {
	base := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	c := provider.Call{
		ID: "c1", Key: "t1/1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "to +14155550123", From: "+2",
		CreatedAt: base, AnsweredAt: base, EndedAt: base, NoSpeech: true, Transcript: "secret", Summary: "secret", RecordingURL: "secret", CostUSD: 1, Raw: json.RawMessage(`"secret"`),
	}
	got := slim(provider.Event{ID: "e1", Provider: "vapi", Key: "t1/1", Call: c, At: base})
	want := c
	want.Transcript, want.Summary, want.RecordingURL, want.Raw, want.Reason = "", "", "", nil, "to +1…23"
	require.Equal(t, provider.Event{ID: "e1", Provider: "vapi", Key: "t1/1", Call: want, At: base}, got)
}
