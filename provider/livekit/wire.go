package livekit

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The part of LiveKit's protocol that is used here, as JSON. LiveKit reads both
// spellings of a field; it answers requests in snake_case and sends webhooks in
// camelCase. Only what is listed is ever decoded or kept, so no secret of a room
// can travel on.

type createRoomRequest struct {
	Name             string          `json:"name"`
	EmptyTimeout     int             `json:"empty_timeout,omitempty"`
	DepartureTimeout int             `json:"departure_timeout,omitempty"`
	Metadata         string          `json:"metadata,omitempty"`
	Agents           []agentDispatch `json:"agents,omitempty"`
	Egress           json.RawMessage `json:"egress,omitempty"` // RoomEgress
}

type agentDispatch struct {
	AgentName string `json:"agent_name"`
	Metadata  string `json:"metadata,omitempty"`
}

type sipRequest struct {
	SIPTrunkID            string            `json:"sip_trunk_id"`
	SIPCallTo             string            `json:"sip_call_to"`
	SIPNumber             string            `json:"sip_number,omitempty"`
	RoomName              string            `json:"room_name"`
	ParticipantIdentity   string            `json:"participant_identity"`
	ParticipantName       string            `json:"participant_name,omitempty"`
	ParticipantAttributes map[string]string `json:"participant_attributes"`
	RingingTimeout        wireDuration      `json:"ringing_timeout"`
	MaxCallDuration       wireDuration      `json:"max_call_duration"`
	WaitUntilAnswered     bool              `json:"wait_until_answered"`
	SIPOptions
}

type room struct {
	Name         string   `json:"name"`
	SID          string   `json:"sid,omitempty"`
	Metadata     string   `json:"metadata,omitempty"`
	CreationTime wireTime `json:"creation_time,omitzero"`
}

func (r *room) UnmarshalJSON(b []byte) error {
	type plain room
	both := struct {
		*plain
		Camel wireTime `json:"creationTime"`
	}{plain: (*plain)(r)}
	if err := json.Unmarshal(b, &both); err != nil {
		return err
	}
	r.CreationTime = r.CreationTime.or(both.Camel)
	return nil
}

// Kinds and states of participants, as LiveKit spells them.
const (
	kindSIP      = "SIP"
	kindAgent    = "AGENT"
	stateActive  = "ACTIVE"
	attrStatus   = "sip.callStatus"
	attrCallFull = "sip.callIDFull"
	attrCallTag  = "sip.callTag"
	attrAnswered = "lk.sip.answerTime" // Unix milliseconds; newer servers
)

type participant struct {
	SID              string            `json:"sid,omitempty"`
	Identity         string            `json:"identity"`
	State            wireEnum          `json:"state,omitempty"`
	Kind             wireEnum          `json:"kind,omitempty"`
	Attributes       map[string]string `json:"attributes,omitempty"`
	Metadata         string            `json:"metadata,omitempty"`
	JoinedAt         wireTime          `json:"joined_at,omitzero"`
	DisconnectReason wireEnum          `json:"disconnect_reason,omitempty"`
}

func (p *participant) UnmarshalJSON(b []byte) error {
	type plain participant
	both := struct {
		*plain
		JoinedAt         wireTime `json:"joinedAt"`
		DisconnectReason wireEnum `json:"disconnectReason"`
	}{plain: (*plain)(p)}
	if err := json.Unmarshal(b, &both); err != nil {
		return err
	}
	p.JoinedAt = p.JoinedAt.or(both.JoinedAt)
	if p.DisconnectReason == "" {
		p.DisconnectReason = both.DisconnectReason
	}
	return nil
}

// wireTime is a time in Unix seconds, sent as a number or as a string. One that has
// no date in JSON is none.
type wireTime struct{ time.Time }

// writable is t, or zero if t is outside the years that JSON can hold: such a date
// would keep its whole call from being written down.
func writable(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func (t wireTime) or(u wireTime) wireTime {
	if t.IsZero() {
		return u
	}
	return t
}

func (t wireTime) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatInt(t.Unix(), 10)), nil
}

func (t *wireTime) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, `"`))
	if s == "" || s == "null" || s == "0" {
		return nil
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return err
	}
	t.Time = writable(time.Unix(sec, 0))
	return nil
}

// wireEnum is a name; a number (a value newer than the sender's own library) is
// kept as its digits.
type wireEnum string

func (e *wireEnum) UnmarshalJSON(b []byte) error {
	*e = wireEnum(bytes.Trim(b, `"`))
	if *e == "null" {
		*e = ""
	}
	return nil
}

// wireDuration is google.protobuf.Duration.
type wireDuration time.Duration

func (d wireDuration) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatFloat(time.Duration(d).Seconds(), 'f', -1, 64) + `s"`), nil
}

// roomData is what this package keeps in a room's metadata.
type roomData struct {
	Key        string    `json:"voice_key"`
	TaskID     string    `json:"voice_task_id,omitempty"`
	AgentDials bool      `json:"voice_agent_dials,omitempty"`
	AnsweredAt time.Time `json:"voice_answered_at,omitzero"`
}

// fieldAnswered is the field of roomData that is set later.
const fieldAnswered = "voice_answered_at"

// dataOf is not ok for a room that is not ours, or no longer.
func dataOf(metadata string) (roomData, bool) {
	var d roomData
	if !strings.Contains(metadata, `"voice_key"`) || json.Unmarshal([]byte(metadata), &d) != nil {
		return roomData{}, false
	}
	return d, d.Key != ""
}

// dataOf is what r says about the dial of that ref; zero if it is another's.
func (r room) dataOf(of ref) roomData {
	if d, ok := dataOf(r.Metadata); ok && identityFor(d.Key) == of.identity {
		return d
	}
	return roomData{}
}

// withField returns metadata with one field set and whatever else somebody put there
// kept.
func withField(metadata, name string, value any) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(metadata), &fields); err != nil {
		return "", err
	}
	v, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	fields[name] = v
	b, err := json.Marshal(fields)
	return string(b), err
}

// task is the metadata of the agent's dispatch: what the agent needs to know.
type task struct {
	Key                 string            `json:"key"`
	TaskID              string            `json:"task_id,omitempty"`
	AgentID             string            `json:"agent_id,omitempty"`
	RoomName            string            `json:"room_name"`
	ParticipantIdentity string            `json:"participant_identity"`
	Attributes          map[string]string `json:"participant_attributes,omitempty"`
	ToName              string            `json:"to_name,omitempty"`
	Instructions        string            `json:"instructions,omitempty"`
	ModelConfig         json.RawMessage   `json:"model_config,omitempty"`
	Data                json.RawMessage   `json:"data,omitempty"`
	// Only for an agent that dials.
	PhoneNumber     string  `json:"phone_number,omitempty"`
	SIPTrunkID      string  `json:"sip_trunk_id,omitempty"`
	SIPNumber       string  `json:"sip_number,omitempty"`
	RingingTimeout  float64 `json:"ringing_timeout,omitempty"`
	MaxCallDuration float64 `json:"max_call_duration,omitempty"`
	// SIPOptions are what Config.SIP says, spelt as CreateSIPParticipant has them.
	SIPOptions *SIPOptions `json:"sip_options,omitempty"`
}

// raw is the vendor's object for hosts that decorate: the decoded part of it.
func raw(r *room, ps ...participant) json.RawMessage {
	b, err := json.Marshal(struct {
		Room         *room         `json:"room,omitempty"`
		Participants []participant `json:"participants,omitempty"`
	}{r, ps})
	if err != nil {
		return nil
	}
	return b
}
