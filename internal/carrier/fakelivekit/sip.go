package fakelivekit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

const (
	defaultRing = 3 * time.Minute // what LiveKit's SIP service takes when not told
	defaultMost = 24 * time.Hour
	waitLimit   = 80 * time.Second // the API gives up waiting; the call goes on
)

// call is a callee's leg and what its request waits for.
type call struct {
	room     *room
	p        *participant
	info     object // the answer to the request
	leg      *carrier.Leg
	answered bool
	over     bool
	verdict  chan struct{} // closed at the answer or at the end before one
	err      *twirpErr     // of an end before the answer
	decided  bool
}

func (c *call) decide(e *twirpErr) {
	if !c.decided {
		c.decided, c.err = true, e
		close(c.verdict)
	}
}

type sipRequest struct {
	SIPTrunkID            string            `json:"sip_trunk_id"`
	SIPCallTo             string            `json:"sip_call_to"`
	SIPNumber             string            `json:"sip_number"`
	RoomName              string            `json:"room_name"`
	ParticipantIdentity   string            `json:"participant_identity"`
	ParticipantName       string            `json:"participant_name"`
	ParticipantAttributes map[string]string `json:"participant_attributes"`
	RingingTimeout        string            `json:"ringing_timeout"`
	MaxCallDuration       string            `json:"max_call_duration"`
	WaitUntilAnswered     bool              `json:"wait_until_answered"`
	key                   string            // for the ledger
}

func (s *Server) createSIPParticipant(x *exchange) (any, *twirpErr) {
	var in sipRequest
	if e := x.decode(&in); e != nil {
		return nil, e
	}
	if e := need(x.grants.SIP.Call); e != nil {
		return nil, e
	}
	in.key = in.ParticipantAttributes[s.cfg.KeyAttribute]
	c, f, after, e := s.dialOut(in)
	if e != nil {
		return nil, e
	}
	run(after)
	if f != "" && f != LoseReply {
		return c.info, x.suffer(f, nil)
	}
	if in.WaitUntilAnswered {
		select {
		case <-c.verdict:
		case <-x.r.Context().Done(): // nobody waits any more; the call goes on
			return nil, plain(499)
		case <-time.After(waitLimit):
			return nil, refuse("deadline_exceeded", "request timed out")
		}
		s.mu.Lock()
		e = c.err
		s.mu.Unlock()
	}
	return c.info, x.suffer(f, e)
}

// dialOut brings a callee in. It is not idempotent, as in LiveKit: somebody who is
// there under the same identity is thrown out first.
func (s *Server) dialOut(in sipRequest) (c *call, f Fault, after []func(), e *twirpErr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.checkSIP(in); e != nil {
		return nil, "", nil, e
	}
	if in.ParticipantIdentity == "" {
		in.ParticipantIdentity = "sip_" + in.SIPCallTo
	}
	r, _ := s.openRoom(in.RoomName, 0, 0, "")
	if old := r.participants[in.ParticipantIdentity]; old != nil {
		after = s.leave(r, old, "DUPLICATE_IDENTITY")
	}
	p := &participant{
		sid: newID("PA"), identity: in.ParticipantIdentity, name: in.ParticipantName, kind: "SIP",
		joinedAt: time.Now().UTC(), hiddenUntil: s.faults.lag(), attributes: map[string]string{
			"sip.callID": newID("SCL"), "sip.trunkID": in.SIPTrunkID, "sip.phoneNumber": in.SIPCallTo,
			"sip.trunkPhoneNumber": in.SIPNumber, "sip.hostname": "carrier.example", "sip.callStatus": "dialing",
		},
	}
	for k, v := range in.ParticipantAttributes {
		p.attributes[k] = v
	}
	c = &call{room: r, p: p, verdict: make(chan struct{}), info: object{
		"participant_id": p.sid, "participant_identity": p.identity,
		"room_name": r.name, "sip_call_id": p.attributes["sip.callID"],
	}}
	p.call = c
	s.join(r, p)
	c.leg = s.cfg.Network.Dial(carrier.Dial{
		Number: in.SIPCallTo, Platform: "livekit", Call: r.name + "/" + p.identity, Key: in.key,
		RingLimit: duration(in.RingingTimeout, defaultRing), MaxDuration: duration(in.MaxCallDuration, defaultMost),
		Changed: func(*carrier.Leg) { s.changed(c) },
	})
	return c, s.faults.take(), after, nil
}

func (s *Server) checkSIP(in sipRequest) *twirpErr {
	switch {
	case in.SIPTrunkID == "" && in.SIPNumber == "":
		return refuse("invalid_argument", "missing sip trunk id and sip number")
	case in.SIPCallTo == "":
		return refuse("invalid_argument", "missing sip callee number")
	case strings.Contains(in.SIPCallTo, "@"):
		return refuse("invalid_argument", "SipCallTo should be a phone number or SIP user, not a full SIP URI")
	case in.RoomName == "":
		return refuse("invalid_argument", "missing room name")
	case !slices.Contains(s.cfg.Trunks, in.SIPTrunkID):
		return refuse("not_found", "requested sip trunk does not exist")
	}
	script := carrier.ScriptFor(in.SIPCallTo)
	if script.RefuseBad {
		return refuse("invalid_argument", "bad number "+in.SIPCallTo)
	}
	if script.RateLimited && !s.limited[in.SIPCallTo] {
		s.limited[in.SIPCallTo] = true
		return refuse("unavailable", "cpu exhausted") // as a SIP service over its limit says before it dials
	}
	return nil
}

func duration(text string, def time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return def
	}
	return d
}

// changed follows the leg. It may be called late or from two goroutines at once, so
// it goes by the leg's state now.
func (s *Server) changed(c *call) {
	s.mu.Lock()
	if c.over {
		s.mu.Unlock()
		return
	}
	now := c.leg.Snapshot()
	if !now.AnsweredAt.IsZero() && !c.answered {
		c.answered = true
		c.p.attributes["sip.callStatus"] = "active"
		c.p.attributes["sip.callIDFull"] = newID("full")
		c.p.attributes["sip.callTag"] = newID("tag")
		if now.Machine {
			s.tellMachine(c)
		}
		// Such events carry a stripped participant and a room without metadata.
		s.emit(c.room, event{Event: "track_published", Room: object{"sid": c.room.sid, "name": c.room.name}, Participant: object{"sid": c.p.sid, "identity": c.p.identity}})
		c.decide(nil)
	}
	if now.State == carrier.StateRinging {
		c.p.attributes["sip.callStatus"] = "ringing"
	}
	var after []func()
	if now.State == carrier.StateEnded {
		reason, e := s.endOf(now)
		if c.answered {
			c.p.attributes["sip.callStatus"] = "hangup"
		}
		c.decide(e)
		after = s.leave(c.room, c.p, reason)
	}
	s.mu.Unlock()
	run(after)
}

// endOf is what LiveKit makes of a leg's end: the reason in the webhook, and the
// error of a request that waits for an answer.
func (s *Server) endOf(leg carrier.Snapshot) (reason string, e *twirpErr) {
	if !leg.AnsweredAt.IsZero() {
		return "CLIENT_INITIATED", nil
	}
	switch leg.Cause {
	case carrier.CauseBusy:
		code := "resource_exhausted"
		if s.cfg.NewCodes {
			code = "failed_precondition"
		}
		return "USER_REJECTED", sipErr(code, 486, "Busy Here")
	case carrier.CauseDeclined:
		return "USER_REJECTED", sipErr("permission_denied", 603, "Decline")
	case carrier.CauseBadNumber:
		return "USER_UNAVAILABLE", sipErr("not_found", 404, "Not Found")
	case carrier.CauseNoAnswer:
		return "USER_UNAVAILABLE", refuse("canceled", "sip request timed out")
	}
	return "CLIENT_INITIATED", sipErr("failed_precondition", 503, "Service Unavailable")
}

func sipErr(code string, status int, text string) *twirpErr {
	e := refuse(code, fmt.Sprintf("INVITE failed: sip status: %d: %s", status, text))
	e.Meta = map[string]string{"sip_status_code": strconv.Itoa(status), "sip_status": text}
	return e
}

func (s *Server) join(r *room, p *participant) {
	r.participants[p.identity] = p
	if p.kind != "AGENT" {
		r.joined = true
	}
	r.generation++ // nobody closes it now
	s.emit(r, event{Event: "participant_joined", Room: r.camel(), Participant: p.camel("")})
	s.closeLater(r)
}

// leave removes p; what it returns hangs up and is to be run without s.mu, which is
// held here.
func (s *Server) leave(r *room, p *participant, reason string) (after []func()) {
	if r.participants[p.identity] != p {
		return nil
	}
	delete(r.participants, p.identity)
	s.emit(r, event{Event: "participant_left", Room: r.camel(), Participant: p.camel(reason)})
	if c := p.call; c != nil && !c.over {
		c.over = true
		// Thrown out while it rang: the same bytes as when nobody answers.
		c.decide(refuse("canceled", "sip request timed out"))
		if leg := c.leg; leg != nil {
			after = append(after, leg.Hangup)
		}
		s.sendAgentsHome(r)
	}
	s.closeLater(r)
	return after
}
