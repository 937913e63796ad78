package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/superservices/voice/provider"
)

// platform is a voice platform with an HTTP API, as small as can be. It keeps
// connections, and rings a moment after it has answered.
type platform struct {
	srv *httptest.Server

	mu    sync.Mutex
	rings int
	calls []*provider.Call
	next  func(w http.ResponseWriter, r *http.Request, place func() *provider.Call) // the next POST
	blind map[string]time.Time                                                      // keys, and when a search sees them
}

func newPlatform(t *testing.T) *platform {
	p := &platform{blind: map[string]time.Time{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /calls", p.post)
	mux.HandleFunc("GET /calls", p.search)
	mux.HandleFunc("GET /calls/{id}", p.get)
	mux.HandleFunc("DELETE /calls/{id}", p.hangUp)
	p.srv = httptest.NewServer(mux)
	t.Cleanup(p.srv.Close)
	return p
}

func (p *platform) trouble(next func(w http.ResponseWriter, r *http.Request, place func() *provider.Call)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = next
}

func (p *platform) post(w http.ResponseWriter, r *http.Request) {
	var body struct{ Key, To string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	place := func() *provider.Call {
		p.mu.Lock()
		defer p.mu.Unlock()
		c := &provider.Call{
			ID: provider.CallID(fmt.Sprintf("0199c1a4-%04x", len(p.calls))), Key: body.Key,
			Status: provider.StatusQueued, CreatedAt: time.Now().UTC(),
		}
		p.calls = append(p.calls, c)
		time.AfterFunc(2*time.Millisecond, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.rings++
		})
		return c
	}
	p.mu.Lock()
	next := p.next
	p.next = nil
	p.mu.Unlock()
	if next != nil {
		next(w, r, place)
		return
	}
	p.answer(w, place())
}

func (p *platform) answer(w http.ResponseWriter, v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = json.NewEncoder(w).Encode(v)
}

func (p *platform) call(id string) *provider.Call { // p.mu is held
	for _, c := range p.calls {
		if string(c.ID) == id {
			return c
		}
	}
	return nil
}

func (p *platform) get(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	c := p.call(r.PathValue("id"))
	p.mu.Unlock()
	if c == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	p.answer(w, c)
}

func (p *platform) search(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	found := []provider.Call{}
	for _, c := range p.calls {
		if c.Key == r.FormValue("key") && time.Now().After(p.blind[c.Key]) {
			found = append(found, *c)
		}
	}
	p.mu.Unlock()
	p.answer(w, found)
}

func (p *platform) hangUp(w http.ResponseWriter, r *http.Request) {
	if !p.finish(r.PathValue("id"), provider.OutcomeCancelled) {
		w.WriteHeader(http.StatusNotFound)
	}
}

func (p *platform) finish(id string, o provider.Outcome) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.call(id)
	if c != nil && c.Status != provider.StatusEnded {
		c.Status, c.Outcome, c.EndedAt = provider.StatusEnded, o, time.Now().UTC()
	}
	return c != nil
}

// adapter is a provider for platform. Its zero flags make a good one.
type adapter struct {
	base string
	http *http.Client

	idempotencyKey bool // sends the header that makes Go's Transport send again
	trustsFaults   bool // takes a 5xx for a proof that nothing was placed
	trustsHalves   bool // takes half an answer for one
}

func newAdapter(p *platform) *adapter {
	return &adapter{base: p.srv.URL, http: &http.Client{Transport: &http.Transport{}}}
}

func (a *adapter) Name() string { return "platform" }

func (a *adapter) do(ctx context.Context, op, method, path string, body, into any) error {
	fail := func(kind provider.Kind, code string, err error) error {
		return &provider.Error{Provider: a.Name(), Op: op, Kind: kind, Code: code, Err: err}
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return fail(provider.KindInvalidRequest, "", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(sent))
	if err != nil {
		return fail(provider.KindInvalidRequest, "", err)
	}
	if a.idempotencyKey {
		req.Header.Set("Idempotency-Key", "1")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return fail(provider.KindFromTransport(err), "", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		kind := provider.KindFromHTTP(resp.StatusCode)
		if a.trustsFaults && resp.StatusCode >= 500 {
			kind = provider.KindUnavailable
		}
		return fail(kind, resp.Status, nil)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		if a.trustsHalves {
			return fail(provider.KindUnavailable, "", err)
		}
		return fail(provider.KindOutcomeUnknown, "", err)
	}
	return nil
}

// warm sees that a connection waits to be used again: Go's Transport keeps none whose
// goroutines were held up for a moment.
func (a *adapter) warm(ctx context.Context) {
	var kept atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{PutIdleConn: func(err error) { kept.Store(err == nil) }})
	for tries := 0; tries < 100 && ctx.Err() == nil && !kept.Load(); tries++ {
		_ = a.do(traced, "get", http.MethodGet, "/calls/none", nil, nil)
	}
}

func (a *adapter) Place(ctx context.Context, req provider.Request) (c provider.Call, err error) {
	if a.idempotencyKey {
		a.warm(ctx)
	}
	err = a.do(ctx, "place", http.MethodPost, "/calls", map[string]string{"key": req.Key, "to": req.To}, &c)
	return c, err
}

func (a *adapter) Get(ctx context.Context, id provider.CallID) (c provider.Call, err error) {
	err = a.do(ctx, "get", http.MethodGet, "/calls/"+url.PathEscape(string(id)), nil, &c)
	return c, err
}

func (a *adapter) End(ctx context.Context, id provider.CallID) error {
	err := a.do(ctx, "end", http.MethodDelete, "/calls/"+url.PathEscape(string(id)), nil, nil)
	if errors.Is(err, provider.ErrNotFound) {
		return nil
	}
	return err
}

func (a *adapter) Find(ctx context.Context, key string, _ time.Time) (provider.Call, error) {
	var found []provider.Call
	if err := a.do(ctx, "find", http.MethodGet, "/calls?key="+url.QueryEscape(key), nil, &found); err != nil {
		return provider.Call{}, err
	}
	if len(found) == 0 {
		return provider.Call{}, &provider.Error{Provider: a.Name(), Op: "find", Kind: provider.KindNotFound}
	}
	return found[0], nil
}

// httpHarness is the harness of the adapter, as an adapter's author would write it.
func httpHarness(edit func(a *adapter)) Harness {
	var p *platform
	drop := func(w http.ResponseWriter) { // closes the connection without an answer
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
	statuses := map[provider.Kind]int{
		provider.KindInvalidRequest: 422, provider.KindUnauthenticated: 403, provider.KindNotFound: 410,
		provider.KindRejected: 402, provider.KindRateLimited: 429,
	}
	return Harness{
		New: func(t *testing.T) provider.Provider {
			p = newPlatform(t)
			a := newAdapter(p)
			edit(a)
			return a
		},
		Request: func(key string) provider.Request { return provider.Request{Key: key, To: callee} },
		Dials: func() int {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.rings
		},
		LoseReply: func() {
			p.trouble(func(w http.ResponseWriter, _ *http.Request, place func() *provider.Call) {
				place()
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write([]byte(`{"id":"01`))
			})
		},
		Trouble: func(kind Trouble) {
			p.trouble(func(w http.ResponseWriter, r *http.Request, place func() *provider.Call) {
				switch kind {
				case FaultAfterAccept:
					place()
					w.WriteHeader(http.StatusBadGateway)
				case ClosedConnection:
					place()
					drop(w)
				case Slow:
					place()
					<-r.Context().Done()
				case FindLag:
					c := place()
					p.mu.Lock()
					p.blind[c.Key] = time.Now().Add(30 * time.Millisecond)
					p.mu.Unlock()
					p.answer(w, c)
				}
			})
		},
		Refuse: func(k provider.Kind) {
			p.trouble(func(w http.ResponseWriter, _ *http.Request, _ func() *provider.Call) { w.WriteHeader(statuses[k]) })
		},
		Finish: func(id provider.CallID, o provider.Outcome) { p.finish(string(id), o) },
		Cannot: map[string]string{"Refuse/unavailable": "the test server listens until its test is over"},
	}
}

func TestHTTPProviderConforms(t *testing.T) {
	Run(t, httpHarness(func(*adapter) {}))
}

// httpBreakages are adapters with one fault each that only HTTP shows, and the check
// that must object. No other may.
var httpBreakages = []struct {
	fault string
	edit  func(a *adapter)
	want  []string
}{
	{"the Transport sends again", func(a *adapter) { a.idempotencyKey = true }, []string{"Trouble/closed_connection"}},
	{"a 5xx proves nothing", func(a *adapter) { a.trustsFaults = true }, []string{"Trouble/fault_after_accept"}},
	{"half an answer proves nothing", func(a *adapter) { a.trustsHalves = true }, []string{"LoseReply"}},
}

func TestRunObjectsOverHTTP(t *testing.T) {
	for _, tt := range httpBreakages {
		t.Run(strings.ReplaceAll(tt.fault, " ", "_"), func(t *testing.T) {
			failed := failures(t, httpHarness(tt.edit))
			assert.Equal(t, tt.want, slices.Sorted(maps.Keys(failed)))
		})
	}
}
