package temporal_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/superservices/voice/internal/integration/devserver"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// envRecord, when set, writes the histories of the scenarios beside the workflow,
// where they are replayed on every change.
const envRecord = "RECORD_HISTORIES"

// identity replaces the SDK's own, which names the machine.
const identity = "voice-integration-test"

var server *testsuite.DevServer

func TestMain(m *testing.M) {
	if os.Getenv(envWorker) != "" {
		os.Exit(runWorkerProcess())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if server, err = devserver.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "no real Temporal server, so nothing here can be tested:", err)
		return 1
	}
	defer func() { _ = server.Stop() }()
	// Its own client is not used. The server ends connections that are idle for two minutes, and
	// the client would dial again: a leak to the test that runs just then.
	server.Client().Close()
	fmt.Fprintln(os.Stderr, "real here: Temporal dev server, SQLite, processes. Scripted: the voice platform.")
	code := m.Run()
	return code
}

// rig is one test's host: a store, a provider, a worker and a client.
type rig struct {
	t        *testing.T
	temporal client.Client
	store    *sqlstore.Store
	fake     *providertest.Fake
	client   *voicetask.Client
	worker   worker.Worker
	queue    string
	cfg      voicetask.Config
	// converter is that of the payloads; nil for the SDK's own.
	converter converter.DataConverter
}

// quick is a policy whose waits suit a test.
func quick() voicetask.Policy {
	return voicetask.Policy{
		MaxCallDuration: 20 * time.Second, RingTimeout: 5 * time.Second, PollInterval: time.Second, EventGrace: time.Second,
		Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeProviderFault: {After: []time.Duration{100 * time.Millisecond}}},
	}
}

// patience is how long the tests wait for what has to happen: long, since a busy machine
// is no failure.
const patience = time.Minute

// untilTold makes a workflow wait for events for longer than any test takes, so that none
// ends by a poll before the test has come to its point.
func untilTold(c *voicetask.Config) {
	c.Policy.EventGrace, c.Policy.MaxCallDuration = time.Hour, time.Hour
}

func newRig(t *testing.T, change func(*voicetask.Config), steps ...providertest.Step) *rig {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { nothingRuns(t, leaks) })
	r := &rig{t: t, queue: strings.ReplaceAll(t.Name(), "/", "-"), fake: providertest.NewFake("vapi", steps...)}
	r.store = openStore(t, filepath.Join(t.TempDir(), "voice.db"))
	var err error
	r.temporal, err = client.Dial(clientOptions(server.FrontendHostPort()))
	require.NoError(t, err)
	t.Cleanup(r.temporal.Close)
	registry, err := provider.NewRegistry(r.fake)
	require.NoError(t, err)
	r.cfg = voicetask.Config{Providers: registry, Store: r.store, Policy: quick()}
	if change != nil {
		change(&r.cfg)
	}
	r.client, err = voicetask.NewClient(r.temporal, voicetask.ClientConfig{TaskQueue: r.queue, Store: r.cfg.Store})
	require.NoError(t, err)
	r.worker = r.newWorker()
	require.NoError(t, r.worker.Start())
	t.Cleanup(r.worker.Stop)
	return r
}

func (r *rig) newWorker() worker.Worker {
	r.t.Helper()
	w := worker.New(r.temporal, r.queue, worker.Options{Identity: identity, WorkerStopTimeout: 2 * time.Second})
	require.NoError(r.t, voicetask.RegisterWorker(w, r.cfg))
	return w
}

func clientOptions(address string) client.Options {
	return client.Options{HostPort: address, Identity: identity, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
}

func openStore(t testing.TB, path string) *sqlstore.Store {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	s, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(context.Background()))
	return s
}

func newTask(id string) voicetask.Task {
	return voicetask.Task{ID: id, AgentID: "agent-1", Data: voicetask.Data{ContactNumber: "+14155550100", ContactName: "Ada Example"}}
}

func (r *rig) submit(id string) {
	r.t.Helper()
	require.NoError(r.t, r.client.Submit(r.t.Context(), newTask(id)))
}

func (r *rig) wait(id string) voicetask.Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	res, err := r.client.Wait(ctx, id)
	require.NoError(r.t, err)
	return res
}

// untilRow waits until a task's row is as it should be.
func (r *rig) untilRow(id string, what string, ok func(store.Record) bool) store.Record {
	r.t.Helper()
	var rec store.Record
	require.Eventually(r.t, func() bool {
		var err error
		rec, err = r.cfg.Store.Get(context.Background(), id)
		return err == nil && ok(rec)
	}, patience, 10*time.Millisecond, "task %s: %s", id, what)
	return rec
}

// untilFollowed waits until a task's call is up and its workflow says that it waits for
// the end, which the row does not show.
func (r *rig) untilFollowed(id string) store.Record {
	r.t.Helper()
	rec := r.untilRow(id, "placed", attempt(1, store.AttemptPlaced))
	require.Eventually(r.t, func() bool {
		s, err := r.client.State(context.Background(), id)
		return err == nil && s.Status == store.StatusInProgress && s.Dial == 1 && !s.Until.IsZero()
	}, patience, 10*time.Millisecond, "task %s is not followed", id)
	return rec
}

// nothingRuns waits until the goroutines that the test started have ended: what closes
// takes its time on a busy machine.
func nothingRuns(t *testing.T, leaks goleak.Option) {
	t.Helper()
	err := goleak.Find(leaks)
	for until := time.Now().Add(patience); err != nil && time.Now().Before(until); {
		err = goleak.Find(leaks) // looks again and again for half a second
	}
	require.NoError(t, err)
}

func attempt(n int, state store.AttemptState) func(store.Record) bool {
	return func(rec store.Record) bool { return len(rec.Attempts) >= n && rec.Attempts[n-1].State == state }
}

// history fetches a workflow's history, keeps it for the replay tests when asked
// to, and replays it on the code it came from.
func (r *rig) history(id, runID, name string) *historypb.History {
	r.t.Helper()
	h := &historypb.History{}
	events := r.temporal.GetWorkflowHistory(r.t.Context(), voicetask.WorkflowID(id), runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(r.t, err)
		h.Events = append(h.Events, e)
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DataConverter: r.converter})
	require.NoError(r.t, err)
	voicetask.RegisterWorkflows(replayer)
	require.NoError(r.t, replayer.ReplayWorkflowHistory(nil, h))
	if os.Getenv(envRecord) != "" && name != "" {
		raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(h)
		require.NoError(r.t, err)
		root, err := devserver.Root()
		require.NoError(r.t, err)
		require.NoError(r.t, os.WriteFile(filepath.Join(root, "voicetask", "testdata", "histories", name+".json"), raw, 0o644))
	}
	return h
}
