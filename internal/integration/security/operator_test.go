package security

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/superservices/voice/internal/integration/devserver"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// quickFake gives a lost call up sooner than real platforms may be.
type quickFake struct{ *providertest.Fake }

func (quickFake) Traits() provider.Traits {
	return provider.Traits{Events: true, VisibilityLag: 100 * time.Millisecond}
}

// operator is the example command, run as a person on duty runs it: a process of its own.
type operator struct {
	t    *testing.T
	path string
	rows string
}

func newOperator(t *testing.T, rows string) operator {
	t.Helper()
	root, err := devserver.Root()
	require.NoError(t, err)
	o := operator{t, filepath.Join(t.TempDir(), "operator"), rows}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", o.path, "./operator")
	build.Dir = filepath.Join(root, "examples")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return o
}

func (o operator) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.path, args...)
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+server.FrontendHostPort(), "TEMPORAL_NAMESPACE=default", "VOICE_DATABASE="+o.rows, "VOICE_TASK_QUEUE=operator", "VOICE_PAYLOAD_KEY=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (o operator) must(args ...string) string {
	o.t.Helper()
	out, err := o.run(args...)
	require.NoError(o.t, err, "operator %v: %s", args, out)
	return out
}

// TestOperator: a lost reply makes an unknown dial, the person on duty finds it, settles
// it, and calls again under a new id.
func TestOperator(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{LoseReply: true, Hidden: time.Hour}, providertest.Step{Lasts: time.Hour})
	registry, err := provider.NewRegistry(quickFake{fake})
	require.NoError(t, err)
	h := &host{t: t}
	h.openRows()
	c, err := client.Dial(options(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer c.Close()
	w := worker.New(c, "operator", worker.Options{Identity: identity})
	require.NoError(t, voicetask.RegisterWorker(w, voicetask.Config{
		Providers: registry, Store: h.rows, Policy: voicetask.Policy{EventGrace: time.Second, PollInterval: time.Second},
	}))
	require.NoError(t, w.Start())
	defer w.Stop()
	tasks, err := voicetask.NewClient(c, voicetask.ClientConfig{TaskQueue: "operator", Store: h.rows})
	require.NoError(t, err)
	o := newOperator(t, h.file)
	require.Contains(t, o.must("unknown"), "no dial is unknown")

	const number, name = "+14155550188", "Ada Canary"
	require.NoError(t, tasks.Submit(t.Context(), voicetask.Task{ID: "lost", AgentID: "a1", Instructions: "hello", Data: voicetask.Data{ContactNumber: number, ContactName: name}}))
	res, err := tasks.Wait(t.Context(), "lost")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)

	out := o.must("unknown")
	require.Regexp(t, `lost +lost/1 +vapi +20\d\d-.*Z +\+1…88`, out)
	shown := o.must("show", "lost")
	require.Contains(t, shown, "failed unknown, followed: false")
	for _, private := range []string{number, number[1:], name} {
		require.NotContains(t, out+shown, private)
	}

	for _, wrong := range [][]string{{}, {"dial"}, {"settle", "lost/1"}, {"settle", "lost/1", "maybe"}, {"settle", "lost", "busy"}, {"again", "nobody", "new"}, {"again", "lost", "lost"}, {"show", "nobody"}} {
		out, err := o.run(wrong...)
		require.Error(t, err, "%v: %s", wrong, out)
	}
	o.must("settle", "lost/1", "no_answer")
	r, err := h.rows.Get(t.Context(), "lost")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeNoAnswer, r.Outcome)
	res, err = tasks.Wait(t.Context(), "lost")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeNoAnswer, res.Outcome, "the row's word is the result")
	require.Contains(t, o.must("unknown"), "no dial is unknown")

	o.must("again", "lost", "lost-again")
	require.Eventually(t, func() bool { return fake.Dials("lost-again/1") == 1 }, 2*time.Minute, 20*time.Millisecond, "the phone rings under the new key")
	require.Equal(t, 1, fake.Dials("lost/1"), "and not again under the old one")
	require.Equal(t, number, fake.Requests()[1].To)
	require.Equal(t, "hello", fake.Requests()[1].Instructions)
	require.NoError(t, h.until(t.Context(), "lost-again", func(r store.Record) bool { return r.Status == store.StatusInProgress }))
	require.Contains(t, o.must("show", "lost-again"), "followed: true")

	out, err = o.run("erase", "lost-again")
	require.Error(t, err, "it is open: %s", out)
	o.must("cancel", "lost-again")
	res, err = tasks.Wait(t.Context(), "lost-again")
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCancelled, res.Outcome)

	require.NoError(t, tasks.Submit(t.Context(), voicetask.Task{ID: "later", AgentID: "a1", NotBefore: time.Now().Add(time.Hour), Data: voicetask.Data{ContactNumber: number}}))
	o.must("hold", "later", "she is on holiday")
	require.Contains(t, o.must("show", "later"), "hold")
	o.must("resume", "later")
	r, err = h.rows.Get(t.Context(), "later")
	require.NoError(t, err)
	require.NotEqual(t, store.StatusHold, r.Status)
	o.must("cancel", "later")

	for _, id := range []string{"lost", "lost-again"} {
		o.must("erase", id)
		r, err = h.rows.Get(t.Context(), id)
		require.NoError(t, err)
		require.Empty(t, r.To+string(r.Task))
		require.NotContains(t, strings.ToLower(string(r.Result)), "canary")
	}
	out, err = o.run("again", "lost", "once-more")
	require.Error(t, err)
	require.Contains(t, out, "erased")
}
