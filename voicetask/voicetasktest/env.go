// Package voicetasktest runs tasks on Temporal's test environment, with its
// skipping clock: a call of minutes and a redial of hours take milliseconds.
//
// You give a Config, with what you want to see tested in it (gates, hours,
// Prepare, Wrap), and the script of a provider. New registers it all on a fresh
// test environment, Run carries out one task, and you look at the result, at the
// stored row and at what the provider was asked.
//
//	env := voicetasktest.New(t, voicetask.Config{Gates: gates}, providertest.Step{Outcome: provider.OutcomeBusy})
//	res, err := env.Run(voicetasktest.Task("t1"))
//
// Workflow, activities, fence and store are the real ones; scripted is the
// platform, and no Temporal server is involved. What only a server shows (retries
// across processes, retention, heartbeats) is not covered here.
package voicetasktest

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// Start is when the clock of an Env starts, a Wednesday: 2026-01-07 10:00 UTC.
var Start = time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)

// Env is a Temporal test environment with voicetask registered and one clock for
// workflow, activities and fakes. Like the environment within it is for one
// workflow execution.
type Env struct {
	*testsuite.TestWorkflowEnvironment
	// Fake is the provider, when cfg had none.
	Fake *providertest.Fake
	// Store is cfg.Store, else a store.Memory.
	Store store.Store

	t      testing.TB
	client *voicetask.Client
}

// heldUp is for how long a busy machine may hold an activity or a workflow up. The SDK
// allows 3 s to the one and 1 s to the other, and then ends the whole test binary.
const heldUp = 30 * time.Second

// runTimeout is how long a task may take on an environment of New, by its clock.
const runTimeout = 31 * 24 * time.Hour

// New registers cfg on a new environment. Nil Providers: a Fake "vapi" with steps;
// nil Store: a Memory. A task that has not ended after 31 days of the environment's
// clock fails; SetWorkflowRunTimeout gives it longer.
func New(t testing.TB, cfg voicetask.Config, steps ...providertest.Step) *Env {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet()) // the SDK's own tells of every activity
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartTime(Start)
	env.SetTestTimeout(heldUp)
	// What never works, a store that stays down say, would otherwise be tried for ever
	// by a clock that skips.
	env.SetWorkflowRunTimeout(runTimeout)
	return Register(t, env, cfg, steps...)
}

// Register does the same on the host's environment, for workflows that use
// voicetask.ExecuteChild. It sets the environment's worker options. How long an activity
// may take by the real clock is the host's to set: see its SetTestTimeout, 3 s by default.
func Register(t testing.TB, env *testsuite.TestWorkflowEnvironment, cfg voicetask.Config, steps ...providertest.Step) *Env {
	t.Helper()
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: heldUp})
	e := &Env{TestWorkflowEnvironment: env, Store: cfg.Store, t: t}
	if cfg.Now == nil {
		cfg.Now = env.Now
	}
	if cfg.Providers == nil {
		e.Fake = providertest.NewFake("vapi", steps...)
		e.Fake.UseClock(cfg.Now)
		registry, err := provider.NewRegistry(e.Fake)
		if err != nil {
			t.Fatalf("voicetasktest: %v", err)
		}
		cfg.Providers = registry
	} else if len(steps) > 0 {
		t.Fatal("voicetasktest: steps script the Fake, but cfg has Providers of its own: leave one of them out")
	}
	if e.Store == nil {
		memory := store.NewMemory()
		memory.UseClock(cfg.Now)
		e.Store, cfg.Store = memory, memory
	}
	if err := voicetask.RegisterWorker(env, cfg); err != nil {
		t.Fatalf("voicetasktest: %v", err)
	}
	client, err := voicetask.NewClient(testClient{env}, voicetask.ClientConfig{Store: e.Store, Observe: cfg.Observe, Logger: cfg.Logger, Now: cfg.Now})
	if err != nil {
		t.Fatalf("voicetasktest: %v", err)
	}
	e.client = client
	return e
}

func quiet() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// Task returns a valid task, callee in UTC.
func Task(id string) voicetask.Task {
	return voicetask.Task{
		ID: id, AgentID: "agent-1", MessageType: voicetask.MessageTypeOutboundCall, TimeZone: "UTC",
		Data: voicetask.Data{ContactNumber: "+14155550100", ContactName: "Ada Example"},
	}
}

// Run carries out one task, once for an Env: it is submitted as a host's service
// would, and run to its end. Cancel it on the way with
// env.RegisterDelayedCallback(env.CancelWorkflow, 5*time.Second). The result is the
// stored one, which has all that came late. The error
// is Submit's or the workflow's.
func (e *Env) Run(task voicetask.Task) (voicetask.Result, error) {
	e.t.Helper()
	ctx := context.Background()
	if err := e.client.Submit(ctx, task); err != nil {
		return voicetask.Result{}, err
	}
	if !e.IsWorkflowCompleted() {
		e.t.Fatal("voicetasktest: the workflow did not run to its end")
	}
	var res voicetask.Result
	err := e.GetWorkflowError()
	if err == nil {
		err = e.GetWorkflowResult(&res)
	}
	if rec, storeErr := e.Store.Get(ctx, task.ID); storeErr == nil && rec.Status.Terminal() && len(rec.Result) > 0 {
		var stored voicetask.Result
		if json.Unmarshal(rec.Result, &stored) == nil {
			res = stored
		}
	}
	return res, err
}

// DeliverAfter delivers make's event, as the host's webhook handler would, once d
// of workflow time has passed. An event never delivered is a lost webhook. Call it
// before Run.
func (e *Env) DeliverAfter(d time.Duration, make func() provider.Event) {
	e.RegisterDelayedCallback(func() {
		if err := e.client.Deliver(context.Background(), make()); err != nil {
			e.t.Errorf("voicetasktest: an event was not delivered: %v", err)
		}
	}, d)
}

// Replay replays the histories (JSON, from the CLI or the UI) against the current
// code and register's workflows; nil register means voicetask's own only.
func Replay(t testing.TB, register func(voicetask.WorkflowRegistrar), files ...string) {
	t.Helper()
	if len(files) == 0 {
		t.Fatal("voicetasktest: Replay: no history files")
	}
	// The SDK takes a machine that stands still for a second for a deadlock. A real one
	// shows by the test's own time limit, with all goroutines.
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	if err != nil {
		t.Fatalf("voicetasktest: Replay: %v", err)
	}
	voicetask.RegisterWorkflows(replayer)
	if register != nil {
		register(replayer)
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("voicetasktest: a history cannot be read: %v", err)
			continue
		}
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
			t.Errorf("voicetasktest: %s does not replay: a change to the workflow needs workflow.GetVersion: %v", file, err)
		}
	}
}
