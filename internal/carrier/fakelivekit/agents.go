package fakelivekit

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// What the simulated agent says about a machine that answered.
const (
	attrOutcome      = "voice.outcome"
	outcomeVoicemail = "voicemail"
)

type dispatch struct {
	id, agent, metadata string
	created             time.Time
	task                task
}

// task is what an agent reads in its dispatch's metadata. One with a phone number
// dials by itself.
type task struct {
	Key                   string            `json:"key"`
	PhoneNumber           string            `json:"phone_number"`
	SIPTrunkID            string            `json:"sip_trunk_id"`
	SIPNumber             string            `json:"sip_number"`
	ParticipantIdentity   string            `json:"participant_identity"`
	ParticipantAttributes map[string]string `json:"participant_attributes"`
	RingingTimeout        float64           `json:"ringing_timeout"`
	MaxCallDuration       float64           `json:"max_call_duration"`
}

// dispatch notes a job; if an agent of that name is registered, it comes. An
// unknown name is accepted all the same. s.mu is held.
func (s *Server) dispatch(r *room, agent, metadata string) *dispatch {
	d := &dispatch{id: newID("AD"), agent: agent, metadata: metadata, created: time.Now().UTC()}
	_ = json.Unmarshal([]byte(metadata), &d.task) // metadata may be anything
	r.dispatches = append(r.dispatches, d)
	if agent != "" && slices.Contains(s.cfg.Agents, agent) {
		s.after(s.cfg.AgentDelay, func() { s.agentJoins(r, d) })
	}
	return d
}

func (s *Server) agentJoins(r *room, d *dispatch) {
	s.mu.Lock()
	if r.gone {
		s.mu.Unlock()
		return
	}
	s.join(r, &participant{
		sid: newID("PA"), identity: "agent-" + d.id, kind: "AGENT",
		joinedAt: time.Now().UTC(), attributes: map[string]string{"lk.agent.state": "listening"},
	})
	s.mu.Unlock()
	t := d.task
	if t.PhoneNumber == "" {
		return
	}
	trunk := t.SIPTrunkID
	if trunk == "" {
		trunk = s.cfg.Trunks[0]
	}
	_, _, after, err := s.dialOut(sipRequest{
		SIPTrunkID: trunk, SIPCallTo: t.PhoneNumber, SIPNumber: t.SIPNumber, RoomName: r.name, key: t.Key,
		ParticipantIdentity: t.ParticipantIdentity, ParticipantAttributes: t.ParticipantAttributes,
		RingingTimeout: goSeconds(t.RingingTimeout), MaxCallDuration: goSeconds(t.MaxCallDuration),
	})
	run(after)
	if err != nil { // an agent that cannot dial goes home
		s.mu.Lock()
		s.sendAgentsHome(r)
		s.mu.Unlock()
	}
}

func goSeconds(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64) + "s"
}

// sendAgentsHome lets the agents notice that the callee has left. s.mu is held.
func (s *Server) sendAgentsHome(r *room) {
	if r.gone {
		return
	}
	s.after(s.cfg.AgentLinger, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.gone || hasKind(r, "SIP") { // somebody is there again
			return
		}
		if s.cfg.AgentDeletesRoom && hasKind(r, "AGENT") {
			s.closeRoom(r, "ROOM_DELETED", "ROOM_END_API_DELETE")
			return
		}
		for _, p := range r.participants {
			if p.kind == "AGENT" {
				s.leave(r, p, "CLIENT_INITIATED")
			}
		}
	})
}

func hasKind(r *room, kind string) bool {
	for _, p := range r.participants {
		if p.kind == kind {
			return true
		}
	}
	return false
}

// tellMachine is the agent finding out that it talks to a machine. s.mu is held.
func (s *Server) tellMachine(c *call) {
	for _, p := range c.room.participants {
		if p.kind == "AGENT" {
			p.attributes[attrOutcome] = outcomeVoicemail
			c.p.attributes[attrOutcome] = outcomeVoicemail
		}
	}
}

// SetAttributes sets attributes of the agents in a room, as they do themselves.
func (s *Server) SetAttributes(roomName string, attributes map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[roomName]; r != nil {
		for _, p := range r.participants {
			for k, v := range attributes {
				if p.kind == "AGENT" {
					p.attributes[k] = v
				}
			}
		}
	}
}

func (s *Server) createDispatch(x *exchange) (any, *twirpErr) {
	var in struct {
		AgentName string `json:"agent_name"`
		Room      string `json:"room"`
		Metadata  string `json:"metadata"`
	}
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := x.admin(in.Room); e != nil {
		return nil, e
	}
	s.mu.Lock()
	r, _ := s.openRoom(in.Room, 0, 0, "")
	d := s.dispatch(r, in.AgentName, in.Metadata) // each request is another agent
	var f Fault
	if d.task.PhoneNumber != "" {
		f = s.faults.take()
	}
	out := d.snake(r)
	s.mu.Unlock()
	return out, x.suffer(f, nil)
}

func (s *Server) listDispatch(x *exchange) (any, *twirpErr) {
	var in struct {
		Room string `json:"room"`
	}
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := x.admin(in.Room); e != nil {
		return nil, e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[in.Room]
	if r == nil {
		return nil, refuse("unavailable", "no response from servers") // not distinguishable from an outage
	}
	out := []object{}
	for _, d := range r.dispatches {
		out = append(out, d.snake(r))
	}
	return object{"agent_dispatches": out}, nil
}

func (d *dispatch) snake(r *room) object {
	return object{
		"id": d.id, "agent_name": d.agent, "room": r.name, "metadata": d.metadata,
		"state": object{"created_at": strconv.FormatInt(d.created.UnixNano(), 10), "jobs": []object{}},
	}
}
