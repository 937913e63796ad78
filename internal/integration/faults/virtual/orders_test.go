package virtual

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// nobody is a Temporal server that knows no workflow: the events' row is all there is.
type nobody struct{ voicetask.TemporalClient }

func (nobody) SignalWorkflow(context.Context, string, string, string, any) error {
	return serviceerror.NewNotFound("workflow not found")
}

// events are those of one call that was answered, with what came in each.
func events(began time.Time) []provider.Event {
	answered, ended := began.Add(5*time.Second), began.Add(65*time.Second)
	at := func(c provider.Call) provider.Event {
		c.ID, c.Key, c.CreatedAt = "call-1", "t1/1", began
		return provider.Event{Provider: "vapi", Key: c.Key, Call: c, At: began}
	}
	return []provider.Event{
		at(provider.Call{Status: provider.StatusQueued}),
		at(provider.Call{Status: provider.StatusRinging}),
		at(provider.Call{Status: provider.StatusInProgress, AnsweredAt: answered}),
		at(provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "customer-ended-call", EndedAt: ended}),
		at(provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "customer-ended-call", AnsweredAt: answered,
			EndedAt: ended, Transcript: "Hello", Summary: "They said hello.", CostUSD: 0.1}),
		at(provider.Call{Status: provider.StatusInProgress, AnsweredAt: answered}), // another platform's second word
	}
}

// TestCell14 delivers the events of a call in every order, each order with every set of
// them doubled, into a row whose dial is being sent: they came before Place returned.
func TestCell14(t *testing.T) {
	began := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	all := events(began)
	tried := 0
	permutations(len(all), func(order []int) {
		for doubled := range 1 << len(all) {
			tried++
			row := deliver(t, began, all, order, doubled)
			a := row.Attempts[0]
			var draft voicetask.Result
			if err := json.Unmarshal(row.Result, &draft); err != nil {
				t.Fatalf("order %v, doubled %06b: the draft: %v", order, doubled, err)
			}
			if a.State != store.AttemptEnded || a.Outcome != provider.OutcomeCompleted || a.AnsweredAt.IsZero() || a.CallID != "call-1" ||
				len(a.OtherCallIDs) > 0 || a.CostUSD != 0.1 || draft.Data.Transcript != "Hello" {
				t.Fatalf("order %v, doubled %06b: %+v, transcript %q", order, doubled, a, draft.Data.Transcript)
			}
		}
	})
	if tried != 720*64 {
		t.Errorf("%d sequences", tried)
	}
}

func deliver(t *testing.T, began time.Time, all []provider.Event, order []int, doubled int) store.Record {
	t.Helper()
	rows := store.NewMemory()
	_, err := rows.Create(t.Context(), store.Record{
		ID: "t1", Status: store.StatusProcessing, Owner: "temporal", Task: json.RawMessage(`{"task_id":"t1","agent_id":"a","data":{}}`),
		Attempts: []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptSending, Token: "x", Sends: 1, SentAt: began}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := voicetask.NewClient(nobody{}, voicetask.ClientConfig{Store: rows})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range order {
		for range 1 + doubled>>i&1 {
			if err := client.Deliver(t.Context(), all[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	row, err := rows.Get(t.Context(), "t1")
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// permutations calls each with every order of n things.
func permutations(n int, each func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(int)
	permute = func(k int) {
		if k == n {
			each(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			permute(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	permute(0)
}
