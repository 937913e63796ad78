package voicetask_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestProviderChoice in the order of the contract, with the host's word first.
func TestProviderChoice(t *testing.T) {
	byHost := func(name string) func(context.Context, voicetask.Task) (string, error) {
		return func(context.Context, voicetask.Task) (string, error) { return name, nil }
	}
	for name, c := range map[string]struct {
		cfg  voicetask.Config
		data voicetask.Data
		want string
	}{
		"a number":                  {voicetask.Config{}, voicetask.Data{ContactNumber: "+1"}, "vapi"},
		"a room":                    {voicetask.Config{}, voicetask.Data{ContactNumber: "+1", Room: "r"}, "livekit"},
		"the default before a room": {voicetask.Config{DefaultProvider: "own"}, voicetask.Data{Room: "r"}, "own"},
		"high quality before it":    {voicetask.Config{DefaultProvider: "own"}, voicetask.Data{Room: "r", Quality: "high"}, "vapi"},
		"the task's before all":     {voicetask.Config{DefaultProvider: "own"}, voicetask.Data{Quality: "high", Provider: "livekit"}, "livekit"},
		"the host's before that":    {voicetask.Config{ProviderFor: byHost("own")}, voicetask.Data{Provider: "livekit"}, "own"},
		"the host has no opinion":   {voicetask.Config{ProviderFor: byHost("")}, voicetask.Data{Provider: "livekit"}, "livekit"},
	} {
		t.Run(name, func(t *testing.T) {
			fakes := map[string]*providertest.Fake{}
			var ps []provider.Provider
			for _, name := range []string{"vapi", "livekit", "own"} {
				fakes[name] = providertest.NewFake(name)
				ps = append(ps, fakes[name])
			}
			c.cfg.Providers = registry(t, ps...)
			w := newWorld(t, c.cfg)
			for _, f := range fakes {
				f.UseClock(w.Now)
			}
			in := task()
			in.Data = c.data
			res := w.run(in)
			require.Equal(t, provider.OutcomeCompleted, res.Outcome)
			require.Equal(t, c.want, res.Data.Provider)
			require.Equal(t, c.want, w.row().Attempts[0].Provider)
			require.Equal(t, 1, fakes[c.want].Dials())
		})
	}
}

// TestNoProviderFits is the one error of the workflow: its type is the contract's,
// it is not retried, and the row says failed.
func TestNoProviderFits(t *testing.T) {
	for name, change := range map[string]func(t *voicetask.Task){
		"an unknown one":  func(t *voicetask.Task) { t.Data.Provider = "twilio" },
		"a room":          func(t *voicetask.Task) { t.Data.Room = "r1" },
		"nothing to ring": func(t *voicetask.Task) { t.Data.ContactNumber = "" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, voicetask.Config{})
			in := task()
			change(&in)
			_, err := w.Run(in)
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			require.Equal(t, "ValueError", application.Type())
			require.True(t, application.NonRetryable())
			require.ErrorContains(t, err, "registered: vapi")
			require.Equal(t, start, w.Now().UTC(), "never retried")

			row := w.row()
			require.Equal(t, store.StatusFailed, row.Status)
			require.Equal(t, provider.OutcomeConfigError, row.Outcome)
			require.Equal(t, "selection", rule(row.Reason))
			res := storedResult(t, row)
			require.Equal(t, store.StatusFailed, res.Status)
			require.Contains(t, res.Data.Error, "no provider fits")
			require.Empty(t, w.fake.Requests())
		})
	}
}

// TestSelectionErrorOfTheHostsOwn: ProviderFor may wrap ErrNoProvider.
func TestSelectionErrorOfTheHostsOwn(t *testing.T) {
	w := newWorld(t, voicetask.Config{ProviderFor: func(context.Context, voicetask.Task) (string, error) {
		return "", provider.ErrNoProvider
	}})
	_, err := w.Run(task())
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, voicetask.ErrTypeSelection, application.Type())
}

// TestPrepareHasTheLastWord on everything but the key.
func TestPrepareHasTheLastWord(t *testing.T) {
	w := newWorld(t, voicetask.Config{Prepare: func(_ context.Context, task voicetask.Task, req *provider.Request) error {
		req.AgentID, req.From, req.To, req.Room = "platform-"+task.AgentID, "+1555", "+1666", "room-9"
		req.Instructions, req.RingTimeout, req.ModelConfig = "be brief", time.Second, json.RawMessage(`{"x":1}`)
		req.Key, req.TaskID = "other/7", "other"
		return nil
	}})
	w.run(task())
	req := w.fake.Requests()[0]
	require.Equal(t, "t1/1", req.Key)
	require.Equal(t, "t1", req.TaskID)
	require.Equal(t, "platform-agent-1", req.AgentID)
	require.Equal(t, "+1555", req.From)
	require.Equal(t, "+1666", req.To)
	require.Equal(t, "room-9", req.Room)
	require.Equal(t, "be brief", req.Instructions)
	require.Equal(t, time.Second, req.RingTimeout)
	require.JSONEq(t, `{"x":1}`, string(req.ModelConfig))
}

// TestPolicyForTheTask.
func TestPolicyForTheTask(t *testing.T) {
	w := newWorld(t, voicetask.Config{
		Policy: voicetask.Policy{MaxCallDuration: time.Hour},
		PolicyFor: func(_ context.Context, task voicetask.Task) (voicetask.Policy, error) {
			return voicetask.Policy{MaxCallDuration: 40 * time.Second, RingTimeout: 7 * time.Second}, nil
		},
	}, providertest.Step{Lasts: time.Hour})
	res := w.run(task())
	require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	require.Equal(t, 40*time.Second, since(res.Data.EndTime))
	require.Equal(t, 7*time.Second, w.fake.Requests()[0].RingTimeout)
	require.Equal(t, 40*time.Second, w.fake.Requests()[0].MaxDuration)
}

// TestTheTasksInstructionsAndModelReachThePlatform.
func TestTheTasksInstructionsAndModelReachThePlatform(t *testing.T) {
	w := newWorld(t, voicetask.Config{})
	in := task()
	in.Instructions, in.ModelConfig = "be kind", json.RawMessage(`{"model":"m"}`)
	in.Data.Extra = raws("token", `"secret"`, "n", `1e999`)
	w.run(in)
	req := w.fake.Requests()[0]
	require.Equal(t, "be kind", req.Instructions)
	require.JSONEq(t, `{"model":"m"}`, string(req.ModelConfig))
	require.Equal(t, `{"contact_number":"+14155550100","contact_name":"Ada Example","n":1e999,"token":"secret"}`, string(req.Data))
}
