package livekit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

const (
	testKey    = "APIkey"
	testSecret = "a-secret-of-at-least-32-characters"
	answers5   = "+15550100099" // answers, and talks until somebody hangs up
	plainCall  = "+15550100001"
)

// world is a LiveKit with a carrier behind it, and a provider of it.
type world struct {
	*Provider
	lk      *fakelivekit.Server
	net     *carrier.Network
	cfg     Config
	url     string
	same    worldConfig
	events  chan provider.Event
	notices chan provider.Notice

	mu     sync.Mutex
	bodies map[string][]string // requests by method
	before func(method string) // called before a request is served
}

type worldConfig struct {
	fake fakelivekit.Config
	cfg  Config
	pace carrier.Pace
	hook *WebhookConfig // nil: no webhooks
	sink func(e provider.Event) error
	// calls gives the receiver of webhooks the provider.
	calls bool

	refusal time.Duration // how long the dial's answer takes at least
}

func newWorld(t *testing.T, wc worldConfig) *world {
	t.Helper()
	w := &world{same: wc, bodies: map[string][]string{}, events: make(chan provider.Event, 100), notices: make(chan provider.Notice, 100)}
	if wc.pace == (carrier.Pace{}) {
		wc.pace = carrier.Pace{Setup: time.Millisecond, Ring: 10 * time.Millisecond, Talk: time.Hour, Machine: time.Hour}
	}
	w.net = carrier.New(&bytes.Buffer{}, wc.pace)
	wc.fake.Network, wc.fake.APIKey, wc.fake.APISecret = w.net, testKey, testSecret
	if wc.fake.Agents == nil {
		wc.fake.Agents = []string{"agent"}
	}
	if wc.fake.AgentDelay == 0 {
		wc.fake.AgentDelay = 5 * time.Millisecond
	}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.record(r)
		if strings.HasSuffix(r.URL.Path, "/CreateSIPParticipant") {
			time.Sleep(wc.refusal)
		}
		w.lk.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	w.url = srv.URL
	wc.cfg.URL, wc.cfg.APIKey, wc.cfg.APISecret = srv.URL, testKey, testSecret
	if wc.cfg.SIPTrunkID == "" {
		wc.cfg.SIPTrunkID = "ST_fake"
	}
	if wc.cfg.GoneAfter == 0 {
		wc.cfg.GoneAfter = 60 * time.Millisecond
	}
	if wc.cfg.AgentGone == 0 {
		wc.cfg.AgentGone = wc.cfg.GoneAfter
	}
	w.cfg = wc.cfg
	w.Provider = w.again(t)
	if wc.hook != nil {
		wc.fake.WebhookURL = w.serveHook(t, wc)
	}
	w.lk = fakelivekit.New(wc.fake)
	t.Cleanup(w.lk.Close)
	return w
}

// again is a provider as another process would have it.
func (w *world) again(t *testing.T) *Provider {
	t.Helper()
	p, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.gap = 2 * time.Millisecond
	return p
}

func (w *world) record(r *http.Request) {
	var buf bytes.Buffer
	_, _ = buf.ReadFrom(r.Body)
	r.Body = readCloser{&buf}
	method := r.URL.Path[len("/twirp/livekit."):]
	w.mu.Lock()
	w.bodies[method] = append(w.bodies[method], buf.String())
	before := w.before
	w.mu.Unlock()
	if before != nil {
		before(method)
	}
}

// onRequest has f called before each request is served.
func (w *world) onRequest(f func(method string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// body decodes the last request of a method.
func (w *world) body(t *testing.T, method string) map[string]any {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.bodies[method]
	if len(all) == 0 {
		t.Fatalf("%s was never asked", method)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(all[len(all)-1]), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *world) serveHook(t *testing.T, wc worldConfig) string {
	t.Helper()
	cfg := *wc.hook
	cfg.APIKey, cfg.APISecret = testKey, testSecret
	cfg.Observe = func(_ context.Context, n provider.Notice) { w.notices <- n }
	if wc.calls {
		cfg.Calls = w.Provider
	}
	h, err := WebhookHandler(cfg, provider.EventSinkFunc(func(_ context.Context, e provider.Event) error {
		if wc.sink != nil {
			if err := wc.sink(e); err != nil {
				return err
			}
		}
		w.events <- e
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// untilPickUp is the pace of callees who ring until net.PickUp.
var untilPickUp = carrier.Pace{Setup: time.Millisecond, Ring: time.Hour, Talk: time.Hour, Machine: time.Hour}

// request is for a callee who talks until hung up on. Its ring limit is longer than a busy
// machine stands still, and over in no test: a limit that is over has meaning.
func request(key string) provider.Request {
	return provider.Request{Key: key, To: answers5, RingTimeout: 30 * time.Second, MaxDuration: time.Minute}
}

func (w *world) place(t *testing.T, req provider.Request) provider.Call {
	t.Helper()
	c, err := w.Place(t.Context(), req)
	if err != nil {
		t.Fatalf("Place: %v", err)
	}
	return c
}

// onlyOneDial is the check that matters most.
func (w *world) onlyOneDial(t *testing.T, rings int) {
	t.Helper()
	if n := w.lk.Requests("CreateSIPParticipant"); n != 1 {
		t.Errorf("%d CreateSIPParticipant requests, want exactly 1", n)
	}
	if n := w.net.Rings(""); n != rings {
		t.Errorf("%d phones rang, want %d", n, rings)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// ended polls Get until the call is over.
func ended(t *testing.T, p *Provider, id provider.CallID) provider.Call {
	t.Helper()
	var c provider.Call
	eventually(t, "Get says ended", func() bool {
		var err error
		c, err = p.Get(t.Context(), id)
		if err != nil && !errors.Is(err, provider.ErrNotFound) {
			t.Fatalf("Get: %v", err)
		}
		return err == nil && c.Status == provider.StatusEnded
	})
	return c
}

func kindIs(t *testing.T, err error, want provider.Kind) {
	t.Helper()
	if got := provider.KindOf(err); got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// roomOf is the room of a call's id.
func roomOf(t *testing.T, id provider.CallID) string {
	t.Helper()
	r, ok := parseID(id)
	if !ok {
		t.Fatalf("%q is no id", id)
	}
	return r.room
}
