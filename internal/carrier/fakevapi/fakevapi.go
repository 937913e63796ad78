// Package fakevapi is Vapi's HTTP API over a scripted telephone network.
//
// It speaks the protocol as far as calls go: POST /call with the API's strict
// validation, GET /call and /call/{id}, DELETE /call/{id}, the control URL of a call,
// and webhooks. What becomes of a call is the carrier's script for its number. It
// can be troubled in the ways that a real platform is ([Server.Inject] and others).
//
// Of this module it imports package carrier only, so that it may run as a process
// of its own, as a witness from outside.
//
// Sources of the protocol: Vapi's OpenAPI document of 2026-08-18 and answers seen in
// the wild; where nothing is documented the fake does what is hardest on a client
// (DELETE of a live call erases its record and lets it ring on).
package fakevapi

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

// Config of a Server.
type Config struct {
	// Network is where calls are made. Required.
	Network *carrier.Network
	// Token is the key that requests must bear; empty takes any, but not none.
	Token string
	// KeyField is where the caller's correlation key is in a call's metadata; the
	// carrier writes it into its ledger. Default "voice_key".
	KeyField string
	// AnalysisLag is how long after its end a call gets its transcript, summary
	// and cost, and its end-of-call report is sent.
	AnalysisLag time.Duration
	// RingLimit is for calls that do not say how long to ring. Default 60 s.
	RingLimit time.Duration
	// Second is how long a second of the API's lasts: of maxDurationSeconds, ring
	// timeouts and pauses between webhooks. Default 1 s.
	Second time.Duration
	// Webhooks sends the webhooks. Default: a client with a timeout of 20 s.
	Webhooks *http.Client
	// Check, when set, is asked about each request to the API (control URLs are
	// none) with its body, which it may also read from r. An error of it is kept
	// for Violations and answered with 400. It is how a test holds requests against
	// the vendor's own document.
	Check func(r *http.Request, body []byte) error
	// MaxCalls bounds what is remembered: then the oldest ended call goes.
	// Default 100,000.
	MaxCalls int
}

// Server is the fake. It is safe for concurrent use.
type Server struct {
	cfg Config
	mux *http.ServeMux

	mu       sync.Mutex
	calls    map[string]*call
	order    []*call // oldest first
	limited  map[string]bool
	posts    int
	postsFor map[string]int // by correlation key
	faults   []Fault
	findLag  time.Duration
	hooks    Webhooks
	checked  int
	breaches []error
	closed   chan struct{}
	once     sync.Once
	busy     sync.WaitGroup // webhooks on their way
}

// New returns a Server without calls.
func New(cfg Config) (*Server, error) {
	if cfg.Network == nil {
		return nil, errors.New("fakevapi: Config.Network is nil")
	}
	if cfg.KeyField == "" {
		cfg.KeyField = "voice_key"
	}
	if cfg.RingLimit <= 0 {
		cfg.RingLimit = 60 * time.Second
	}
	if cfg.Second <= 0 {
		cfg.Second = time.Second
	}
	if cfg.Webhooks == nil {
		cfg.Webhooks = &http.Client{Timeout: 20 * time.Second}
	}
	if cfg.MaxCalls <= 0 {
		cfg.MaxCalls = 100_000
	}
	s := &Server{
		cfg: cfg, mux: http.NewServeMux(), closed: make(chan struct{}),
		calls: map[string]*call{}, limited: map[string]bool{}, postsFor: map[string]int{},
	}
	s.mux.Handle("POST /call", s.authorized(s.create))
	s.mux.Handle("GET /call", s.authorized(s.list))
	s.mux.Handle("GET /call/{id}", s.authorized(s.get))
	s.mux.Handle("DELETE /call/{id}", s.authorized(s.remove))
	s.mux.HandleFunc("POST /control/{id}/{secret}", s.control)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "Cannot "+r.Method+" "+r.URL.Path)
	})
	return s, nil
}

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Check != nil && !strings.HasPrefix(r.URL.Path, "/control/") && !s.lawful(w, r) {
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Close stops the sending of webhooks and waits for those on their way. Calls on
// the network go on.
func (s *Server) Close() {
	s.once.Do(func() {
		s.mu.Lock()
		close(s.closed)
		s.mu.Unlock()
	})
	s.busy.Wait()
}

// Posts counts the requests POST /call that arrived with a body, whatever became of
// them: under one correlation key, or in all for "".
func (s *Server) Posts(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == "" {
		return s.posts
	}
	return s.postsFor[key]
}

// Finish ends a live call for a reason of the caller's choice, as if the callee had
// done it. It reports false for a call that is unknown or has ended.
func (s *Server) Finish(id, endedReason string) bool {
	s.mu.Lock()
	c := s.calls[id]
	if c == nil || c.status == statusEnded {
		s.mu.Unlock()
		return false
	}
	c.forced = endedReason
	leg := c.leg
	if leg == nil {
		s.end(c, endedReason, time.Now())
	}
	s.mu.Unlock()
	if leg != nil {
		leg.Hangup()
	}
	return true
}
