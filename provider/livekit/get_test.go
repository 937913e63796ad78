package livekit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

// The end of an answered call is learnt by polling: by the process that placed it
// and, while the room is there, by any other.
func TestPolledEnd(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	c := w.place(t, request("t/1"))
	live, err := w.again(t).Get(t.Context(), c.ID)
	if err != nil || live.Status != provider.StatusInProgress || live.Key != "t/1" || !live.AnsweredAt.Equal(c.AnsweredAt) {
		t.Fatalf("live: %+v, %v; placed %+v", live, err, c)
	}
	r, _ := parseID(c.ID)
	w.lk.HangUp(r.room, r.identity)
	for name, p := range map[string]*Provider{"same": w.Provider, "other": w.again(t)} {
		got := ended(t, p, c.ID)
		if got.Outcome != provider.OutcomeCompleted || !got.AnsweredAt.Equal(c.AnsweredAt) || got.EndedAt.IsZero() {
			t.Errorf("%s process: %+v", name, got)
		}
	}
}

// Agents hang up by deleting the room, and with it what the room knew.
func TestPolledEndByAgent(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	c := w.place(t, request("t/1"))
	poller := w.again(t)
	if _, err := poller.Get(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	stranger := w.again(t)
	w.lk.DeleteRoom(roomOf(t, c.ID))
	for _, p := range []*Provider{w.Provider, poller} {
		if got := ended(t, p, c.ID); got.Outcome != provider.OutcomeCompleted {
			t.Errorf("got %+v", got)
		}
	}
	// One that never saw the call answered does not make it up.
	_, err := stranger.Get(t.Context(), c.ID)
	kindIs(t, err, provider.KindNotFound)
}

// A reply that was lost leaves no word of the answer: the first Get that sees it
// writes it down for all.
func TestAnswerIsWrittenDown(t *testing.T) {
	w := newWorld(t, worldConfig{})
	w.lk.Trouble(fakelivekit.LoseReply)
	_, err := w.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindOutcomeUnknown)
	c, err := w.again(t).Find(t.Context(), "t/1", time.Time{})
	if err != nil || c.AnsweredAt.IsZero() {
		t.Fatalf("got %+v, %v", c, err)
	}
	r, _ := parseID(c.ID)
	w.lk.HangUp(r.room, r.identity)
	if got := ended(t, w.again(t), c.ID); got.Outcome != provider.OutcomeCompleted || !got.AnsweredAt.Equal(c.AnsweredAt) {
		t.Errorf("got %+v, want answered at %v", got, c.AnsweredAt)
	}
}

// Nobody knows of an answer: a missing callee proves nothing.
func TestAbsenceIsNoEnd(t *testing.T) {
	w := newWorld(t, worldConfig{})
	w.lk.Trouble(fakelivekit.FaultAfterAccept)
	_, err := w.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindOutcomeUnknown)
	r := ref{room: derivedRoom("t/1"), identity: identityFor("t/1")}
	eventually(t, "on the line", func() bool { return w.lk.HangUp(r.room, r.identity) })
	for range 3 {
		if got, err := w.again(t).Get(t.Context(), r.id()); !errors.Is(err, provider.ErrNotFound) {
			t.Fatalf("got %+v, %v", got, err)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// A server that restarts drops the participant and has it again a little later, as
// another one, dialling: all the time the call is active.
func TestRestartIsNoEnd(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{GoneAfter: 150 * time.Millisecond}})
	c := w.place(t, request("t/1"))
	time.Sleep(200 * time.Millisecond)
	w.lk.Restart(roomOf(t, c.ID), 100*time.Millisecond)
	for _, p := range []*Provider{w.Provider, w.again(t)} {
		got, err := p.Get(t.Context(), c.ID)
		if err != nil || got.Status != provider.StatusInProgress || !got.AnsweredAt.Equal(c.AnsweredAt) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// A callee that the list does not show yet, right after the answer, has not left.
func TestLagIsNoEnd(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{GoneAfter: time.Hour}})
	w.lk.FindLag(time.Hour)
	c := w.place(t, request("t/1"))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second) // a Get that takes it for an end waits
	defer stop()
	for range 3 {
		if got, err := w.Get(ctx, c.ID); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	w.lk.Show()
	if got, err := w.Get(t.Context(), c.ID); err != nil || got.Status != provider.StatusInProgress {
		t.Errorf("shown: %+v, %v", got, err)
	}
}

func TestAgentReports(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}, fake: fakelivekit.Config{AgentLinger: time.Hour}})
	req := request("t/1")
	req.To = "+15550100088" // a machine answers
	c := w.place(t, req)
	r, _ := parseID(c.ID)
	w.lk.SetAttributes(r.room, map[string]string{AttrTranscript: "beep", AttrSummary: "a machine", AttrRecordingURL: "https://r.example/1"})
	time.Sleep(70 * time.Millisecond)
	got, err := w.Get(t.Context(), c.ID)
	if err != nil || got.Transcript != "beep" || got.Summary != "a machine" || got.RecordingURL == "" || got.Outcome != "" || len(got.Raw) == 0 {
		t.Errorf("live: %+v, %v", got, err)
	}
	w.lk.HangUp(r.room, r.identity)
	looks := 0
	w.onRequest(func(method string) { // the agent is still there at the first look, and not at the second
		if method == "RoomService/ListParticipants" {
			if looks++; looks == 2 {
				w.lk.DropAgents(r.room, "CLIENT_INITIATED")
			}
		}
	})
	got, err = w.Get(t.Context(), c.ID)
	if err != nil || got.Outcome != provider.OutcomeVoicemail || got.Summary != "a machine" || looks != 2 {
		t.Errorf("ended: %+v, %v, after %d looks", got, err, looks)
	}
}

func TestGetStrangers(t *testing.T) {
	w := newWorld(t, worldConfig{})
	for _, id := range []provider.CallID{"", "x", "room/bob", "room/phone-xyz", "/phone-00000000000000000000", ref{"room", identityFor("t/1")}.id()} {
		_, err := w.Get(t.Context(), id)
		kindIs(t, err, provider.KindNotFound)
		if err := w.End(t.Context(), id); err != nil {
			t.Errorf("End(%q): %v", id, err)
		}
	}
	_, err := w.Find(t.Context(), "t/1", time.Time{})
	kindIs(t, err, provider.KindNotFound)
}

// Nothing that is not LiveKit's own word ends a call or says that it is gone.
func TestReadsInTrouble(t *testing.T) {
	w := newWorld(t, worldConfig{})
	c := w.place(t, request("t/1"))
	for _, status := range []int{204, 302, 404, 429, 500, 503} {
		w.lk.Refuse("DeleteRoom", "", status)
		if err := w.End(t.Context(), c.ID); err == nil {
			t.Errorf("End succeeded on a plain %d", status)
		}
		w.lk.Refuse("ListParticipants", "", status)
		if got, err := w.Get(t.Context(), c.ID); err == nil {
			t.Errorf("Get = %+v on a plain %d", got, status)
		}
	}
	time.Sleep(80 * time.Millisecond)
	w.lk.HangUp(roomOf(t, c.ID), identityFor("t/1"))
	w.lk.Refuse("ListRooms", "", 500)
	_, err := w.Get(t.Context(), c.ID)
	kindIs(t, err, provider.KindUnavailable)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	_, err = w.Get(ctx, c.ID) // ends between the two looks
	kindIs(t, err, provider.KindUnavailable)
}

func TestAnswersAreBounded(t *testing.T) {
	var a answers
	at := time.Now()
	for i := range maxAnswers + 5 {
		a.put(provider.CallID(fmt.Sprint(i)), at)
	}
	a.put("7", at.Add(time.Second))
	if len(a.at) != maxAnswers || !a.get("4").IsZero() || a.get("5").IsZero() || !a.get("7").Equal(at.Add(time.Second)) {
		t.Errorf("%d remembered, %v %v %v", len(a.at), a.get("4"), a.get("5"), a.get("7"))
	}
}

// Whatever the agent keeps in the room's metadata stays there.
func TestMetadataIsShared(t *testing.T) {
	got, err := withField(`{"voice_key":"t/1","agent":{"n":1.0}}`, fieldAnswered, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	if want := `{"agent":{"n":1.0},"voice_answered_at":"2026-11-23T10:00:00Z","voice_key":"t/1"}`; err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
}
