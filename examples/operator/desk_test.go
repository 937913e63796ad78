package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

var sent = time.Date(2026, 1, 7, 10, 0, 12, 0, time.UTC)

const number = "+14155550188"

// newDesk is a desk over rows in memory; nothing dials.
func newDesk(t *testing.T) (desk, *store.Memory, *bytes.Buffer) {
	t.Helper()
	rows, out := store.NewMemory(), &bytes.Buffer{}
	registry, err := provider.NewRegistry(providertest.NewFake("vapi"))
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := voicetask.NewDirect(voicetask.Config{Store: rows, Providers: registry, AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	return desk{tasks: tasks, rows: rows, out: out}, rows, out
}

// lose makes a task whose dial's reply was lost, in a status.
func lose(t *testing.T, rows *store.Memory, id string, status store.Status, outcome provider.Outcome) {
	t.Helper()
	raw, err := voicetask.Task{ID: id, AgentID: "a", Data: voicetask.Data{ContactNumber: number, ContactName: "Ada Example"}}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	r, err := rows.Create(t.Context(), store.Record{ID: id, Status: store.StatusPending, AgentID: "a", To: number, Task: raw})
	if err != nil {
		t.Fatal(err)
	}
	r.Status, r.Outcome, r.Reason = status, outcome, "unknown: asked for "+number
	r.Attempts = []store.Attempt{{N: 1, Key: id + "/1", Provider: "vapi", State: store.AttemptUnknown, Outcome: provider.OutcomeUnknown,
		Kind: provider.KindOutcomeUnknown, Sends: 1, SentAt: sent, Reason: "called " + number}}
	if _, err := rows.Update(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, d desk, args ...string) {
	t.Helper()
	if err := d.do(t.Context(), args); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// What is unknown is found whatever became of its task, page by page, and no number shows.
func TestUnknown(t *testing.T) {
	d, rows, out := newDesk(t)
	do(t, d, "unknown")
	if got := out.String(); got != "no dial is unknown\n" {
		t.Errorf("got %q", got)
	}
	for i, s := range []store.Status{store.StatusFailed, store.StatusCancelled, store.StatusProcessing, store.StatusInProgress, store.StatusHold} {
		lose(t, rows, fmt.Sprint("lost", i), s, provider.OutcomeUnknown)
	}
	for i := range page + 1 {
		lose(t, rows, fmt.Sprintf("more%03d", i), store.StatusFailed, provider.OutcomeUnknown)
	}
	out.Reset()
	do(t, d, "unknown")
	got := out.String()
	if lines := strings.Count(got, "\n"); lines != 1+5+page+1 {
		t.Errorf("got %d lines", lines)
	}
	for _, want := range []string{"lost1", "lost1/1", "vapi", "2026-01-07T10:00:12Z", "+1…88", "outcome_unknown"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(got, number) {
		t.Error("the number shows")
	}
}

// The person's word stands, in the row and in the result.
func TestSettle(t *testing.T) {
	d, rows, out := newDesk(t)
	lose(t, rows, "lost", store.StatusFailed, provider.OutcomeUnknown)
	for _, outcome := range []string{"unknown", "rang"} {
		if err := d.do(t.Context(), []string{"settle", "lost/1", outcome}); err == nil {
			t.Errorf("%q is taken for an outcome", outcome)
		}
	}
	out.Reset()
	do(t, d, "settle", "lost/1", "no_answer")
	if got := out.String(); got != "settled: dial lost/1 ended no_answer\n" {
		t.Errorf("got %q", got)
	}
	out.Reset()
	res, err := d.tasks.Wait(t.Context(), "lost")
	if err != nil || res.Outcome != provider.OutcomeNoAnswer {
		t.Errorf("got %v, %v", res, err)
	}
	do(t, d, "unknown")
	if got := out.String(); got != "no dial is unknown\n" {
		t.Errorf("got %q", got)
	}
}

func TestShowHidesTheNumber(t *testing.T) {
	d, rows, out := newDesk(t)
	lose(t, rows, "lost", store.StatusFailed, provider.OutcomeUnknown)
	do(t, d, "show", "lost")
	got := out.String()
	if !strings.Contains(got, "lost/1") || !strings.Contains(got, "+1…88") || strings.Contains(got, number) {
		t.Errorf("got %s", got)
	}
}

// The same task under a new id, once, and never over somebody else's.
func TestAgain(t *testing.T) {
	d, rows, _ := newDesk(t)
	lose(t, rows, "lost", store.StatusFailed, provider.OutcomeUnknown)
	lose(t, rows, "open", store.StatusProcessing, "")
	if _, err := rows.Create(t.Context(), store.Record{ID: "taken", Status: store.StatusPending, To: "+14155550100"}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"lost", "lost"}, {"open", "new"}, {"lost", "taken"}, {"nobody", "new"}} {
		if err := d.do(t.Context(), append([]string{"again"}, args...)); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	for range 2 { // the answer to the first was lost, say
		do(t, d, "again", "lost", "new")
	}
	r, err := rows.Get(t.Context(), "new")
	if err != nil || r.To != number {
		t.Fatalf("got %v, %v", r.To, err)
	}
	if again, err := voicetask.ParseTask(r.Task); err != nil || again.RetryAttempt != 1 || again.Data.ContactName != "Ada Example" {
		t.Errorf("got %v, %v", again, err)
	}
	if r, err := rows.Get(t.Context(), "lost"); err != nil || r.Outcome != provider.OutcomeUnknown {
		t.Errorf("the old one has changed: %v, %v", r.Outcome, err)
	}
	do(t, d, "erase", "lost")
	if err := d.do(context.Background(), []string{"again", "lost", "newer"}); err == nil {
		t.Error("an erased task is submitted again")
	}
}

// Whatever changes something says so in one line, without number, name or reason.
func TestDoneIsSaid(t *testing.T) {
	d, rows, out := newDesk(t)
	lose(t, rows, "lost", store.StatusFailed, provider.OutcomeUnknown)
	for _, c := range [][]string{
		{"again", "lost", "new"}, {"hold", "new", "Ada Example asked us to wait"}, {"resume", "new"}, {"cancel", "new"},
		{"settle", "lost/1", "completed"}, {"erase", "lost"},
	} {
		out.Reset()
		do(t, d, c...)
		got := out.String()
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, c[len(c)-1]) && c[0] != "hold" || !strings.Contains(got, c[1]) {
			t.Errorf("%v: got %q, want one line that names it", c, got)
		}
		if strings.Contains(got, number) || strings.Contains(got, "Ada") || strings.Contains(got, "EXTRA") {
			t.Errorf("%v: got %q", c, got)
		}
	}
	out.Reset()
	if err := d.do(t.Context(), []string{"erase", "nobody"}); err == nil || out.Len() > 0 {
		t.Errorf("got %v, and said %q", err, out.String())
	}
}

func TestUse(t *testing.T) {
	d, _, _ := newDesk(t)
	for _, args := range [][]string{nil, {"ring"}, {"settle", "lost/1"}, {"unknown", "x"}} {
		if err := d.do(t.Context(), args); err == nil || !strings.Contains(err.Error(), "use: operator") {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

// A call that was seen after its task had ended unknown is listed and settled, too.
func TestUnknownThatWasSeen(t *testing.T) {
	d, rows, out := newDesk(t)
	lose(t, rows, "lost", store.StatusFailed, provider.OutcomeUnknown)
	seen := provider.Call{ID: "call-1", Status: provider.StatusInProgress}
	if err := d.tasks.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "lost/1", Call: seen}); err != nil {
		t.Fatal(err)
	}
	do(t, d, "unknown")
	if !strings.Contains(out.String(), "lost/1") {
		t.Errorf("not listed: %s", out)
	}
	do(t, d, "settle", "lost/1", "no_answer")
	if r, err := rows.Get(t.Context(), "lost"); err != nil || r.Outcome != provider.OutcomeNoAnswer {
		t.Errorf("%v %v", r.Outcome, err)
	}
}
