package temporal_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/internal/integration/faults/pulse"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// Of each kind of task there are so many.
const (
	waiting  = 20 // for an event: nothing of them is anywhere but in their workflow
	polling  = 20 // each second
	calm     = 10 // wait for an event as well, which comes before the deploy
	inFlight = 6  // their request is at the platform, which has not answered
)

const pollEach = time.Second

// patient is the policy of the deploys, by the kind of task.
func patient(_ context.Context, t voicetask.Task) (voicetask.Policy, error) {
	p := voicetask.Policy{MaxCallDuration: 10 * time.Minute, RingTimeout: 20 * time.Second, PollInterval: pollEach, EventGrace: 100 * time.Millisecond}
	if strings.HasPrefix(t.ID, "waiting") {
		p.PollInterval = -1
	}
	return p, nil
}

// fleet is two worker processes on one platform, and what is seen of them from
// outside.
type fleet struct {
	*rig
	network   *carrier.Network
	start     func(name string) *exec.Cmd
	born      int64
	submitted int
	released  chan struct{} // closed: the requests in flight are answered

	mu    sync.Mutex
	polls map[string][]time.Time // by call
	held  int                    // requests in flight
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{born: time.Now().UnixNano(), released: make(chan struct{}), polls: map[string][]time.Time{}}
	f.network = carrier.New(&bytes.Buffer{}, carrier.Pace{Setup: time.Millisecond, Ring: 50 * time.Millisecond, Talk: time.Hour})
	platform, err := fakevapi.New(fakevapi.Config{Network: f.network, Token: "token"})
	require.NoError(t, err)
	t.Cleanup(func() { platform.Close() })
	api := httptest.NewServer(f.watch(platform))
	t.Cleanup(api.Close)
	f.rig = newRig(t, nil)
	f.worker.Stop() // the workers here are processes
	database := filepath.Join(t.TempDir(), "voice.db")
	f.cfg.Store = openStore(t, database)
	f.client, err = voicetask.NewClient(f.temporal, voicetask.ClientConfig{TaskQueue: f.queue, Store: f.cfg.Store})
	require.NoError(t, err)
	f.start = func(name string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envWorker+"=1", envAddress+"="+server.FrontendHostPort(), envQueue+"="+f.queue,
			envDatabase+"="+database, envVapi+"="+api.URL, envPatient+"=-"+name)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = cmd.Process.Wait() })
		f.untilPolled(identity + "-" + name)
		return cmd
	}
	return f
}

// watch notes each poll, and holds back the answers to requests in flight.
func (f *fleet) watch(platform http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Method == http.MethodGet {
			f.mu.Lock()
			id := path.Base(r.URL.Path)
			f.polls[id] = append(f.polls[id], time.Now())
			f.mu.Unlock()
		}
		if r.Method == http.MethodPost && bytes.Contains(body, []byte("inflight-")) {
			f.mu.Lock()
			f.held++
			f.mu.Unlock()
			<-f.released
		}
		platform.ServeHTTP(w, r)
	})
}

func (f *fleet) inFlight() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

// untilPolled waits until a worker of that name asks for workflows and activities.
func (f *fleet) untilPolled(name string) {
	f.t.Helper()
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		require.Eventually(f.t, func() bool {
			d, err := f.temporal.WorkflowService().DescribeTaskQueue(context.Background(), &workflowservice.DescribeTaskQueueRequest{
				Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: f.queue}, TaskQueueType: kind,
			})
			return err == nil && slices.ContainsFunc(d.Pollers, func(p *taskqueuepb.PollerInfo) bool { return p.Identity == name })
		}, patience, 20*time.Millisecond, "worker %s does not poll", name)
	}
}

// ids of the tasks of one kind; a fleet has its own.
func (f *fleet) ids(kind string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d-%02d", kind, f.born, i)
	}
	return out
}

func (f *fleet) submitAll(tasks ...string) {
	f.t.Helper()
	for _, id := range tasks {
		f.submitted++
		t := newTask(id)
		t.Data.ContactNumber = fmt.Sprintf("+14155%04d00", f.submitted) // 00 answers
		require.NoError(f.t, f.client.Submit(f.t.Context(), t))
	}
}

// end has the platform report the end of a task's call, and returns how long the
// task's result then takes.
func (f *fleet) end(id string) time.Duration {
	f.t.Helper()
	rec := f.untilRow(id, "placed", attempt(1, store.AttemptPlaced))
	now := time.Now()
	require.NoError(f.t, f.client.Deliver(f.t.Context(), provider.Event{Provider: "vapi", Key: rec.Attempts[0].Key, Call: provider.Call{
		ID: rec.Attempts[0].CallID, Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, AnsweredAt: now.Add(-time.Second), EndedAt: now, CostUSD: 0.01,
	}}))
	f.untilRow(id, "recorded", func(r store.Record) bool { return r.Status.Terminal() })
	return time.Since(now)
}

// nothingLost: of all tasks each rang once and has the result that the platform told.
func (f *fleet) nothingLost(tasks []string) {
	f.t.Helper()
	require.NotEmpty(f.t, tasks)
	for _, id := range tasks {
		rec := f.untilRow(id, "recorded", func(r store.Record) bool { return r.Status.Terminal() })
		require.Equal(f.t, provider.OutcomeCompleted, rec.Outcome, id)
		require.Len(f.t, rec.Attempts, 1, id)
	}
	require.Equal(f.t, len(tasks), f.network.Rings(""), "rings")
}

// gaps are the longest times between two polls of a call around a moment.
func (f *fleet) gaps(around time.Time) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []time.Duration
	for _, polls := range f.polls {
		after := slices.IndexFunc(polls, func(at time.Time) bool { return at.After(around) })
		if after > 0 {
			out = append(out, polls[after].Sub(polls[after-1]))
		}
	}
	return out
}

func p99(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[(len(ds)*99+99)/100-1]
}

// TestDeploy stops a worker in the ordinary way with calls up and dials in flight.
// Nothing is lost, what waits or polls goes on within half a second, and a request in
// flight is waited for.
func TestDeploy(t *testing.T) {
	handsOver(t, syscall.SIGTERM, 500*time.Millisecond)
}

// TestKilledWorkersCallsAreFollowed: within ten seconds of a kill -9.
func TestKilledWorkersCallsAreFollowed(t *testing.T) {
	handsOver(t, syscall.SIGKILL, 10*time.Second)
}

// handsOver fails unless calls go on so soon after the old worker was ended, beside what the
// same takes this machine without a deploy. A machine that
// is busy with something else is given three tries for the time, and none for the rest;
// tries in which it stood still itself do not count, up to five of them.
func handsOver(t *testing.T, signal syscall.Signal, within time.Duration) {
	t.Helper()
	const stoodStill = 100 * time.Millisecond
	for counted, void := 0, 0; counted < 3; {
		machine := pulse.Start()
		t.Cleanup(func() { _ = machine.End() })
		usual, waited, polled := deploy(t, signal)
		late := machine.End()
		limit := within + min(p99(usual), within) // not any machine will do
		t.Logf("%d calls waited for an event, p99 %v after it, %v without a deploy; %d polled each %v, p99 of the gap %v; the machine stood still for up to %v",
			len(waited), p99(waited), p99(usual), len(polled), pollEach, p99(polled), late)
		switch {
		case p99(waited) < limit && p99(polled) < pollEach+limit:
			return
		case late > stoodStill && void < 5:
			void++
		default:
			counted++
		}
	}
	t.Fatalf("handed over later than %v three times", within)
}

// deploy starts an old worker with all kinds of tasks, then a new one, and ends the
// old one by a signal. It returns how long calls took to hear of an event before that, how
// long those that waited took of one told right then, and how long those that polled were
// not asked about.
func deploy(t *testing.T, signal syscall.Signal) (usual, waited, polled []time.Duration) {
	t.Helper()
	f := newFleet(t)
	old := f.start("old")
	tasks := append(f.ids("waiting", waiting), f.ids("polling", polling)...)
	f.submitAll(tasks...)
	for _, id := range tasks {
		f.untilRow(id, "placed", attempt(1, store.AttemptPlaced))
	}
	require.Eventually(t, func() bool { return len(f.gaps(time.Now().Add(-pollEach/2))) > 0 && f.polledAll() }, patience, 20*time.Millisecond)
	before := f.ids("waiting-calm", calm)
	f.submitAll(before...)
	for _, id := range before {
		usual = append(usual, f.end(id))
	}
	drained := signal == syscall.SIGTERM
	if drained {
		flying := f.ids("inflight", inFlight)
		f.submitAll(flying...)
		tasks = append(tasks, flying...)
		require.Eventually(t, func() bool { return f.inFlight() == inFlight }, patience, 20*time.Millisecond)
	}
	next := f.start("next")

	stopped := time.Now()
	require.NoError(t, old.Process.Signal(signal))
	// By the clock and not behind what follows, which on a slow machine takes as long as the
	// old worker waits for what is in flight.
	time.AfterFunc(2*time.Second, func() { close(f.released) })
	for _, id := range f.ids("waiting", waiting) {
		waited = append(waited, f.end(id))
	}
	status, err := old.Process.Wait()
	require.NoError(t, err)
	if drained {
		require.True(t, status.Success(), "a worker stops cleanly on SIGTERM: %v", status)
	}
	require.Eventually(t, func() bool { return len(f.gaps(stopped)) == polling }, time.Minute, 50*time.Millisecond, "polls go on")
	polled = f.gaps(stopped)
	for _, id := range tasks[waiting:] {
		f.end(id)
	}
	f.nothingLost(append(tasks, before...))
	require.NoError(t, next.Process.Signal(syscall.SIGTERM))
	status, err = next.Process.Wait()
	require.NoError(t, err)
	require.True(t, status.Success())
	return usual, waited, polled
}

// polledAll reports whether each call that is polled was, twice.
func (f *fleet) polledAll() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, polls := range f.polls {
		if len(polls) > 1 {
			n++
		}
	}
	return n >= polling
}
