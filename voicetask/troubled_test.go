package voicetask_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// storeDown makes every operation of the store fail between two moments.
func (w *world) storeDown(s *faultyStore, from, to time.Duration) {
	w.after(from, func() { s.refuse(func(string, store.Record) error { return errStoreDown }) })
	w.after(to, func() { s.refuse(nil) })
}

// TestCancelHangsUpWithoutTheStore: a person who cancels does not wait for a database.
func TestCancelHangsUpWithoutTheStore(t *testing.T) {
	p := fakeHook(providertest.Step{Lasts: time.Hour})
	s := newFaultyStore()
	w := newWorldOn(t, voicetask.Config{Store: s}, p.Fake, p)
	var hungUp time.Duration
	p.end = func(ctx context.Context, id provider.CallID) error {
		if hungUp == 0 {
			hungUp = since(w.Now())
		}
		return p.Fake.End(ctx, id)
	}
	w.storeDown(s, 10*time.Second, 50*time.Minute)
	w.after(time.Minute, w.CancelWorkflow)
	require.Equal(t, provider.OutcomeCancelled, w.run(task()).Outcome)
	require.Less(t, hungUp, 2*time.Minute)
	require.NotZero(t, hungUp)
}

// TestPollsGoOnWithoutTheStore: the true end of a call is found though no row can be
// read, and recorded when one can.
func TestPollsGoOnWithoutTheStore(t *testing.T) {
	p := fakeHook(providertest.Step{Outcome: provider.OutcomeVoicemail, Lasts: 5 * time.Minute})
	s := newFaultyStore()
	w := newWorldOn(t, voicetask.Config{Store: s, Policy: voicetask.Policy{MaxCallDuration: 10 * time.Minute}}, p.Fake, p)
	w.storeDown(s, 10*time.Second, 50*time.Minute)
	require.Equal(t, provider.OutcomeVoicemail, w.run(task()).Outcome)
	require.Equal(t, provider.OutcomeVoicemail, w.row().Outcome)
	require.Empty(t, p.hungUp())
}

// TestEventWithoutAnID: the call of a lost reply that was told of by its key only is
// looked for and followed.
func TestEventWithoutAnID(t *testing.T) {
	p := fakeHook(providertest.Step{LoseReply: true, Hidden: 10 * time.Second, Lasts: 3 * time.Minute})
	w := newWorldOn(t, voicetask.Config{}, p.Fake, p)
	w.after(5*time.Second, func() {
		w.must(w.client.Deliver(context.Background(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{Status: provider.StatusRinging}}))
	})
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Equal(t, provider.CallID("call-1"), w.row().Attempts[0].CallID)
	require.Equal(t, 1, p.Dials())
}

// TestOversizedChildEndsClearly: no row can hold it, so nothing is retried for ever.
func TestOversizedChildEndsClearly(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	require.NoError(t, in.Data.Set("blob", strings.Repeat("x", 1600<<10)))
	res := w.runAlone(t, in)
	require.Equal(t, provider.OutcomeConfigError, res.Outcome)
	require.Equal(t, voicetask.RuleInvalid, rule(res.Reason))
	require.Equal(t, store.StatusFailed, w.row().Status)
	require.Zero(t, w.fake.Dials())
}

// TestUnknownFieldsReachTheProviderAsSubmitted, byte for byte.
func TestUnknownFieldsReachTheProviderAsSubmitted(t *testing.T) {
	const raw = `{"task_id":"t1","agent_id":"a","time_zone":"UTC","data":{"contact_number":"+14155550100","context":{"html" : "<b>&"},"big":12345678901234567890}}`
	in, err := voicetask.ParseTask([]byte(raw))
	require.NoError(t, err)
	w := newWorld(t, voicetask.Config{})
	require.Equal(t, provider.OutcomeCompleted, w.run(in).Outcome)
	require.Contains(t, string(w.fake.Requests()[0].Data), `{"html" : "<b>&"}`)
	require.Contains(t, string(w.fake.Requests()[0].Data), `12345678901234567890`)
}

// TestClientTakesBackWhatADirectLeft: the workflow had ended because a Direct had the
// task; that Direct is gone.
func TestClientTakesBackWhatADirectLeft(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:dead", start.Add(-time.Hour) })
	d.temporal.startErrs = []error{serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", "")}
	d.temporal.status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	d.temporal.result = voicetask.Result{TaskID: "t1", Reason: voicetask.RuleOtherEngine + ": carried out by direct"}
	require.NoError(t, d.Submit(t.Context(), task()))
	require.Len(t, d.temporal.started, 2)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, d.temporal.started[1].WorkflowIDReusePolicy)
}

// TestClientKnowsThatADirectFollows.
func TestClientKnowsThatADirectFollows(t *testing.T) {
	for lease, want := range map[time.Duration]bool{time.Minute: true, -time.Minute: false} {
		d := newDesk(t)
		seed(t, d.store, func(r *store.Record) { r.Owner, r.LeaseUntil = "direct:x", start.Add(lease) })
		d.temporal.describeErr = errGone
		running, err := d.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.Equal(t, want, running)
	}
}

// TestClientTellsADirect: what it writes into a Direct's row is due at once.
func TestClientTellsADirect(t *testing.T) {
	d := newDesk(t)
	seed(t, d.store, func(r *store.Record) {
		r.Owner, r.LeaseUntil, r.DueAt, r.Status = "direct:x", start.Add(time.Hour), start.Add(time.Hour), store.StatusInProgress
		r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.CallID = "call-1" })}
	})
	require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-1", Status: provider.StatusInProgress, AnsweredAt: start}}))
	require.True(t, d.row(t).DueAt.Equal(start))
	_, err := store.Modify(t.Context(), d.store, "t1", func(r *store.Record) error { r.DueAt = start.Add(time.Hour); return nil })
	require.NoError(t, err)
	require.NoError(t, d.Cancel(t.Context(), "t1"))
	require.True(t, d.row(t).DueAt.Equal(start))
}

// TestDirectIsNotStarvedByTheOtherEngine: a backlog of due rows that are Temporal's does
// not hide a Direct's own.
func TestDirectIsNotStarvedByTheOtherEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := stillOffice(t, voicetask.Config{}, p)
		for i := range 1000 {
			seed(t, o.store, func(r *store.Record) { r.ID, r.DueAt = fmt.Sprintf("temporal-%04d", i), start.Add(-time.Hour) })
		}
		require.NoError(t, o.Submit(t.Context(), task()))
		o.run()
		defer o.close()
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, p.Dials())
	})
}
