package voicetask_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func TestCallResultHasEveryKeyButError(t *testing.T) {
	b, err := json.Marshal(voicetask.CallResult{})
	require.NoError(t, err)
	require.JSONEq(t, `{"call_id":"","provider":"","customer":"","contact_number":"","call_end_reason":"","recording_url":"","transcript":"",
		"start_time":null,"end_time":null,"assistant_number":"","call_summary":"","duration":0,"cost":0,"call_type":"","metadata":null}`, string(b))
}

func TestCallResultFilled(t *testing.T) {
	zone := time.FixedZone("", 60*60)
	full := voicetask.CallResult{
		CallID: "c1", Provider: "vapi", Customer: "Ada", ContactNumber: "+1", CallEndReason: "bye", RecordingURL: "https://r", Transcript: "t",
		StartTime: time.Date(2026, 1, 7, 11, 0, 0, 0, zone), EndTime: time.Date(2026, 1, 7, 10, 1, 0, 500_000_000, time.UTC),
		AssistantNumber: "+2", CallSummary: "s", Duration: 60.5, CostUSD: 0.05, CallType: "survey", Metadata: json.RawMessage(`{"k":1}`), Error: "e",
	}
	b, err := json.Marshal(full)
	require.NoError(t, err)
	require.JSONEq(t, `{"call_id":"c1","provider":"vapi","customer":"Ada","contact_number":"+1","call_end_reason":"bye","recording_url":"https://r",
		"transcript":"t","start_time":"2026-01-07T10:00:00Z","end_time":"2026-01-07T10:01:00.5Z","assistant_number":"+2","call_summary":"s",
		"duration":60.5,"cost":0.05,"call_type":"survey","metadata":{"k":1},"error":"e"}`, string(b))

	var again voicetask.CallResult
	require.NoError(t, json.Unmarshal(b, &again))
	full.StartTime = full.StartTime.UTC()
	require.Equal(t, full, again)
	require.Equal(t, 60500*time.Millisecond, again.Duration.Duration())
}

func TestCallResultReadsNullsBack(t *testing.T) {
	b, err := json.Marshal(voicetask.CallResult{CallID: "c1"})
	require.NoError(t, err)
	var again voicetask.CallResult
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, voicetask.CallResult{CallID: "c1"}, again)
	require.Error(t, json.Unmarshal([]byte(`{"duration":"long"}`), &again))
}

func TestResultJSON(t *testing.T) {
	b, err := json.Marshal(voicetask.Result{Status: store.StatusFailed, TaskID: "t1", Outcome: provider.OutcomeBusy, Dials: 2})
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(b, &got))
	delete(got, "data")
	require.Equal(t, map[string]any{"status": "failed", "task_id": "t1", "outcome": "busy", "dials": 2.0}, got)
}
