// Package fakelivekit is LiveKit's Twirp API, as JSON, over a carrier.Network:
// rooms, participants, outbound SIP calls, agents, signed webhooks, and the ways in
// which all of it goes wrong.
//
// It behaves as measured on a real LiveKit with its SIP service: a second
// CreateSIPParticipant for the same identity rings again and cuts off the first,
// a wrong number answers with the same code as a wrong trunk, an agent that nobody
// runs is accepted without a word, a call leaves no history. Like package carrier it
// imports nothing of this module but that, and checks tokens itself, so that it is a
// witness from outside.
package fakelivekit

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

// Config of a Server.
type Config struct {
	Network           *carrier.Network // Required.
	APIKey, APISecret string           // Required: clients sign with them, and so do webhooks.
	Trunks            []string         // outbound trunks there are; default "ST_fake"
	Agents            []string         // names under which agents are registered
	AgentDelay        time.Duration    // from a dispatch to the agent's joining; default 10 ms
	AgentLinger       time.Duration    // from the callee's leaving to the agent's; default AgentDelay
	AgentDeletesRoom  bool             // the agent leaves by deleting the room, as LiveKit's own examples do
	KeyAttribute      string           // participant attribute that goes into the ledger as the key; default "voice.key"
	WebhookURL        string           // empty: none are sent
	WebhookRetries    []time.Duration  // after a 5xx; default 1, 3, 7 s
	MaxLinger         time.Duration    // caps the rooms' empty and departure timeouts, for tests
	NewCodes          bool             // 486 and 480 are failed_precondition, as in newer versions
}

// Server is an http.Handler. It is safe for concurrent use; Close it.
type Server struct {
	cfg Config

	mu       sync.Mutex
	rooms    map[string]*room
	queues   map[string]*queue // webhooks, by room name
	requests map[string]int    // by method
	limited  map[string]bool   // numbers whose rate limit was met
	faults   faults
	closed   bool
	done     chan struct{}
	busy     sync.WaitGroup
}

// New returns a Server with no rooms.
func New(cfg Config) *Server {
	if len(cfg.Trunks) == 0 {
		cfg.Trunks = []string{"ST_fake"}
	}
	if cfg.AgentDelay == 0 {
		cfg.AgentDelay = 10 * time.Millisecond
	}
	if cfg.AgentLinger == 0 {
		cfg.AgentLinger = cfg.AgentDelay
	}
	if cfg.KeyAttribute == "" {
		cfg.KeyAttribute = "voice.key"
	}
	if cfg.WebhookRetries == nil {
		cfg.WebhookRetries = []time.Duration{time.Second, 3 * time.Second, 7 * time.Second}
	}
	return &Server{
		cfg: cfg, rooms: map[string]*room{}, queues: map[string]*queue{},
		requests: map[string]int{}, limited: map[string]bool{}, done: make(chan struct{}),
	}
}

// Close hangs up all calls and stops webhooks, agents and timers.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	var after []func()
	for _, r := range s.rooms {
		after = append(after, s.closeRoom(r, "SERVER_SHUTDOWN", "ROOM_END_SERVER_SHUTDOWN")...)
	}
	close(s.done)
	s.mu.Unlock()
	run(after)
	s.busy.Wait()
}

// Requests counts the requests of one method so far, such as "CreateSIPParticipant".
func (s *Server) Requests(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[method]
}

// SetAgents replaces the names under which agents are registered.
func (s *Server) SetAgents(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Agents = slices.Clone(names)
}

// after runs f later, without s.mu, unless the server is closed first. s.mu is held.
func (s *Server) after(d time.Duration, f func()) {
	if s.closed {
		return
	}
	s.busy.Add(1)
	go func() {
		defer s.busy.Done()
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			f()
		case <-s.done:
		}
	}()
}

func run(fs []func()) {
	for _, f := range fs {
		f()
	}
}

// twirpErr is an answer that is not 200. With an empty code it is plain text, as
// from LiveKit's own check of tokens, or a proxy.
type twirpErr struct {
	status int
	header http.Header
	Code   string            `json:"code"`
	Msg    string            `json:"msg"`
	Meta   map[string]string `json:"meta,omitempty"`
}

var statusOf = map[string]int{
	"canceled": 408, "unknown": 500, "invalid_argument": 400, "malformed": 400, "deadline_exceeded": 408,
	"not_found": 404, "bad_route": 404, "already_exists": 409, "permission_denied": 403, "unauthenticated": 401,
	"resource_exhausted": 429, "failed_precondition": 412, "aborted": 409, "out_of_range": 400,
	"unimplemented": 501, "internal": 500, "unavailable": 503, "dataloss": 503,
}

func refuse(code, msg string) *twirpErr {
	return &twirpErr{status: statusOf[code], Code: code, Msg: msg}
}

func plain(status int) *twirpErr {
	return &twirpErr{status: status, Msg: http.StatusText(status)}
}

func (e *twirpErr) write(w http.ResponseWriter) {
	for k, v := range e.header {
		w.Header()[k] = v
	}
	if e.Code == "" {
		http.Error(w, e.Msg, e.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(e)
}

// exchange is one request being served.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	grants grants
}

func (x *exchange) decode(v any) *twirpErr {
	if err := json.Unmarshal(x.body, v); err != nil {
		return refuse("malformed", "the json request could not be decoded")
	}
	return nil
}

// ServeHTTP serves /twirp/livekit.<Service>/<Method>.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/twirp/livekit.")
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	_, method, _ := strings.Cut(path, "/")
	s.mu.Lock()
	s.requests[method]++
	refusal := s.faults.refusal(method)
	s.mu.Unlock()
	x := &exchange{w: w, r: r, body: body}
	var out any
	e := x.authenticate(s.cfg.APIKey, s.cfg.APISecret)
	switch {
	case e != nil:
	case refusal != nil:
		e = refusal
	default:
		out, e = s.serve(path, x)
	}
	if e != nil {
		e.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

func (s *Server) serve(path string, x *exchange) (any, *twirpErr) {
	switch path {
	case "RoomService/CreateRoom":
		return s.createRoom(x)
	case "RoomService/DeleteRoom":
		return s.deleteRoom(x)
	case "RoomService/ListRooms":
		return s.listRooms(x)
	case "RoomService/ListParticipants":
		return s.listParticipants(x)
	case "RoomService/UpdateRoomMetadata":
		return s.updateRoomMetadata(x)
	case "RoomService/RemoveParticipant":
		return s.removeParticipant(x)
	case "AgentDispatchService/CreateDispatch":
		return s.createDispatch(x)
	case "AgentDispatchService/ListDispatch":
		return s.listDispatch(x)
	case "SIP/CreateSIPParticipant":
		return s.createSIPParticipant(x)
	}
	return nil, refuse("bad_route", "no handler for path "+strconv.Quote(x.r.URL.Path))
}

func newID(prefix string) string { return fmt.Sprintf("%s_%012x", prefix, rand.Uint64()&(1<<48-1)) }
