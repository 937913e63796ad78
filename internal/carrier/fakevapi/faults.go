package fakevapi

import (
	"net/http"
	"time"
)

// FaultKind is a kind of trouble that one POST /call meets.
type FaultKind string

// Kinds of faults. The first is met before the call is accepted, the others after.
const (
	Refuse           FaultKind = "refuse"            // nothing is placed; answered with Status, Body and Header
	LoseReply        FaultKind = "lose_reply"        // placed; the connection closes without an answer
	FailAfterAccept  FaultKind = "fail_after_accept" // placed; answered with Status (502) and Body (HTML)
	Slow             FaultKind = "slow"              // placed; no answer while the client waits
	TruncateReply    FaultKind = "truncate_reply"    // placed; the answer breaks off
	ReplyAsBatch     FaultKind = "reply_as_batch"    // placed; answered in the batch shape
	Schedule         FaultKind = "schedule"          // put off, "scheduled": not dialled until Release
	ClosedConnection FaultKind = "closed_connection" // as LoseReply; named for the client that reuses connections
	NoID             FaultKind = "no_id"             // placed; answered 201 without an id
)

// Fault is what one POST /call meets.
type Fault struct {
	Kind   FaultKind
	Status int
	Body   string
	Header http.Header
}

// maxFaults bounds the queue of Inject.
const maxFaults = 1000

// Inject makes the next POST /call meet f. Several are met one after the other.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, f)
	}
}

func (s *Server) nextFault() Fault { // s.mu is held
	if len(s.faults) == 0 {
		return Fault{}
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f
}

// FaultsLeft counts the faults that no request has met yet.
func (s *Server) FaultsLeft() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults)
}

// SetFindLag hides calls accepted from now on from GET for d.
func (s *Server) SetFindLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findLag = d
}

// Show ends every find lag: the calls there are can be found from now on.
func (s *Server) Show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		c.hiddenUntil = time.Time{}
	}
}

// Webhooks says what happens to webhooks.
type Webhooks struct {
	Drop      bool // they are not sent
	Duplicate bool // each is sent twice
}

// SetWebhooks changes what happens to webhooks from now on.
func (s *Server) SetWebhooks(w Webhooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = w
}

// loseReply closes the connection of a request without an answer.
func loseReply() { panic(http.ErrAbortHandler) }

// answerTrouble answers the POST that placed c as f has it. It reports false if f
// wants the plain answer.
func (s *Server) answerTrouble(w http.ResponseWriter, r *http.Request, f Fault, reply []byte) bool {
	switch f.Kind {
	case LoseReply, ClosedConnection:
		loseReply()
	case FailAfterAccept:
		if f.Status == 0 {
			f.Status = http.StatusBadGateway
		}
		if f.Body == "" {
			f.Body = "<html><body>Bad gateway</body></html>"
		}
		send(w, f)
	case Slow:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		loseReply()
	case TruncateReply:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(reply[:len(reply)/2])
	case NoID:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"status":"queued"}`))
	case ReplyAsBatch:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"results":[` + string(reply) + `],"errors":[],"subscriptionLimits":{"concurrencyBlocked":false}}`))
	default:
		return false
	}
	return true
}

func send(w http.ResponseWriter, f Fault) {
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Type") == "" && len(f.Body) > 0 && f.Body[0] == '{' {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body))
}
