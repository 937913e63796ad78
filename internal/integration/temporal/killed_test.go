package temporal_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"database/sql"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// The test binary is also the worker process that is killed.
const (
	envWorker   = "VOICE_TEST_WORKER"
	envAddress  = "VOICE_TEST_ADDRESS"
	envQueue    = "VOICE_TEST_QUEUE"
	envDatabase = "VOICE_TEST_DATABASE"
	envVapi     = "VOICE_TEST_VAPI"
	envPatient  = "VOICE_TEST_PATIENT" // set: the policy is that of the deploys
)

func runWorkerProcess() int {
	if err := workerProcess(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

func workerProcess() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := client.Dial(clientOptions(os.Getenv(envAddress)))
	if err != nil {
		return err
	}
	defer c.Close()
	db, err := sql.Open("sqlite", "file:"+os.Getenv(envDatabase)+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite})
	if err != nil {
		return err
	}
	platform, err := vapi.New(vapi.Config{AuthToken: "token", PhoneNumberID: "11111111-1111-4111-8111-111111111111", BaseURL: os.Getenv(envVapi)})
	if err != nil {
		return err
	}
	registry, err := provider.NewRegistry(platform)
	if err != nil {
		return err
	}
	cfg := voicetask.Config{Providers: registry, Store: rows, Policy: quick()}
	if os.Getenv(envPatient) != "" {
		cfg.PolicyFor = patient
	}
	w := worker.New(c, os.Getenv(envQueue), worker.Options{Identity: fmt.Sprint(identity, os.Getenv(envPatient)), WorkerStopTimeout: 20 * time.Second})
	if err := voicetask.RegisterWorker(w, cfg); err != nil {
		return err
	}
	return voicetask.RunWorker(ctx, w)
}

func workflowExecution(taskID string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: voicetask.WorkflowID(taskID)}
}

// A worker process is killed with kill -9 while its call is up. Another one follows
// the same call and records its true result; the phone rings once.
func TestWorkerKilledDuringTheCall(t *testing.T) {
	var ledger bytes.Buffer
	network := carrier.New(&ledger, carrier.Pace{Setup: 10 * time.Millisecond, Ring: 200 * time.Millisecond, Talk: 8 * time.Second})
	platform, err := fakevapi.New(fakevapi.Config{Network: network, Token: "token"})
	require.NoError(t, err)
	defer platform.Close()
	api := httptest.NewServer(platform)
	defer api.Close()

	r := newRig(t, nil)
	r.worker.Stop() // the workers here are processes
	database := filepath.Join(t.TempDir(), "voice.db")
	rows := openStore(t, database)
	r.cfg.Store = rows
	r.client, err = voicetask.NewClient(r.temporal, voicetask.ClientConfig{TaskQueue: r.queue, Store: rows})
	require.NoError(t, err)

	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envWorker+"=1", envAddress+"="+server.FrontendHostPort(), envQueue+"="+r.queue,
			envDatabase+"="+database, envVapi+"="+api.URL)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		return cmd
	}
	first := start()
	bystander := first
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	r.submit("killed")
	r.untilRow("killed", "placed", attempt(1, store.AttemptPlaced))
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()
	require.Equal(t, 1, network.Live(), "the call is up while nobody follows it")
	bystander = start()

	res := r.wait("killed")
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, network.Rings(""), "one ring:\n%s", ledger.String())
	rec := r.untilRow("killed", "ended", attempt(1, store.AttemptEnded))
	require.False(t, rec.Attempts[0].AnsweredAt.IsZero())
	r.history("killed", "", "worker-killed")
	require.NoError(t, bystander.Process.Signal(syscall.SIGTERM))
	require.NoError(t, bystander.Wait(), "a worker stops cleanly on SIGTERM")
}
