package voicetask_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// start is when the clock of a test begins.
var start = voicetasktest.Start

// world is a test environment with a client that steers the task in it, and an
// account of what was noticed.
type world struct {
	*voicetasktest.Env
	t       *testing.T
	fake    *providertest.Fake
	client  *voicetask.Client
	notices *notices
}

// newWorld registers cfg. Without Providers of its own it dials a fake with steps.
func newWorld(t *testing.T, cfg voicetask.Config, steps ...providertest.Step) *world {
	t.Helper()
	w := &world{t: t, notices: &notices{}}
	cfg.Observe = w.notices.observe
	w.Env = voicetasktest.New(t, cfg, steps...)
	w.fake = w.Env.Fake
	w.client = clientOn(t, w.TestWorkflowEnvironment, w.Store, w.notices)
	return w
}

// newWorldOn dials through p, which has fake behind it.
func newWorldOn(t *testing.T, cfg voicetask.Config, fake *providertest.Fake, p provider.Provider) *world {
	t.Helper()
	cfg.Providers = registry(t, p)
	w := newWorld(t, cfg)
	w.fake = fake
	fake.UseClock(w.Now)
	return w
}

func clientOn(t *testing.T, env *testsuite.TestWorkflowEnvironment, s store.Store, n *notices) *voicetask.Client {
	t.Helper()
	c, err := voicetask.NewClient(envTemporal{env}, voicetask.ClientConfig{Store: s, Observe: n.observe, Now: env.Now})
	require.NoError(t, err)
	return c
}

// run carries out the task, which must not fail.
func (w *world) run(task voicetask.Task) voicetask.Result {
	w.t.Helper()
	res, err := w.Run(task)
	require.NoError(w.t, err)
	return res
}

// after runs f once d of workflow time has passed.
func (w *world) after(d time.Duration, f func()) { w.RegisterDelayedCallback(f, d) }

// must is for what a callback does to the task.
func (w *world) must(err error) {
	if err != nil {
		w.t.Errorf("%v", err)
	}
}

// deliver hands the event of a call as it stands now to the client.
func (w *world) deliver(key string) {
	w.must(w.client.Deliver(context.Background(), w.fake.Event(key)))
}

func (w *world) state() voicetask.State {
	s, err := w.client.State(context.Background(), "t1")
	w.must(err)
	return s
}

// details is what Temporal's Web UI shows of the task.
func (w *world) details() string {
	value, err := w.QueryWorkflow("__temporal_workflow_metadata")
	w.must(err)
	var metadata sdk.WorkflowMetadata
	w.must(value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

// row is the task's record.
func (w *world) row() store.Record {
	w.t.Helper()
	return rowOf(w.t, w.Store, "t1")
}

func rowOf(t *testing.T, s store.Store, id string) store.Record {
	t.Helper()
	r, err := s.Get(context.Background(), id)
	require.NoError(t, err)
	return r
}

// since is how long after the start a moment is.
func since(at time.Time) time.Duration { return at.Sub(start) }

// keys are those of the requests so far.
func keys(fake *providertest.Fake) []string {
	var got []string
	for _, r := range fake.Requests() {
		got = append(got, r.Key)
	}
	return got
}

// task is a valid task "t1".
func task() voicetask.Task { return voicetasktest.Task("t1") }

// notices keeps what was observed.
type notices struct {
	mu   sync.Mutex
	seen []provider.Notice
}

func (n *notices) observe(_ context.Context, notice provider.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, notice)
}

func (n *notices) kinds() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var kinds []string
	for _, notice := range n.seen {
		kinds = append(kinds, notice.Kind)
	}
	return kinds
}

// faultyStore is a Memory whose operations can be made to fail: "create", "get",
// "update". before refuses one; after loses the reply of one that was carried out.
type faultyStore struct {
	*store.Memory
	mu     sync.Mutex
	before func(op string, r store.Record) error
	after  func(op string, r store.Record) error
}

func newFaultyStore() *faultyStore { return &faultyStore{Memory: store.NewMemory()} }

// refuse sets before while somebody may be asking it.
func (s *faultyStore) refuse(before func(op string, r store.Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

var errStoreDown = errors.New("store: connection refused")

func (s *faultyStore) ask(f *func(string, store.Record) error, op string, r store.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *f == nil {
		return nil
	}
	return (*f)(op, r)
}

func (s *faultyStore) Create(ctx context.Context, r store.Record) (store.Record, error) {
	if err := s.ask(&s.before, "create", r); err != nil {
		return store.Record{}, err
	}
	got, err := s.Memory.Create(ctx, r)
	if err == nil {
		err = s.ask(&s.after, "create", r)
	}
	return got, err
}

func (s *faultyStore) Get(ctx context.Context, id string) (store.Record, error) {
	if err := s.ask(&s.before, "get", store.Record{ID: id}); err != nil {
		return store.Record{}, err
	}
	return s.Memory.Get(ctx, id)
}

func (s *faultyStore) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if err := s.ask(&s.before, "update", r); err != nil {
		return store.Record{}, err
	}
	got, err := s.Memory.Update(ctx, r)
	if err == nil {
		err = s.ask(&s.after, "update", r)
	}
	return got, err
}

// reaches reports whether an Update brings the task's last dial into that state.
func reaches(op string, r store.Record, state store.AttemptState) bool {
	n := len(r.Attempts)
	return op == "update" && n > 0 && r.Attempts[n-1].State == state
}

// plain is a provider without any of the optional interfaces.
type plain struct{ provider.Provider }

// hooked is a fake that can be interfered with.
type hooked struct {
	*providertest.Fake
	traits *provider.Traits
	place  func(ctx context.Context, req provider.Request) (provider.Call, error)
	get    func(ctx context.Context, id provider.CallID) (provider.Call, error)
	end    func(ctx context.Context, id provider.CallID) error

	mu    sync.Mutex
	ended []provider.CallID
	gets  int
}

func (h *hooked) Traits() provider.Traits {
	if h.traits != nil {
		return *h.traits
	}
	return h.Fake.Traits()
}

func (h *hooked) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	if h.place != nil {
		return h.place(ctx, req)
	}
	return h.Fake.Place(ctx, req)
}

func (h *hooked) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	h.mu.Lock()
	h.gets++
	h.mu.Unlock()
	if h.get != nil {
		return h.get(ctx, id)
	}
	return h.Fake.Get(ctx, id)
}

func (h *hooked) End(ctx context.Context, id provider.CallID) error {
	h.mu.Lock()
	h.ended = append(h.ended, id)
	h.mu.Unlock()
	if h.end != nil {
		return h.end(ctx, id)
	}
	return h.Fake.End(ctx, id)
}

func (h *hooked) hungUp() []provider.CallID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ended)
}

func (h *hooked) polls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gets
}

// fails is an error of a provider's Place.
func fails(k provider.Kind) *provider.Error {
	return &provider.Error{Provider: "vapi", Op: "place", Kind: k, Err: errors.New("scripted")}
}

// envTemporal is a Temporal client on a test environment, for what happens beside
// the workflow.
type envTemporal struct {
	env *testsuite.TestWorkflowEnvironment
}

func (c envTemporal) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, errors.New("the environment starts the workflow")
}

func (c envTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun { return nil }

func (c envTemporal) SignalWorkflow(_ context.Context, id, _, name string, arg any) error {
	if err := c.env.SignalWorkflowByID(id, name, arg); err != nil {
		return serviceerror.NewNotFound(err.Error())
	}
	return nil
}

func (c envTemporal) QueryWorkflow(_ context.Context, id, _, query string, args ...any) (converter.EncodedValue, error) {
	return c.env.QueryWorkflowByID(id, query, args...)
}

func (c envTemporal) CancelWorkflow(_ context.Context, id, _ string) error {
	c.env.CancelWorkflowByID(id, "")
	return nil
}

func (c envTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return nil, serviceerror.NewUnavailable("no server here")
}

// rule is the first word of a reason.
func rule(reason string) string {
	first, _, _ := strings.Cut(reason, ":")
	return first
}

// errIf is an error where a callback found what it must not.
func errIf(bad bool, format string, args ...any) error {
	if bad {
		return fmt.Errorf(format, args...)
	}
	return nil
}

func storedResult(t *testing.T, r store.Record) voicetask.Result {
	t.Helper()
	var res voicetask.Result
	require.NoError(t, json.Unmarshal(r.Result, &res))
	return res
}

// nonRetryable is an error of a decorating host's own.
func nonRetryable(k provider.Kind) error {
	return temporal.NewNonRetryableApplicationError("no", voicetask.ErrTypeProvider+string(k), nil)
}
