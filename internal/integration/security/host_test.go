package security

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	_ "modernc.org/sqlite"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
	"github.com/superservices/voice/provider/vapi"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// Credentials of the fakes. They are secrets, too.
const (
	vapiToken     = secretWord + "-vapi-token"
	webhookSecret = secretWord + "-webhook"
	livekitKey    = "APIkey"
	livekitSecret = secretWord + "-livekit-secret-of-32-characters"
)

// host is a whole host: store, platforms, webhooks, worker, client, and log.
type host struct {
	t        *testing.T
	hay      *haystack
	logger   *slog.Logger
	temporal client.Client
	client   *voicetask.Client
	rows     *sqlstore.Store
	file     string // of the rows
	queue    string

	mu       sync.Mutex
	random   *rand.Rand
	byNumber map[string]canary
	byTask   map[string]canary
	failed   map[string]int
}

func newHost(t *testing.T, run string, seed uint64, o client.Options, hay *haystack) *host {
	t.Helper()
	h := &host{t: t, hay: hay, queue: run, random: rand.New(rand.NewPCG(seed, 1)), byNumber: map[string]canary{}, byTask: map[string]canary{}, failed: map[string]int{}}
	h.logger = slog.New(slog.NewMultiHandler(
		slog.NewJSONHandler(hay, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewTextHandler(hay, &slog.HandlerOptions{Level: slog.LevelDebug}),
	))
	var err error
	o.Logger = options(h.logger).Logger
	h.temporal, err = client.Dial(o)
	require.NoError(t, err)
	t.Cleanup(h.temporal.Close)
	h.openRows()
	failing := failingStore{h.rows, h}
	h.client, err = voicetask.NewClient(h.temporal, voicetask.ClientConfig{TaskQueue: run, Store: failing, Logger: h.logger, StartOptions: campaign})
	require.NoError(t, err)

	registry, err := provider.NewRegistry(h.platforms(seed)...)
	require.NoError(t, err)
	w := worker.New(h.temporal, run, worker.Options{Identity: identity, WorkerStopTimeout: 10 * time.Second})
	require.NoError(t, voicetask.RegisterWorker(w, voicetask.Config{
		Providers: registry, Store: failing, Logger: h.logger, DefaultProvider: "vapi",
		Gates: []voicetask.Gate{voicetask.GateFunc(h.gate)}, Prepare: h.prepare, ProviderFor: h.chooser, PolicyFor: h.policyFor,
		Hours: &voicetask.Hours{AllDay: true, Zones: func(context.Context, voicetask.Task) ([]*time.Location, error) {
			return []*time.Location{time.UTC}, nil
		}, Closed: h.closed},
		Wrap: func(a voicetask.Activity) voicetask.Activity { return decorated{a, h} },
	}))
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return h
}

// campaign is a host's search attribute: it holds nothing personal.
func campaign(_ voicetask.Task, o *client.StartWorkflowOptions) {
	o.TypedSearchAttributes = temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(searchAttribute).ValueSet("spring"))
	o.Memo = map[string]any{"campaign": "spring"}
}

func (h *host) openRows() {
	h.t.Helper()
	h.file = filepath.Join(h.t.TempDir(), "rows.db")
	db, err := sql.Open("sqlite", "file:"+h.file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)&_txlock=immediate")
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = db.Close() })
	h.rows, err = sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite})
	require.NoError(h.t, err)
	require.NoError(h.t, h.rows.Migrate(h.t.Context()))
}

// platforms starts the fakes behind HTTP and returns the adapters.
func (h *host) platforms(seed uint64) []provider.Provider {
	h.t.Helper()
	network := carrier.New(io.Discard, carrier.DefaultPace)
	mux := http.NewServeMux()
	hooks := httptest.NewServer(mux)
	h.t.Cleanup(hooks.Close)

	fakeVapi, err := fakevapi.New(fakevapi.Config{Network: network, Token: vapiToken, AnalysisLag: 20 * time.Millisecond})
	require.NoError(h.t, err)
	vapiSays := newChatty(fakeVapi, seed, h.known)
	vapiAt := httptest.NewServer(vapiSays)
	h.t.Cleanup(vapiAt.Close)
	h.t.Cleanup(fakeVapi.Close)
	v, err := vapi.New(vapi.Config{AuthToken: vapiToken, PhoneNumberID: "from", BaseURL: vapiAt.URL, WebhookURL: hooks.URL + "/vapi", WebhookSecret: webhookSecret, Logger: h.logger})
	require.NoError(h.t, err)
	fromVapi, err := vapi.WebhookHandler(vapi.WebhookConfig{Secret: webhookSecret, Logger: h.logger}, h.client)
	require.NoError(h.t, err)
	mux.Handle("/vapi", vapiSays.webhooks(fromVapi))

	fakeLiveKit := fakelivekit.New(fakelivekit.Config{Network: network, APIKey: livekitKey, APISecret: livekitSecret, WebhookURL: hooks.URL + "/livekit", MaxLinger: 100 * time.Millisecond})
	livekitAt := httptest.NewServer(newChatty(fakeLiveKit, seed, h.known))
	h.t.Cleanup(livekitAt.Close)
	h.t.Cleanup(fakeLiveKit.Close)
	l, err := livekit.New(livekit.Config{URL: livekitAt.URL, APIKey: livekitKey, APISecret: livekitSecret, SIPTrunkID: "ST_fake", Webhooks: true, Logger: h.logger})
	require.NoError(h.t, err)
	fromLiveKit, err := livekit.WebhookHandler(livekit.WebhookConfig{APIKey: livekitKey, APISecret: livekitSecret, Logger: h.logger}, h.client)
	require.NoError(h.t, err)
	mux.Handle("/livekit", fromLiveKit)
	return []provider.Provider{v, l, &acme{known: h.known, calls: map[provider.CallID]acmeCall{}}}
}

// add makes a canary known to everybody who will quote it.
func (h *host) add(c canary) {
	h.hay.watch(c.number)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byNumber[c.number], h.byTask[c.task.ID] = c, c
	if c.kind.sip {
		h.byNumber[c.number[len("sip:"):]] = c
	}
}

func (h *host) known(number string) (canary, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.byNumber[number]
	return c, ok
}

func (h *host) of(taskID string) canary {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byTask[taskID]
}

// times counts how often something has failed for a task.
func (h *host) times(what string, c canary) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed[what+c.task.ID]++
	return h.failed[what+c.task.ID]
}

// is reports whether something has happened to a task: whether times has counted it.
func (h *host) is(what string, c canary) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed[what+c.task.ID] > 0
}

func (h *host) quote(c canary) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return c.quote(h.random)
}

// told takes an error that the host was given, and hands it on.
func (h *host) told(err error) error {
	if err != nil {
		h.hay.add(placeErrors, err.Error(), fmt.Sprintf("%+v", err))
	}
	return err
}

// crmError is a type of the host's own.
type crmError struct{ said string }

func (e *crmError) Error() string { return e.said }

var errCRM = errors.New("the CRM is down")

func (h *host) gate(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
	c := h.of(d.Task.ID)
	first := h.times("gate", c) == 1
	switch {
	case c.kind.gate == "refuse":
		return voicetask.Verdict{Refuse: true, Rule: "suppressed", Reason: c.reason()}, nil
	case c.kind.host == "hold" && !h.is("held", c): // else the call might be over before the hold
		return voicetask.Verdict{Until: d.At.Add(2 * time.Second), Rule: "later", Reason: c.reason()}, nil
	case !first || c.kind.gate == "":
	case c.kind.gate == "error":
		return voicetask.Verdict{}, fmt.Errorf("%w: %w", &crmError{h.quote(c)}, errCRM)
	case c.kind.gate == "panic":
		panic("gate: " + h.quote(c))
	case c.kind.gate == "application":
		return voicetask.Verdict{}, temporal.NewApplicationErrorWithCause(h.quote(c), "CRM", &crmError{h.quote(c)}, map[string]string{"number": c.number}, c.name)
	case c.kind.gate == "defer":
		return voicetask.Verdict{Until: d.At.Add(2 * time.Second), Rule: "later", Reason: c.reason()}, nil
	}
	return voicetask.Verdict{}, nil
}

func (h *host) prepare(_ context.Context, t voicetask.Task, _ *provider.Request) error {
	c := h.of(t.ID)
	switch {
	case c.kind.prepare == "invalid":
		return fmt.Errorf("%w: %s", voicetask.ErrInvalidTask, h.quote(c))
	case c.kind.prepare == "" || h.times("prepare", c) > 1:
	case c.kind.prepare == "panic":
		panic(&crmError{h.quote(c)})
	default:
		return &crmError{h.quote(c)}
	}
	return nil
}

func (h *host) chooser(_ context.Context, t voicetask.Task) (string, error) {
	if c := h.of(t.ID); c.kind.chooser && h.times("chooser", c) == 1 {
		return "", errors.New(h.quote(c))
	}
	return "", nil
}

func (h *host) policyFor(_ context.Context, t voicetask.Task) (voicetask.Policy, error) {
	if c := h.of(t.ID); c.kind.policy && h.times("policy", c) == 1 {
		return voicetask.Policy{}, errors.New(h.quote(c))
	}
	longest := 20 * time.Second
	if h.of(t.ID).kind.host == "cancel" { // not by the deadline, however long the host takes to cancel
		longest = 10 * time.Minute
	}
	return voicetask.Policy{
		MaxCallDuration: longest, RingTimeout: 3 * time.Second, PollInterval: time.Second, EventGrace: time.Second,
		Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeProviderFault: {After: []time.Duration{100 * time.Millisecond}}},
	}, nil
}

func (h *host) closed(_ context.Context, t voicetask.Task, _ time.Time) (bool, error) {
	if c := h.of(t.ID); c.kind.hours && h.times("closed", c) == 1 {
		return false, errors.New(h.quote(c))
	}
	return false, nil
}

// decorated is the host's delivery of callbacks, say.
type decorated struct {
	voicetask.Activity
	h *host
}

func (d decorated) RecordResult(ctx context.Context, in voicetask.ResultInput) error {
	if c := d.h.of(in.Task.ID); c.kind.record && d.h.times("record", c) == 1 {
		return fmt.Errorf("posting to %s: %w", in.Task.Callback, &crmError{d.h.quote(c)})
	}
	return d.Activity.RecordResult(ctx, in)
}

// failingStore fails for some tasks and says what it was given.
type failingStore struct {
	*sqlstore.Store
	h *host
}

func (s failingStore) fail(id string) error {
	if c := s.h.of(id); c.kind.store > 0 && s.h.times("store", c) <= c.kind.store {
		return errors.New(`duplicate key value violates unique constraint: Key (callee)=(` + s.h.quote(c) + `)`)
	}
	return nil
}

func (s failingStore) Create(ctx context.Context, r store.Record) (store.Record, error) {
	if err := s.fail(r.ID); err != nil {
		return store.Record{}, err
	}
	return s.Store.Create(ctx, r)
}

func (s failingStore) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if err := s.fail(r.ID); err != nil {
		return store.Record{}, err
	}
	return s.Store.Update(ctx, r)
}
