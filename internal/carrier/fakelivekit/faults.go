package fakelivekit

import (
	"net/http"
	"time"
)

// Fault troubles the next request that rings a phone: CreateSIPParticipant, or
// the CreateRoom or CreateDispatch that sends an agent who dials. It is always
// carried out.
type Fault string

// Faults for Trouble.
const (
	LoseReply        Fault = "lose_reply"         // carried out to its answer, which is lost
	FaultAfterAccept Fault = "fault_after_accept" // accepted, then an internal error
	CloseConnection  Fault = "close_connection"   // accepted, then the connection closes
	Slow             Fault = "slow"               // accepted, no answer while the client waits
)

type faults struct {
	next     []Fault
	refusals map[string][]*twirpErr
	hide     []time.Duration
	drop     func(event string) bool
	twice    func(event string) bool
}

// Trouble lets the next ringing request meet f.
func (s *Server) Trouble(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.next = append(s.faults.next, f)
}

// Refuse lets the next request of method ("CreateRoom") be refused, before anything
// is done, with a Twirp code, or for an empty code with plain text of that status.
func (s *Server) Refuse(method, code string, status int) {
	e := plain(status)
	switch code {
	case "":
	case "unavailable": // what LiveKit says where no SIP service answers
		e = refuse(code, "no response from servers")
	default:
		e = refuse(code, "refused by the test")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.refusals == nil {
		s.faults.refusals = map[string][]*twirpErr{}
	}
	s.faults.refusals[method] = append(s.faults.refusals[method], e)
}

// FindLag hides the next callee from ListParticipants for d.
func (s *Server) FindLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.hide = append(s.faults.hide, d)
}

// Show ends every FindLag: whoever was hidden is listed from now on.
func (s *Server) Show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rooms {
		for _, p := range r.participants {
			p.hiddenUntil = time.Time{}
		}
	}
}

// Webhooks drops the events that drop picks and doubles those that twice picks; nil
// picks none.
func (s *Server) Webhooks(drop, twice func(event string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.drop, s.faults.twice = drop, twice
}

// Restart is what a restart of the server does to a call: for d its participant is
// missing, then it is back under another sid, "dialing" again, with no word about
// the first one's leaving.
func (s *Server) Restart(roomName string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[roomName]
	if r == nil {
		return
	}
	for _, p := range r.participants {
		if p.kind == "SIP" {
			p.sid, p.hiddenUntil = newID("PA"), time.Now().Add(d)
			p.attributes["sip.callStatus"] = "dialing"
			delete(p.attributes, "sip.callIDFull")
			delete(p.attributes, "sip.callTag")
			s.emit(r, event{Event: "participant_joined", Room: r.camel(), Participant: p.camel("")})
		}
	}
}

func (f *faults) take() Fault { // s.mu is held
	if len(f.next) == 0 {
		return ""
	}
	first := f.next[0]
	f.next = f.next[1:]
	return first
}

func (f *faults) refusal(method string) *twirpErr { // s.mu is held
	rs := f.refusals[method]
	if len(rs) == 0 {
		return nil
	}
	f.refusals[method] = rs[1:]
	return rs[0]
}

func (f *faults) lag() time.Time { // s.mu is held
	if len(f.hide) == 0 {
		return time.Time{}
	}
	d := f.hide[0]
	f.hide = f.hide[1:]
	return time.Now().Add(d)
}

// suffer makes the client meet f instead of the answer; e is the answer's error.
func (x *exchange) suffer(f Fault, e *twirpErr) *twirpErr {
	switch f {
	case FaultAfterAccept:
		return refuse("internal", "internal error")
	case LoseReply, CloseConnection:
		panic(http.ErrAbortHandler)
	case Slow:
		<-x.r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	return e
}

// HangUp is the callee's hanging up; it reports whether there was one on the line.
func (s *Server) HangUp(roomName, identity string) bool {
	s.mu.Lock()
	var c *call
	if r := s.rooms[roomName]; r != nil && r.participants[identity] != nil {
		c = r.participants[identity].call
	}
	s.mu.Unlock()
	if c == nil {
		return false
	}
	c.leg.Hangup()
	return true
}

// DropAgents is what the death of a room's agents looks like.
func (s *Server) DropAgents(roomName, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[roomName]
	if r == nil {
		return
	}
	for _, p := range r.participants {
		if p.kind == "AGENT" {
			s.leave(r, p, reason)
		}
	}
}

// SetMetadata sets the metadata of the agents in a room, as they do themselves.
func (s *Server) SetMetadata(roomName, metadata string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[roomName]; r != nil {
		for _, p := range r.participants {
			if p.kind == "AGENT" {
				p.metadata = metadata
			}
		}
	}
}

// EndEgress tells of a recording of the room that was stored as location.
func (s *Server) EndEgress(roomName, filename, location string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[roomName]
	if r == nil {
		r = &room{name: roomName}
	}
	s.emit(r, event{Event: "egress_ended", Egress: object{
		"egressId": newID("EG"), "roomName": roomName, "status": "EGRESS_COMPLETE",
		"fileResults": []object{{"filename": filename, "location": location, "duration": "3000000000"}},
	}})
}

// AddAgent lets an agent join a room, as one that was lost and comes back.
func (s *Server) AddAgent(roomName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[roomName]; r != nil {
		s.join(r, &participant{sid: newID("PA"), identity: newID("agent"), kind: "AGENT", joinedAt: time.Now().UTC(), attributes: map[string]string{}})
	}
}
