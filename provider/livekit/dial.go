package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/superservices/voice/provider"
)

const (
	defaultRing        = 45 * time.Second
	maxRing            = 60 * time.Second // LiveKit itself gives up waiting at 80 s
	defaultMaxDuration = 15 * time.Minute
	answerMargin       = 15 * time.Second // beyond the ring limit
	// roomLinger is how long a room outlives its callee: the time in which any
	// process can learn by polling that an answered call is over.
	roomLinger = 60 * time.Second
	// unusedRoom is how long a room waits for its callee.
	unusedRoom = 60 * time.Second
	// idleAgentRoom is that for an agent which dials in its own time.
	idleAgentRoom = 5 * time.Minute
	// ringSlack: the ring limit is over if this much or less of it is left.
	ringSlack = time.Second
	// maxGap is the longest pause between two looks for the callee.
	maxGap = 2 * time.Second
	// aside bounds the requests that Place makes beside the dial.
	aside = 5 * time.Second
)

// dial is one Request, checked and with its names derived.
type dial struct {
	ref
	key, task  string
	to, from   string
	ring, most time.Duration
	req        provider.Request
	began      time.Time // when the ringing, or the agent, was asked for
	made       room      // as CreateRoom answered
	sip        SIPOptions
}

// call is the dial as it goes out.
func (d dial) call() provider.Call {
	return provider.Call{ID: d.id(), Key: d.key, Status: provider.StatusQueued, From: d.from, CreatedAt: d.began}
}

func (p *Provider) newDial(ctx context.Context, req provider.Request) (dial, error) {
	d := dial{key: req.Key, task: req.TaskID, from: req.From, ring: req.RingTimeout, most: req.MaxDuration, req: req}
	if d.task == "" {
		d.task, _, _ = provider.SplitKey(req.Key)
	}
	if d.from == "" {
		d.from = p.cfg.From
	}
	if d.ring <= 0 {
		d.ring = defaultRing
	}
	d.ring = min(d.ring, maxRing)
	if d.most <= 0 {
		d.most = defaultMaxDuration
	}
	d.to = strings.TrimPrefix(strings.TrimPrefix(req.To, "tel:"), "sip:")
	d.ref = ref{room: roomFor(req), identity: identityFor(req.Key)}
	switch {
	case req.Key == "":
		return d, errors.New("Request.Key is empty")
	case d.to == "":
		return d, errors.New("Request.To is empty")
	case strings.ContainsRune(d.to, '@'):
		return d, errors.New("Request.To is a full SIP URI: LiveKit dials a number or a SIP user at the trunk's address")
	case len(d.room) > maxRoomLen || strings.ContainsFunc(d.room, unicode.IsControl):
		return d, fmt.Errorf("Request.Room is longer than %d bytes or has control characters", maxRoomLen)
	}
	var err error
	d.sip, err = p.sipOptions(ctx, req)
	return d, err
}

func (p *Provider) roomRequest(d dial) (createRoomRequest, error) {
	meta, err := json.Marshal(roomData{Key: d.key, TaskID: d.task, AgentDials: p.cfg.AgentDials})
	if err != nil {
		return createRoomRequest{}, err
	}
	unused := unusedRoom + p.cfg.AgentWait
	if p.cfg.AgentDials {
		unused = idleAgentRoom
	}
	r := createRoomRequest{
		Name: d.room, Metadata: string(meta),
		EmptyTimeout: wholeSeconds(unused), DepartureTimeout: wholeSeconds(roomLinger),
		Egress: p.egressFor(d.ref),
	}
	if p.cfg.AgentName == "" {
		return r, nil
	}
	job, err := json.Marshal(p.taskFor(d))
	if err != nil {
		return createRoomRequest{}, err
	}
	r.Agents = []agentDispatch{{AgentName: p.cfg.AgentName, Metadata: string(job)}}
	return r, nil
}

func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

func (p *Provider) taskFor(d dial) task {
	t := task{
		Key: d.key, TaskID: d.task, AgentID: d.req.AgentID, RoomName: d.room,
		ParticipantIdentity: d.identity, ToName: d.req.ToName,
		Instructions: d.req.Instructions, ModelConfig: d.req.ModelConfig, Data: d.req.Data,
	}
	if p.cfg.AgentDials {
		t.Attributes = d.attributes()
		t.PhoneNumber, t.SIPTrunkID, t.SIPNumber = d.to, p.cfg.SIPTrunkID, d.from
		t.RingingTimeout, t.MaxCallDuration = d.ring.Seconds(), d.most.Seconds()
		if p.cfg.SIP != nil {
			t.SIPOptions = &d.sip
		}
	}
	return t
}

func (d dial) attributes() map[string]string {
	return map[string]string{AttrKey: d.key, AttrTaskID: d.task}
}
