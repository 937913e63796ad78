package security

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/examples/codec"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// keys of 32 bytes in base64.
const (
	oldKey = "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28="
	newKey = "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="
)

func coded(t *testing.T, keys string) client.Client {
	t.Helper()
	o := options(slog.New(slog.DiscardHandler))
	require.NoError(t, codec.Configure(&o, func(string) string { return keys }))
	c, err := client.Dial(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// reminder is a host's own workflow with a task as its child.
func reminder(ctx workflow.Context, t voicetask.Task) (voicetask.Result, error) {
	var res voicetask.Result
	err := voicetask.ExecuteChild(ctx, t).Get(ctx, &res)
	return res, err
}

// TestCodecEverywhere: worker, client, signals, queries, child workflows, results, errors
// and replay, and a change of keys in the middle of a call.
func TestCodecEverywhere(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour})
	h := &host{t: t}
	h.openRows()
	const queue = "codec"
	work := func(keys string) worker.Worker {
		w := worker.New(coded(t, keys), queue, worker.Options{Identity: identity, WorkerStopTimeout: time.Second})
		require.NoError(t, voicetask.RegisterWorker(w, voicetask.Config{
			Providers: registryOf(t, fake), Store: h.rows, Policy: voicetask.Policy{EventGrace: time.Hour, PollInterval: time.Second},
		}))
		w.RegisterWorkflow(reminder)
		require.NoError(t, w.Start())
		return w
	}
	first := work(oldKey)
	before := coded(t, oldKey)
	tasks, err := voicetask.NewClient(before, voicetask.ClientConfig{TaskQueue: queue, Store: h.rows})
	require.NoError(t, err)
	task := func(id string) voicetask.Task {
		return voicetask.Task{ID: id, AgentID: "a", Data: voicetask.Data{ContactNumber: "+14155550100", ContactName: "Ada"}}
	}
	up := func(id string) {
		t.Helper()
		require.NoError(t, h.until(t.Context(), id, func(r store.Record) bool { return r.Status == store.StatusInProgress }))
	}
	for _, id := range []string{"evented", "cancelled"} {
		require.NoError(t, tasks.Submit(t.Context(), task(id)))
		up(id)
	}
	parent, err := before.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, reminder, task("child"))
	require.NoError(t, err)
	up("child")
	require.Eventually(t, func() bool { // by the workflow's own answer, which shows what the row does not
		s, err := tasks.State(t.Context(), "evented")
		return err == nil && s.Status == store.StatusInProgress && !s.Until.IsZero() && s.Dial == 1
	}, time.Minute, 20*time.Millisecond)

	first.Stop() // the second step of a change of keys, with calls up
	second := work(newKey + "," + oldKey)
	defer second.Stop()
	after, err := voicetask.NewClient(coded(t, newKey+","+oldKey), voicetask.ClientConfig{TaskQueue: queue, Store: h.rows})
	require.NoError(t, err)
	for _, id := range []string{"evented", "child"} {
		e := fake.Event(id + "/1")
		e.Call.Status, e.Call.Outcome, e.Call.EndedAt, e.Call.CostUSD = provider.StatusEnded, provider.OutcomeCompleted, time.Now(), 0.1
		e.Call.AnsweredAt, e.Call.Transcript = time.Now().Add(-time.Second), "hello"
		require.NoError(t, after.Deliver(t.Context(), e))
	}
	require.NoError(t, after.Hold(t.Context(), "cancelled", "why"))
	require.NoError(t, after.Cancel(t.Context(), "cancelled"))
	for id, want := range map[string]provider.Outcome{"evented": provider.OutcomeCompleted, "cancelled": provider.OutcomeCancelled} {
		res, err := after.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, res.Outcome)
	}
	var res voicetask.Result
	require.NoError(t, coded(t, newKey+","+oldKey).GetWorkflow(t.Context(), parent.GetID(), "").Get(t.Context(), &res))
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	bad := task("nobody")
	bad.Data.Provider = "nobody"
	require.NoError(t, after.Submit(t.Context(), bad))
	res, err = after.Wait(t.Context(), "nobody")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeConfigError, res.Outcome)
	err = coded(t, newKey+","+oldKey).GetWorkflow(t.Context(), voicetask.WorkflowID("nobody"), "").Get(t.Context(), nil)
	require.ErrorContains(t, err, "is not registered", "the text of an error is decrypted for its host")

	dc, err := codec.NewDataConverter([]byte(strings.Repeat("n", 32)), keyID(t, newKey), codec.Key{ID: keyID(t, oldKey), Secret: []byte(strings.Repeat("o", 32))})
	require.NoError(t, err)
	for _, id := range []string{"evented", "cancelled", "child", "nobody"} {
		h.replays(before, voicetask.WorkflowID(id), dc)
	}
}

// keyID is what codec.Configure calls a key: it is on each payload.
func keyID(t *testing.T, key string) string {
	t.Helper()
	var o client.Options
	require.NoError(t, codec.Configure(&o, func(string) string { return key }))
	p, err := o.DataConverter.ToPayload("x")
	require.NoError(t, err)
	return string(p.GetMetadata()[codec.MetadataKeyID])
}

// replays sees that a history with encrypted payloads replays, and that it is encrypted.
func (h *host) replays(c client.Client, workflowID string, dc converter.DataConverter) {
	h.t.Helper()
	all := &historypb.History{}
	for events := c.GetWorkflowHistory(h.t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		require.NoError(h.t, err)
		all.Events = append(all.Events, e)
	}
	require.Equal(h.t, codec.Encoding, string(all.Events[0].GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()[0].GetMetadata()["encoding"]))
	require.NotContains(h.t, all.String(), "+14155550100")
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DataConverter: dc})
	require.NoError(h.t, err)
	voicetask.RegisterWorkflows(replayer)
	require.NoError(h.t, replayer.ReplayWorkflowHistory(nil, all))
}

// TestCodecInTheTestKit: a host's unit tests may run on its own data converter.
func TestCodecInTheTestKit(t *testing.T) {
	dc, err := codec.NewDataConverter([]byte(strings.Repeat("k", 32)), "k1")
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetDataConverter(dc)
	env.SetStartTime(voicetasktest.Start)
	kit := voicetasktest.Register(t, env, voicetask.Config{Policy: voicetask.Policy{EventGrace: 5 * time.Minute}}, providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	kit.DeliverAfter(time.Minute, func() provider.Event { return kit.Fake.Event("t1/1") })
	kit.DeliverAfter(3*time.Minute, func() provider.Event { return kit.Fake.Event("t1/2") })
	res, err := kit.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2, res.Dials)
}
