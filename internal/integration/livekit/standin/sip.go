package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/protocol/sip"
	"github.com/livekit/psrpc"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	setup = 200 * time.Millisecond // to "ringing"
	ring  = 400 * time.Millisecond // to the callee's answer or refusal
	talk  = 1500 * time.Millisecond
)

type sipService struct{ o options }

func serveSIP(ctx context.Context, o options) error {
	rc := redis.NewClient(&redis.Options{Addr: o.redis})
	defer func() { _ = rc.Close() }()
	srv, err := rpc.NewSIPInternalServer(&sipService{o}, psrpc.NewRedisMessageBus(rc))
	if err != nil {
		return err
	}
	if err := srv.RegisterCreateSIPParticipantTopic(""); err != nil {
		return err
	}
	if err := subscribed(ctx, rc); err != nil {
		return err
	}
	o.ledger.write(entry{Event: "ready"})
	<-ctx.Done()
	srv.Kill()
	return nil
}

// subscribed waits until Redis itself tells of the channels that requests and the
// right to answer them come by: it does so later than it is asked to.
func subscribed(ctx context.Context, rc *redis.Client) error {
	for {
		channels, err := rc.PubSubChannels(ctx, "*|CreateSIPParticipant|*").Result()
		if err == nil && len(channels) >= 2 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *sipService) TransferSIPParticipant(context.Context, *rpc.InternalTransferSIPParticipantRequest) (*emptypb.Empty, error) {
	return nil, psrpc.NewErrorf(psrpc.Unimplemented, "not here")
}

// refusal is how a number refuses.
type refusal struct {
	status livekit.SIPStatusCode
	text   string
	code   psrpc.ErrorCode
	reason livekit.DisconnectReason
}

var refusals = map[string]refusal{
	"86": {livekit.SIPStatusCode_SIP_STATUS_BUSY_HERE, "Busy Here", psrpc.ResourceExhausted, livekit.DisconnectReason_USER_REJECTED},
	"03": {livekit.SIPStatusCode_SIP_STATUS_GLOBAL_DECLINE, "Decline", psrpc.PermissionDenied, livekit.DisconnectReason_USER_REJECTED},
	"04": {livekit.SIPStatusCode_SIP_STATUS_NOTFOUND, "Not Found", psrpc.NotFound, livekit.DisconnectReason_USER_UNAVAILABLE},
	"53": {livekit.SIPStatusCode_SIP_STATUS_SERVICE_UNAVAILABLE, "Service Unavailable", psrpc.FailedPrecondition, livekit.DisconnectReason_CLIENT_INITIATED},
}

// leg is one call.
type leg struct {
	s      *sipService
	req    *rpc.InternalCreateSIPParticipantRequest
	room   *lksdk.Room
	state  string // of sip.callStatus
	gone   chan livekit.DisconnectReason
	ending atomic.Bool // we leave
}

func (s *sipService) CreateSIPParticipant(ctx context.Context, req *rpc.InternalCreateSIPParticipantRequest) (*rpc.InternalCreateSIPParticipantResponse, error) {
	l := &leg{s: s, req: req, gone: make(chan livekit.DisconnectReason, 8)}
	if err := l.join("dialing"); err != nil {
		return nil, psrpc.NewErrorf(psrpc.Internal, "update room failed: %v", err)
	}
	s.o.ledger.write(entry{Event: "invite", Number: req.CallTo, Room: req.RoomName, Detail: req.SipCallId})
	answered := make(chan error, 1)
	go l.run(answered)
	if req.WaitUntilAnswered {
		select {
		case err := <-answered:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &rpc.InternalCreateSIPParticipantResponse{
		ParticipantId: l.room.LocalParticipant.SID(), ParticipantIdentity: req.ParticipantIdentity, SipCallId: req.SipCallId,
	}, nil
}

// join enters the room as a SIP participant, again after a restart of the server:
// then "dialing" once more, as the real service does.
func (l *leg) join(status string) error {
	attributes := map[string]string{}
	maps.Copy(attributes, l.req.ParticipantAttributes)
	attributes["sip.callStatus"] = status
	token, err := sip.BuildSIPToken(sip.SIPTokenParams{
		APIKey: l.s.o.key, APISecret: l.s.o.secret, RoomName: l.req.RoomName, ParticipantIdentity: l.req.ParticipantIdentity,
		ParticipantName: l.req.ParticipantName, ParticipantMetadata: l.req.ParticipantMetadata, ParticipantAttributes: attributes,
	})
	if err != nil {
		return err
	}
	cb := lksdk.NewRoomCallback()
	var room *lksdk.Room
	cb.OnDisconnectedWithReason = func(lksdk.DisconnectionReason) {
		select {
		case l.gone <- room.DisconnectReason(): // the raw one
		default:
		}
	}
	room = lksdk.NewRoom(cb)
	if err := room.JoinWithToken(l.s.o.url, token, lksdk.WithAutoSubscribe(false)); err != nil {
		return err
	}
	l.room, l.state = room, status
	return nil
}

func (l *leg) set(status string, more ...string) {
	attributes := map[string]string{"sip.callStatus": status}
	for i := 0; i+1 < len(more); i += 2 {
		attributes[more[i]] = more[i+1]
	}
	l.state = status
	l.room.LocalParticipant.SetAttributes(attributes)
}

// withAgent is the detail of an answer that an agent is there to hear, by the server's word to
// the SIP side: the agent's own process may be late to write down that it joined.
const withAgent = "with an agent"

func (l *leg) company() string {
	for _, p := range l.room.GetRemoteParticipants() {
		if p.Kind() == lksdk.ParticipantAgent {
			return withAgent
		}
	}
	return "alone"
}

func (l *leg) note(event, detail string) {
	l.s.o.ledger.write(entry{Event: event, Number: l.req.CallTo, Room: l.req.RoomName, Detail: detail})
}

// wait reports false if the leg was thrown out of the room meanwhile; then it is
// over.
func (l *leg) wait(d time.Duration) bool {
	for timer := time.After(d); ; {
		select {
		case <-timer:
			return true
		case reason := <-l.gone:
			if l.rejoined(reason) {
				continue
			}
			l.note("bye", "removed: "+reason.String())
			return false
		}
	}
}

// rejoined brings the leg back after the server, not somebody, ended its presence.
func (l *leg) rejoined(reason livekit.DisconnectReason) bool {
	switch reason {
	case livekit.DisconnectReason_ROOM_DELETED, livekit.DisconnectReason_ROOM_CLOSED,
		livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.DisconnectReason_DUPLICATE_IDENTITY:
		return false
	}
	for range 60 {
		if err := l.join("dialing"); err == nil {
			l.note("rejoined", reason.String())
			return true
		}
		time.Sleep(500 * time.Millisecond)
	}
	return false
}

func (l *leg) leave(reason livekit.DisconnectReason) {
	l.ending.Store(true)
	l.room.DisconnectWithReason(reason)
}

func (l *leg) run(answered chan<- error) {
	if !l.wait(setup) {
		answered <- psrpc.NewErrorf(psrpc.Canceled, "sip request timed out")
		return
	}
	l.set("ringing")
	kind := l.req.CallTo[max(0, len(l.req.CallTo)-2):]
	if r, refuses := refusals[kind]; refuses {
		l.refuse(r, answered)
		return
	}
	if kind == "99" {
		limit := time.Minute
		if d := l.req.RingingTimeout.AsDuration(); d > 0 {
			limit = d
		}
		if l.wait(limit) {
			l.note("bye", "no answer")
			l.leave(livekit.DisconnectReason_USER_UNAVAILABLE)
		}
		answered <- psrpc.NewErrorf(psrpc.Canceled, "sip request timed out")
		return
	}
	if !l.wait(ring) {
		answered <- psrpc.NewErrorf(psrpc.Canceled, "sip request timed out")
		return
	}
	l.set("active", "sip.callIDFull", l.req.SipCallId+"-full", "sip.callTag", "tag")
	l.note("answer", l.company())
	answered <- nil
	conversation := 10 * time.Minute
	if kind == "02" {
		conversation = talk
	}
	if l.wait(conversation) {
		l.set("hangup")
		time.Sleep(100 * time.Millisecond) // as the real one: the attribute first
		l.note("bye", "callee")
		l.leave(livekit.DisconnectReason_CLIENT_INITIATED)
	}
}

func (l *leg) refuse(r refusal, answered chan<- error) {
	if !l.wait(ring) {
		answered <- psrpc.NewErrorf(psrpc.Canceled, "sip request timed out")
		return
	}
	l.note("reject", r.text)
	l.leave(r.reason)
	answered <- psrpc.NewError(r.code, fmt.Errorf("INVITE failed: %w", errors.New(r.text)),
		&livekit.SIPStatus{Code: r.status, Status: r.text})
}
