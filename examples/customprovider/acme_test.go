package customprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
)

// acme is a fake of the platform. Calls are answered at once and last until they are
// finished or hung up.
type acme struct {
	mu     sync.Mutex
	calls  map[string]map[string]any
	dials  int
	refuse int                                                // status of the next POST, which places nothing
	after  func(w http.ResponseWriter, r *http.Request) error // instead of the next POST's answer
	down   bool                                               // the next connection is refused
}

const token = "acme-token"

func (a *acme) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodPost {
		a.place(w, r)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.calls[strings.TrimPrefix(r.URL.Path, "/calls/")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method == http.MethodDelete {
		end(c, "hung_up")
	}
	_ = json.NewEncoder(w).Encode(c)
}

func (a *acme) place(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in["to"] == "" || in["ref"] == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	status, after := a.refuse, a.after
	a.refuse, a.after = 0, nil
	if status != 0 {
		a.mu.Unlock()
		w.WriteHeader(status)
		return
	}
	a.dials++
	id := strconv.Itoa(1000 + a.dials)
	now := time.Now()
	c := map[string]any{"id": id, "ref": in["ref"], "state": "in_progress", "createdAt": now, "answeredAt": now}
	a.calls[id] = c
	answer, _ := json.Marshal(c)
	a.mu.Unlock()
	if after != nil && after(w, r) != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(answer)
}

// end ends c, unless it is over.
func end(c map[string]any, result string) {
	if c["state"] != "ended" {
		c["state"], c["result"], c["endedAt"] = "ended", result, time.Now()
	}
}

func (a *acme) finish(id provider.CallID, o provider.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.calls[string(id)]
	if o == provider.OutcomeNoAnswer {
		delete(c, "answeredAt")
		end(c, "silence")
		return
	}
	end(c, "talked")
}

// next sets what becomes of the next POST.
func (a *acme) next(set func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set()
}

var errLost = errors.New("the connection closes without an answer")

// start serves a fresh acme and returns a provider for it. Its connections are really
// dialled, or really fail to be.
func start(t *testing.T) (*acme, *Acme) {
	t.Helper()
	platform := &acme{calls: map[string]map[string]any{}}
	server := httptest.NewServer(platform)
	t.Cleanup(server.Close)
	p := New(server.URL, token)
	p.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		platform.mu.Lock()
		down := platform.down
		platform.down = false
		platform.mu.Unlock()
		if down {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return platform, p
}

func TestConformance(t *testing.T) {
	var platform *acme
	providertest.Run(t, providertest.Harness{
		New: func(t *testing.T) provider.Provider {
			t.Helper()
			var p *Acme
			platform, p = start(t)
			return p
		},
		Request: func(key string) provider.Request {
			return provider.Request{Key: key, To: "+12025550123", AgentID: "agent-1", RingTimeout: 30 * time.Second, MaxDuration: time.Minute}
		},
		Dials: func() int {
			platform.mu.Lock()
			defer platform.mu.Unlock()
			return platform.dials
		},
		LoseReply: func() { platform.next(func() { platform.after = lost }) },
		Trouble:   func(k providertest.Trouble) { platform.next(func() { platform.after = troubles[k] }) },
		Refuse: func(k provider.Kind) {
			platform.next(func() { platform.refuse, platform.down = refusals[k], k == provider.KindUnavailable })
		},
		Finish: func(id provider.CallID, o provider.Outcome) { platform.finish(id, o) },
		Cannot: map[string]string{
			"Trouble/find_lag": "acme cannot look up a call by its key, so there is no Find that could lag",
		},
	})
}

func lost(http.ResponseWriter, *http.Request) error { return errLost }

var troubles = map[providertest.Trouble]func(w http.ResponseWriter, r *http.Request) error{
	providertest.FaultAfterAccept: func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusBadGateway)
		return nil
	},
	providertest.ClosedConnection: lost,
	providertest.Slow: func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return errLost
	},
}

var refusals = map[provider.Kind]int{
	provider.KindInvalidRequest: http.StatusBadRequest, provider.KindUnauthenticated: http.StatusForbidden,
	provider.KindNotFound: http.StatusNotFound, provider.KindRejected: http.StatusPaymentRequired,
	provider.KindRateLimited: http.StatusTooManyRequests,
}

// A redirect proves nothing and is not followed: its target would ring, too.
func TestRedirect(t *testing.T) {
	platform, p := start(t)
	platform.after = func(w http.ResponseWriter, r *http.Request) error {
		http.Redirect(w, r, "/calls/", http.StatusTemporaryRedirect)
		return nil
	}
	_, err := p.Place(t.Context(), provider.Request{Key: "t1/1", To: "+12025550123"})
	if !errors.Is(err, provider.ErrOutcomeUnknown) || platform.dials != 1 {
		t.Errorf("got %v after %d dials", err, platform.dials)
	}
}

// What a 200 says must make sense, or nothing is proved.
func TestUnreadable(t *testing.T) {
	for _, body := range []string{"", "{}", "<html>", `{"id":7}`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		_, err := New(server.URL, token).Place(t.Context(), provider.Request{Key: "t1/1", To: "+12025550123"})
		server.Close()
		if !errors.Is(err, provider.ErrOutcomeUnknown) {
			t.Errorf("%q: got %v", body, err)
		}
	}
}

func TestUnmappedResult(t *testing.T) {
	platform, p := start(t)
	c, err := p.Place(t.Context(), provider.Request{Key: "t1/1", To: "+12025550123"})
	if err != nil {
		t.Fatal(err)
	}
	end(platform.calls[string(c.ID)], "line_noise")
	c, err = p.Get(t.Context(), c.ID)
	if err != nil || c.Outcome != provider.OutcomeUnknown || c.Reason != "line_noise" {
		t.Errorf("got %+v, %v", c, err)
	}
}
