package livekit

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

func TestAgentDials(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentDials: true, From: "+15550100000"}, hook: &WebhookConfig{HoldBack: -1}})
	c := w.place(t, request("t/1"))
	if c.Status != provider.StatusQueued || c.ID == "" || c.Key != "t/1" {
		t.Errorf("got %+v", c)
	}
	// The agent is told both limits: whatever becomes of us, the call ends by itself.
	if job := dispatchOf(t, w); job["ringing_timeout"] != 30.0 || job["max_call_duration"] != 60.0 || job["phone_number"] != answers5 || job["participant_identity"] != identityFor("t/1") {
		t.Errorf("the agent is told %v", job)
	}
	if got, err := w.Get(t.Context(), c.ID); err != nil || got.Status == provider.StatusEnded {
		t.Errorf("before the dial: %+v, %v", got, err)
	}
	eventually(t, "in progress", func() bool {
		got, err := w.Get(t.Context(), c.ID)
		return err == nil && got.Status == provider.StatusInProgress && !got.AnsweredAt.IsZero() && got.Key == "t/1"
	})
	if n := w.lk.Requests("CreateSIPParticipant"); n != 0 || w.net.Rings("") != 1 {
		t.Errorf("%d requests, %d rings", n, w.net.Rings(""))
	}
	w.lk.HangUp(roomOf(t, c.ID), identityFor("t/1"))
	if e := w.next(t, provider.StatusEnded); e.Call.Outcome != provider.OutcomeCompleted || e.Key != "t/1" || e.Call.ID != c.ID {
		t.Errorf("event %+v", e)
	}
	if got := ended(t, w.again(t), c.ID); got.Outcome != provider.OutcomeCompleted {
		t.Errorf("polled %+v", got)
	}
}

// An agent that does not copy what it was given is followed all the same.
func TestAgentDialsItsOwnWay(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentDials: true}, hook: &WebhookConfig{HoldBack: -1}})
	r := ref{room: derivedRoom("t/1"), identity: identityFor("t/1")}
	meta, _ := json.Marshal(roomData{Key: "t/1", AgentDials: true})
	dispatch := func(number string) {
		in := createRoomRequest{Name: r.room, Metadata: string(meta), Agents: []agentDispatch{{AgentName: "agent", Metadata: `{"phone_number":"` + number + `"}`}}}
		if err := w.api.call(t.Context(), "place", createRoom, mayCreate(), in, nil); err != nil {
			t.Fatal(err)
		}
	}
	dispatch(answers5)
	eventually(t, "in progress", func() bool {
		c, err := w.Get(t.Context(), r.id())
		return err == nil && c.Status == provider.StatusInProgress && c.ID == r.id()
	})
	_, err := w.Get(t.Context(), ref{room: r.room, identity: identityFor("u/1")}.id())
	kindIs(t, err, provider.KindNotFound)
	if err := w.End(t.Context(), r.id()); err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, w.same)
	dispatch("+15550100086")
	if e := w.next(t, provider.StatusEnded); e.Call.Outcome != provider.OutcomeDeclined || e.Key != "t/1" || e.Call.ID != r.id() {
		t.Errorf("event %+v", e)
	}
}

// With an agent that dials, CreateRoom is the dial.
func TestAgentDialsInTrouble(t *testing.T) {
	for _, f := range []fakelivekit.Fault{fakelivekit.FaultAfterAccept, fakelivekit.CloseConnection, fakelivekit.Slow} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentDials: true}})
		w.lk.Trouble(f)
		_, err := w.Place(w.patience(t, f), request("t/1"))
		kindIs(t, err, provider.KindOutcomeUnknown)
		eventually(t, "found", func() bool {
			c, err := w.Find(t.Context(), "t/1", time.Time{})
			return err == nil && c.Status == provider.StatusInProgress
		})
		if w.lk.Requests("CreateRoom") != 1 || w.net.Rings("") != 1 {
			t.Errorf("%s: %d rooms asked for, %d rings", f, w.lk.Requests("CreateRoom"), w.net.Rings(""))
		}
	}
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentDials: true}})
	for code, want := range map[string]provider.Kind{
		"invalid_argument": provider.KindInvalidRequest, "unauthenticated": provider.KindUnauthenticated,
		"unavailable": provider.KindOutcomeUnknown, "internal": provider.KindOutcomeUnknown, "resource_exhausted": provider.KindRateLimited,
	} {
		w.lk.Refuse("CreateRoom", code, 0)
		_, err := w.Place(t.Context(), request("t/1"))
		kindIs(t, err, want)
	}
	// A room that is there already dispatches nobody.
	if err := w.api.call(t.Context(), "place", createRoom, mayCreate(), createRoomRequest{Name: "theirs"}, nil); err != nil {
		t.Fatal(err)
	}
	req := request("u/1")
	req.Room = "theirs"
	_, err := w.Place(t.Context(), req)
	kindIs(t, err, provider.KindInvalidRequest)
	if w.net.Rings("") != 0 {
		t.Error("it rang")
	}
}
