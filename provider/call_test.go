package provider_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
)

var noon = time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)

func TestMerge(t *testing.T) {
	later := noon.Add(time.Minute)
	for _, tt := range []struct {
		name             string
		call, with, want provider.Call
	}{
		{
			"an empty snapshot changes nothing",
			provider.Call{ID: "1", Key: "t/1", Status: provider.StatusRinging, From: "+1", CreatedAt: noon, Raw: json.RawMessage(`1`)},
			provider.Call{},
			provider.Call{ID: "1", Key: "t/1", Status: provider.StatusRinging, From: "+1", CreatedAt: noon, Raw: json.RawMessage(`1`)},
		},
		{
			"an empty call takes all",
			provider.Call{},
			provider.Call{
				ID: "1", Key: "t/1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", From: "+1",
				CreatedAt: noon, AnsweredAt: noon, EndedAt: later, NoSpeech: true, Transcript: "a", Summary: "b", RecordingURL: "c", CostUSD: 1, Raw: json.RawMessage(`1`),
			},
			provider.Call{
				ID: "1", Key: "t/1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", From: "+1",
				CreatedAt: noon, AnsweredAt: noon, EndedAt: later, NoSpeech: true, Transcript: "a", Summary: "b", RecordingURL: "c", CostUSD: 1, Raw: json.RawMessage(`1`),
			},
		},
		{
			"the id and the key stay",
			provider.Call{ID: "1", Key: "t/1"}, provider.Call{ID: "2", Key: "t/2"}, provider.Call{ID: "1", Key: "t/1"},
		},
		{
			"the status goes forward",
			provider.Call{Status: provider.StatusQueued}, provider.Call{Status: provider.StatusInProgress}, provider.Call{Status: provider.StatusInProgress},
		},
		{
			"the status never goes back",
			provider.Call{Status: provider.StatusInProgress}, provider.Call{Status: provider.StatusRinging}, provider.Call{Status: provider.StatusInProgress},
		},
		{
			"an unknown status is none",
			provider.Call{Status: provider.StatusQueued}, provider.Call{Status: "forwarding"}, provider.Call{Status: provider.StatusQueued},
		},
		{
			"ended is sticky",
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeBusy, Reason: "busy", EndedAt: noon},
			provider.Call{Status: provider.StatusInProgress},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeBusy, Reason: "busy", EndedAt: noon},
		},
		{
			"the first outcome stands, with its reason",
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeBusy, Reason: "busy"},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer, Reason: "timeout"},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeBusy, Reason: "busy"},
		},
		{
			"an unknown outcome gives way",
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeUnknown, Reason: "pipeline-error-17"},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer, Reason: "timeout"},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer, Reason: "timeout"},
		},
		{
			"a known outcome does not give way to unknown",
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye"},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeUnknown, Reason: "?"},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye"},
		},
		{
			"answered is sticky, and its first time stays",
			provider.Call{AnsweredAt: noon}, provider.Call{AnsweredAt: later}, provider.Call{AnsweredAt: noon},
		},
		{
			"an answer may become known after the end",
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, EndedAt: later},
			provider.Call{AnsweredAt: noon},
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, EndedAt: later, AnsweredAt: noon},
		},
		{"silence once certain is certain", provider.Call{NoSpeech: true}, provider.Call{}, provider.Call{NoSpeech: true}},
		{
			"what comes late enriches an ended call",
			provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, CostUSD: 0.1, Summary: "short"},
			provider.Call{Transcript: "t", Summary: "long", RecordingURL: "u", CostUSD: 0.2, Raw: json.RawMessage(`{}`)},
			provider.Call{
				Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted,
				Transcript: "t", Summary: "long", RecordingURL: "u", CostUSD: 0.2, Raw: json.RawMessage(`{}`),
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.call
			assert.Equal(t, tt.want, tt.call.Merge(tt.with))
			assert.Equal(t, before, tt.call, "the receiver is a value")
			assert.Equal(t, tt.want, tt.want.Merge(tt.with), "the same snapshot again changes nothing")
		})
	}
}

// TestMergeReason: the reason that is kept belongs to the outcome that is kept.
func TestMergeReason(t *testing.T) {
	silent := provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted}
	m := silent.Merge(provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer, Reason: "customer-did-not-answer"})
	assert.Equal(t, provider.OutcomeCompleted, m.Outcome)
	assert.Empty(t, m.Reason)
}

// TestMergeInAnyOrder: webhooks and polls come late, twice and out of order. All
// orders of the snapshots of one call end in the same status, outcome and answer.
func TestMergeInAnyOrder(t *testing.T) {
	life := []provider.Call{
		{ID: "1", Key: "t/1", Status: provider.StatusQueued, CreatedAt: noon},
		{ID: "1", Status: provider.StatusRinging, From: "+12025550100"},
		{ID: "1", Status: provider.StatusInProgress, AnsweredAt: noon.Add(time.Second)},
		{ID: "1", Status: provider.StatusEnded, Outcome: provider.OutcomeUnknown, Reason: "a-new-reason"},
		{ID: "1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", EndedAt: noon.Add(time.Minute)},
		{Key: "t/1", Transcript: "hello", CostUSD: 0.2, NoSpeech: true},
		{},
	}
	want := provider.Call{
		ID: "1", Key: "t/1", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "bye", From: "+12025550100",
		CreatedAt: noon, AnsweredAt: noon.Add(time.Second), EndedAt: noon.Add(time.Minute),
		NoSpeech: true, Transcript: "hello", CostUSD: 0.2,
	}
	orders := 0
	permute(life, func(order []provider.Call) {
		orders++
		var c provider.Call
		for _, s := range order {
			next := c.Merge(s)
			if c.Status == provider.StatusEnded {
				require.Equal(t, provider.StatusEnded, next.Status)
			}
			if !c.AnsweredAt.IsZero() {
				require.Equal(t, c.AnsweredAt, next.AnsweredAt)
			}
			if c.Outcome != "" && c.Outcome != provider.OutcomeUnknown {
				require.Equal(t, c.Outcome, next.Outcome)
			}
			c = next
		}
		require.Equal(t, want, c, "%+v", order)
		again := order[rand.IntN(len(order))]
		require.Equal(t, want, c.Merge(again), "again: %+v", again)
	})
	assert.Equal(t, 5040, orders)
}

func permute(s []provider.Call, f func([]provider.Call)) {
	var from func(i int)
	from = func(i int) {
		if i == len(s) {
			f(s)
			return
		}
		for j := i; j < len(s); j++ {
			s[i], s[j] = s[j], s[i]
			from(i + 1)
			s[i], s[j] = s[j], s[i]
		}
	}
	from(0)
}

func TestCallJSON(t *testing.T) {
	b, err := json.Marshal(provider.Call{})
	require.NoError(t, err)
	assert.JSONEq(t, `{}`, string(b), "a zero field is not known")

	c := provider.Call{
		ID: "1", Key: "t/1", Status: provider.StatusEnded, Outcome: provider.OutcomeNoAnswer, Reason: "r",
		CreatedAt: noon, EndedAt: noon.Add(time.Second), NoSpeech: true, Raw: json.RawMessage(`{"secret":1}`),
	}
	b, err = json.Marshal(c)
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"1","key":"t/1","status":"ended","outcome":"no_answer","reason":"r",
		"created_at":"2026-01-07T12:00:00Z","ended_at":"2026-01-07T12:00:01Z","no_speech":true}`, string(b), "Raw stays out of history")
	var back provider.Call
	require.NoError(t, json.Unmarshal(b, &back))
	c.Raw = nil
	assert.Equal(t, c, back)

	b, err = json.Marshal(provider.Request{Key: "t/1", OnPlaced: func(provider.Call) error { return nil }})
	require.NoError(t, err, "OnPlaced is no data")
	assert.NotContains(t, string(b), "OnPlaced")
}
