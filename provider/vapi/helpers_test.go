package vapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
)

const (
	token  = "canary-account-token"
	secret = "canary-webhook-secret"

	answers   = "+14155550100"
	declines  = "+14155550103"
	missing   = "+14155550104"
	malform   = "+14155550105"
	throttled = "+14155550129"
	faulty    = "+14155550151"
	silent    = "+14155550180"
	busy      = "+14155550186"
	machine   = "+14155550188"
	endless   = "+14155550199"
)

// platform is a fake Vapi on a network of its own.
type platform struct {
	*fakevapi.Server
	net    *carrier.Network
	url    string
	ledger *buffer
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newPlatform(t *testing.T, change ...func(*fakevapi.Config)) *platform {
	t.Helper()
	p := &platform{ledger: new(buffer)}
	p.net = carrier.New(p.ledger, carrier.DefaultPace)
	cfg := fakevapi.Config{Network: p.net, Token: token, Second: 100 * time.Millisecond, RingLimit: 200 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if p.Server, err = fakevapi.New(cfg); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	t.Cleanup(p.Close)
	p.url = srv.URL
	return p
}

// provider returns a Provider on the platform.
func (p *platform) provider(t *testing.T, change ...func(*Config)) *Provider {
	t.Helper()
	return newProvider(t, append([]func(*Config){func(c *Config) { c.BaseURL = p.url }}, change...)...)
}

func newProvider(t *testing.T, change ...func(*Config)) *Provider {
	t.Helper()
	cfg := Config{AuthToken: token, PhoneNumberID: "pn-1", AssistantID: "as-1"}
	for _, c := range change {
		c(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(key, to string) provider.Request {
	taskID, _, _ := provider.SplitKey(key)
	return provider.Request{
		Key: key, TaskID: taskID, To: to, ToName: "Anna Muster", MaxDuration: time.Minute,
		Data:     json.RawMessage(`{"contact_number":"` + to + `","context":"a reminder"}`),
		OnPlaced: func(provider.Call) error { return nil },
	}
}

// ended polls until the call has ended.
func ended(t *testing.T, p *Provider, id provider.CallID) provider.Call {
	t.Helper()
	for range 6000 { // a minute or more
		c, err := p.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if c.Status == provider.StatusEnded {
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the call %s does not end", id)
	return provider.Call{}
}

// eventually waits for ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 { // a minute or more
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// serve answers each request with handler, on a server of its own.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv.URL
}

// shared returns the bytes of a file of ../shared, beside the checkout, which holds
// Vapi's contract. Where it is not there the test is skipped, except in CI.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "shared", name))
		if err == nil {
			return b
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("shared/%s is in no directory above this one, and CI must check against it", name)
	}
	t.Skipf("NOT CHECKED: shared/%s is in no directory above this one", name)
	return nil
}

func millis(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }

// answering is a Provider on a platform that answers every request alike, and how
// many it got.
func answering(t *testing.T, status int, body string, change ...func(*Config)) (*Provider, *int) {
	t.Helper()
	hits := new(int)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		*hits++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	return newProvider(t, append([]func(*Config){func(c *Config) { c.BaseURL = url }}, change...)...), hits
}
