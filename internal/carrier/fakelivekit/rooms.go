package fakelivekit

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

const (
	defaultEmpty     = 300 * time.Second
	defaultDeparture = 20 * time.Second
)

type room struct {
	sid, name, metadata string
	empty, departure    time.Duration
	created             time.Time
	participants        map[string]*participant // by identity
	dispatches          []*dispatch
	joined              bool // somebody other than an agent has been here
	generation          int  // of the closing timer
	gone                bool
}

type participant struct {
	sid, identity, name, kind string
	metadata                  string
	attributes                map[string]string
	joinedAt                  time.Time
	hiddenUntil               time.Time
	call                      *call // of a callee
}

// closeLater arms the timer of a room in which nobody but agents is. s.mu is held.
func (s *Server) closeLater(r *room) {
	r.generation++
	for _, p := range r.participants {
		if p.kind != "AGENT" {
			return
		}
	}
	d := r.empty
	if r.joined {
		d = r.departure
	}
	if s.cfg.MaxLinger > 0 {
		d = min(d, s.cfg.MaxLinger)
	}
	generation := r.generation
	s.after(d, func() {
		s.mu.Lock()
		if r.gone || r.generation != generation {
			s.mu.Unlock()
			return
		}
		after := s.closeRoom(r, "ROOM_CLOSED", "ROOM_END_IDLE_TIMEOUT")
		s.mu.Unlock()
		run(after)
	})
}

// closeRoom removes everybody; what it returns is to be run without s.mu, which is
// held here.
func (s *Server) closeRoom(r *room, reason, end string) (after []func()) {
	for _, id := range slices.Sorted(maps.Keys(r.participants)) {
		after = append(after, s.leave(r, r.participants[id], reason)...)
	}
	r.gone = true
	delete(s.rooms, r.name)
	s.emit(r, event{Event: "room_finished", Room: r.camel(), RoomEndReason: end})
	return after
}

// openRoom returns the room of that name and whether it is new. s.mu is held.
func (s *Server) openRoom(name string, empty, departure time.Duration, metadata string) (*room, bool) {
	if r := s.rooms[name]; r != nil {
		return r, false
	}
	if empty == 0 {
		empty = defaultEmpty
	}
	if departure == 0 {
		departure = defaultDeparture
	}
	r := &room{
		sid: newID("RM"), name: name, metadata: metadata, empty: empty, departure: departure,
		created: time.Now().UTC(), participants: map[string]*participant{},
	}
	s.rooms[name] = r
	s.emit(r, event{Event: "room_started", Room: r.camel()})
	s.closeLater(r)
	return r, true
}

func (s *Server) createRoom(x *exchange) (any, *twirpErr) {
	var in struct {
		Name             string  `json:"name"`
		EmptyTimeout     float64 `json:"empty_timeout"`
		DepartureTimeout float64 `json:"departure_timeout"`
		Metadata         string  `json:"metadata"`
		Agents           []struct {
			AgentName string `json:"agent_name"`
			Metadata  string `json:"metadata"`
		} `json:"agents"`
	}
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := need(x.grants.Video.RoomCreate); e != nil {
		return nil, e
	}
	if in.Name == "" || len(in.Name) > 256 {
		return nil, refuse("invalid_argument", "room name exceeds limits")
	}
	s.mu.Lock()
	r, fresh := s.openRoom(in.Name, seconds(in.EmptyTimeout), seconds(in.DepartureTimeout), in.Metadata)
	rings := false
	if fresh {
		for _, a := range in.Agents {
			d := s.dispatch(r, a.AgentName, a.Metadata)
			rings = rings || d.task.PhoneNumber != ""
		}
		if len(in.Agents) == 0 {
			s.dispatch(r, "", "")
		}
	}
	out := r.snake()
	var f Fault
	if rings {
		f = s.faults.take()
	}
	s.mu.Unlock()
	return out, x.suffer(f, nil)
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

func (s *Server) deleteRoom(x *exchange) (any, *twirpErr) {
	var in struct {
		Room string `json:"room"`
	}
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := need(x.grants.Video.RoomCreate); e != nil {
		return nil, e
	}
	if !s.DeleteRoom(in.Room) {
		return nil, refuse("not_found", "requested room does not exist")
	}
	return struct{}{}, nil
}

// DeleteRoom does what the API's DeleteRoom does, which is also how agents hang up.
// It reports whether there was such a room.
func (s *Server) DeleteRoom(name string) bool {
	s.mu.Lock()
	r := s.rooms[name]
	if r == nil {
		s.mu.Unlock()
		return false
	}
	after := s.closeRoom(r, "ROOM_DELETED", "ROOM_END_API_DELETE")
	s.mu.Unlock()
	run(after)
	return true
}

func (s *Server) listRooms(x *exchange) (any, *twirpErr) {
	var in struct {
		Names []string `json:"names"`
	}
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := need(x.grants.Video.RoomList); e != nil {
		return nil, e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []object{}
	for _, name := range slices.Sorted(maps.Keys(s.rooms)) {
		if len(in.Names) == 0 || slices.Contains(in.Names, name) {
			out = append(out, s.rooms[name].snake())
		}
	}
	return object{"rooms": out}, nil
}

func (s *Server) listParticipants(x *exchange) (any, *twirpErr) {
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
	out := []object{} // a room that is not there is an empty list
	if r := s.rooms[in.Room]; r != nil {
		for _, id := range slices.Sorted(maps.Keys(r.participants)) {
			if p := r.participants[id]; time.Now().After(p.hiddenUntil) {
				out = append(out, p.snake())
			}
		}
	}
	return object{"participants": out}, nil
}

func (s *Server) updateRoomMetadata(x *exchange) (any, *twirpErr) {
	var in struct {
		Room     string `json:"room"`
		Metadata string `json:"metadata"`
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
		return nil, refuse("not_found", "requested room does not exist")
	}
	if in.Metadata != "" {
		r.metadata = in.Metadata
	}
	return r.snake(), nil
}

func (s *Server) removeParticipant(x *exchange) (any, *twirpErr) {
	var in struct {
		Room     string `json:"room"`
		Identity string `json:"identity"`
	}
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := x.admin(in.Room); e != nil {
		return nil, e
	}
	s.mu.Lock()
	r := s.rooms[in.Room]
	if r == nil || r.participants[in.Identity] == nil {
		s.mu.Unlock()
		return nil, refuse("not_found", "participant not found")
	}
	after := s.leave(r, r.participants[in.Identity], "PARTICIPANT_REMOVED")
	s.mu.Unlock()
	run(after)
	return struct{}{}, nil
}

// object is JSON with the names that LiveKit gives it: snake_case and complete in
// answers, camelCase and without zeros in webhooks; 64-bit integers are strings.
type object = map[string]any

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func (r *room) snake() object {
	return object{
		"sid": r.sid, "name": r.name, "metadata": r.metadata, "creation_time": unix(r.created),
		"creation_time_ms": strconv.FormatInt(r.created.UnixMilli(), 10), "turn_password": "turn-secret",
		"empty_timeout": int(r.empty.Seconds()), "departure_timeout": int(r.departure.Seconds()),
		"num_participants": len(r.participants), "active_recording": false, "enabled_codecs": []object{{"mime": "audio/opus", "fmtp_line": ""}},
	}
}

func (r *room) camel() object {
	o := object{"sid": r.sid, "name": r.name, "creationTime": unix(r.created), "turnPassword": "turn-secret"}
	if r.metadata != "" {
		o["metadata"] = r.metadata
	}
	return o
}

func (p *participant) snake() object {
	return object{
		"sid": p.sid, "identity": p.identity, "name": p.name, "state": "ACTIVE", "kind": p.kind, "metadata": p.metadata,
		"attributes": maps.Clone(p.attributes), "joined_at": unix(p.joinedAt), "joined_at_ms": strconv.FormatInt(p.joinedAt.UnixMilli(), 10),
		"disconnect_reason": "UNKNOWN_REASON", "tracks": []object{}, "is_publisher": true, "region": "", "version": 1,
	}
}

func (p *participant) camel(reason string) object {
	o := object{"sid": p.sid, "identity": p.identity, "state": "ACTIVE", "kind": p.kind, "joinedAt": unix(p.joinedAt)}
	if len(p.attributes) > 0 {
		o["attributes"] = maps.Clone(p.attributes)
	}
	if p.metadata != "" {
		o["metadata"] = p.metadata
	}
	if reason != "" {
		o["state"], o["disconnectReason"] = "DISCONNECTED", reason
	}
	return o
}
