// Package vapi_test holds every request that package vapi can send against the
// vendor's own OpenAPI document, inside the fake platform.
package vapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
)

const document = "vapi/openapi.calls.strict.json"

// shared returns a file of ../shared, beside the checkout. Where it is not there the
// test is skipped, except in CI.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if b, err := os.ReadFile(filepath.Join(dir, "shared", name)); err == nil {
			return b
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("shared/%s is in no directory above this one, and CI must check against it", name)
	}
	t.Skipf("NOT CHECKED: shared/%s is in no directory above this one", name)
	return nil
}

// contract checks requests against the document, and what it says in prose: which
// properties a call cannot do without.
func contract(t *testing.T) func(r *http.Request, body []byte) error {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(shared(t, document))
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // whatever the host
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return func(r *http.Request, body []byte) error {
		route, params, err := router.FindRoute(r)
		if err != nil {
			return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
		}
		if err := validate(r, body, route, params); err != nil {
			return err
		}
		if r.Header.Get("Authorization") == "" {
			return errors.New("no authorization")
		}
		if r.Method == http.MethodPost {
			return complete(body)
		}
		return nil
	}
}

func validate(r *http.Request, body []byte, route *routers.Route, params map[string]string) error {
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("%s %s: no query parameter %s in the document", r.Method, r.URL.Path, name)
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
}

func complete(body []byte) error {
	var c struct {
		AssistantID, PhoneNumberID string
		Assistant                  map[string]any
		Customer                   struct{ Number, SIPURI string }
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	switch {
	case (c.AssistantID == "") == (c.Assistant == nil):
		return errors.New("one of assistantId and assistant is needed")
	case c.PhoneNumberID == "":
		return errors.New("phoneNumberId is needed")
	case (c.Customer.Number == "") == (c.Customer.SIPURI == ""):
		return errors.New("one of customer.number and customer.sipUri is needed")
	}
	return nil
}

// platform is the fake, with the contract inside, and what it was sent.
type platform struct {
	*fakevapi.Server
	url string

	mu      sync.Mutex
	bodies  [][]byte        // of POST /call
	queries map[string]bool // parameters of GET /call
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{queries: map[string]bool{}}
	check := contract(t)
	f, err := fakevapi.New(fakevapi.Config{
		Network: carrier.New(io.Discard, carrier.DefaultPace), Second: 20 * time.Millisecond,
		Check: func(r *http.Request, body []byte) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if r.Method == http.MethodPost {
				p.bodies = append(p.bodies, body)
			}
			for name := range r.URL.Query() {
				p.queries[name] = true
			}
			return check(r, body)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	t.Cleanup(f.Close)
	p.Server, p.url = f, srv.URL
	return p
}

// configs and requests are the ways in which a request can be made up.
func configs() map[string]func(*vapi.Config) {
	object := func(o string) func(context.Context, provider.Request) (json.RawMessage, error) {
		return func(context.Context, provider.Request) (json.RawMessage, error) { return json.RawMessage(o), nil }
	}
	return map[string]func(*vapi.Config){
		"plain":    func(*vapi.Config) {},
		"pool":     func(c *vapi.Config) { c.PhoneNumberIDs = []string{"pn-2", "pn-3"} },
		"webhooks": func(c *vapi.Config) { c.WebhookURL, c.WebhookSecret = "http://127.0.0.1:9/hook", "s3cret" },
		"credential": func(c *vapi.Config) {
			c.WebhookURL, c.WebhookCredentialID = "http://127.0.0.1:9/hook?tenant=1", "550e8400-e29b-41d4-a716-446655440000"
		},
		"transient": func(c *vapi.Config) {
			c.Assistant = object(`{"firstMessage":"Hello","model":{"provider":"openai","model":"gpt-4o"}}`)
		},
		"overrides": func(c *vapi.Config) {
			c.WebhookURL = "http://127.0.0.1:9/hook"
			c.Overrides = object(`{"firstMessage":"Hello","endCallPhrases":["bye"],"serverMessages":["tool-calls"],"variableValues":{"a":1},"metadata":{"campaign":"x"},
				"transportConfigurations":[{"provider":"twilio","timeout":120,"record":true}]}`)
		},
	}
}

func requests() map[string]provider.Request {
	return map[string]provider.Request{
		"number": {To: "+14155550100", ToName: "Anna Muster", Data: json.RawMessage(`{"contact_number":"+14155550100","n":9007199254740993,"o":{"a":[null,true]}}`)},
		"bare":   {To: "+14155550100"},
		"sip":    {To: "sip:bob@example.org", From: "pn-9"},
		"limits": {To: "+14155550100", RingTimeout: 1500 * time.Millisecond, MaxDuration: 100 * time.Hour, Instructions: "Be kind."},
		"task":   {To: "+14155550100", AgentID: "as-9", Data: json.RawMessage(`{"vapi_agent_id":"as-7","token":"s3cret"}`)},
		"long":   {To: "+14155550100", ToName: "A name that is much longer than the forty characters it may have", MaxDuration: time.Nanosecond, RingTimeout: time.Hour},
	}
}

// placeAll places a call in each way, and does to it what may follow.
func placeAll(t *testing.T, f *platform, then func(p *vapi.Provider, c provider.Call, key string)) (n int) {
	t.Helper()
	for cname, change := range configs() {
		p := account(t, f, change)
		for rname, req := range requests() {
			n++
			req.Key = provider.Key(cname+"-"+rname, 1)
			c, err := p.Place(t.Context(), req)
			if err != nil {
				t.Errorf("%s, %s: %v", cname, rname, err)
				continue
			}
			then(p, c, req.Key)
		}
	}
	return n
}

func account(t *testing.T, f *platform, change func(*vapi.Config)) *vapi.Provider {
	t.Helper()
	cfg := vapi.Config{AuthToken: "token", PhoneNumberID: "pn-1", AssistantID: "as-1", BaseURL: f.url}
	change(&cfg)
	p, err := vapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each way a request can be made up, on a platform that knows the contract.
func TestEveryRequestKeepsTheContract(t *testing.T) {
	f := newPlatform(t)
	n := placeAll(t, f, func(p *vapi.Provider, c provider.Call, key string) { use(t, p, c, key) })
	f.Inject(fakevapi.Fault{Kind: fakevapi.Schedule}) // DELETE is for such calls
	p := account(t, f, func(*vapi.Config) {})
	c, err := p.Place(t.Context(), provider.Request{Key: "scheduled/1", To: "+14155550100"})
	if err != nil {
		t.Fatal(err)
	}
	use(t, p, c, "scheduled/1")
	for n := range 100 { // enough to be asked whether there is another page
		if _, err := p.Place(t.Context(), provider.Request{Key: provider.Key("page", n+1), To: "+14155550100"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Find(t.Context(), "absent/1", time.Now().Add(-time.Minute)); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("a key on no page: %v", err)
	}
	for _, name := range []string{"limit", "createdAtGe", "createdAtLe"} {
		if !f.queries[name] {
			t.Errorf("no listing was asked for with %s", name)
		}
	}

	breaches, checked := f.Violations()
	for _, err := range breaches {
		t.Error(err)
	}
	if checked < 4*n {
		t.Errorf("only %d requests were checked", checked)
	}
	t.Logf("%d requests checked", checked)
}

// use sends the requests that follow a call.
func use(t *testing.T, p *vapi.Provider, c provider.Call, key string) {
	t.Helper()
	if _, err := p.Get(t.Context(), c.ID); err != nil {
		t.Errorf("%s: get: %v", key, err)
	}
	if found, err := p.Find(t.Context(), key, time.Now().Add(-time.Minute)); err != nil || found.ID != c.ID {
		t.Errorf("%s: find: %v %v", key, found.ID, err)
	}
	for _, err := range p.List(t.Context(), time.Time{}) {
		if err != nil {
			t.Errorf("%s: list: %v", key, err)
		}
	}
	if err := p.End(t.Context(), c.ID); err != nil {
		t.Errorf("%s: end: %v", key, err)
	}
}
