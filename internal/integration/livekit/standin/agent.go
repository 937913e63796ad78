package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"google.golang.org/protobuf/proto"
)

// worker is the least an agent worker has to do: register, say yes, join.
type worker struct {
	o    options
	mu   sync.Mutex // of conn's writes
	conn *websocket.Conn
}

// serveAgent registers, and again whenever the server goes away.
func serveAgent(ctx context.Context, o options) error {
	for ctx.Err() == nil {
		w := &worker{o: o}
		if err := w.serve(ctx); err != nil {
			o.ledger.write(entry{Event: "lost", Detail: err.Error()})
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	return nil
}

func (w *worker) serve(ctx context.Context) error {
	token, err := auth.NewAccessToken(w.o.key, w.o.secret).SetVideoGrant(&auth.VideoGrant{Agent: true}).SetValidFor(time.Hour).ToJWT()
	if err != nil {
		return err
	}
	conn, resp, err := websocket.DefaultDialer.DialContext(ctx, w.o.url+"/agent?protocol=1", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	w.conn = conn
	err = w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Register{Register: &livekit.RegisterWorkerRequest{
		Type: livekit.JobType_JT_ROOM, AgentName: w.o.agent, Version: "standin",
		AllowedPermissions: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true, CanUpdateMetadata: true},
	}}})
	for err == nil {
		var raw []byte
		if _, raw, err = conn.ReadMessage(); err != nil {
			return err
		}
		var m livekit.ServerMessage
		if err = proto.Unmarshal(raw, &m); err == nil {
			err = w.handle(&m)
		}
	}
	return err
}

func (w *worker) send(m *livekit.WorkerMessage) error {
	raw, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.WriteMessage(websocket.BinaryMessage, raw)
}

func (w *worker) handle(m *livekit.ServerMessage) error {
	switch m := m.Message.(type) {
	case *livekit.ServerMessage_Register:
		w.o.ledger.write(entry{Event: "ready"})
		return w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateWorker{UpdateWorker: &livekit.UpdateWorkerStatus{Status: livekit.WorkerStatus_WS_AVAILABLE.Enum()}}})
	case *livekit.ServerMessage_Availability:
		job := m.Availability.Job
		return w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Availability{Availability: &livekit.AvailabilityResponse{
			JobId: job.Id, Available: true, SupportsResume: true, ParticipantIdentity: "agent-" + job.Id, ParticipantName: "agent",
		}}})
	case *livekit.ServerMessage_Assignment:
		go w.attend(m.Assignment)
	}
	return nil
}

// attend joins the room, and leaves it once the callee has left.
func (w *worker) attend(a *livekit.JobAssignment) {
	over := make(chan string, 8)
	tell := func(why string) {
		select {
		case over <- why:
		default:
		}
	}
	cb := lksdk.NewRoomCallback()
	cb.OnDisconnectedWithReason = func(r lksdk.DisconnectionReason) { tell("disconnected: " + string(r)) }
	cb.OnParticipantDisconnected = func(p *lksdk.RemoteParticipant) {
		if p.Kind() == lksdk.ParticipantSIP {
			tell("the callee left")
		}
	}
	room := lksdk.NewRoom(cb)
	name := a.Job.Room.Name
	if err := room.JoinWithToken(w.o.url, a.Token); err != nil {
		w.o.ledger.write(entry{Event: "failed", Room: name, Detail: err.Error()})
		return
	}
	_ = w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateJob{UpdateJob: &livekit.UpdateJobStatus{JobId: a.Job.Id, Status: livekit.JobStatus_JS_RUNNING}}})
	w.o.ledger.write(entry{Event: "joined", Room: name, Detail: a.Job.Metadata})
	why := <-over
	room.Disconnect()
	w.o.ledger.write(entry{Event: "left", Room: name, Detail: why})
}
