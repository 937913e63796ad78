package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

func TestPlaceAnswers(t *testing.T) {
	for number, want := range map[string]struct {
		outcome provider.Outcome
		reason  string
		rings   int
	}{
		plainCall:      {"", "", 1},
		"+15550100086": {provider.OutcomeBusy, "sip_486", 1},
		"+15550100003": {provider.OutcomeDeclined, "sip_603", 1},
		"+15550100004": {provider.OutcomeInvalidNumber, "sip_404", 0},
		"+15550100051": {provider.OutcomeProviderFault, "sip_503", 0},
		"+15550100080": {provider.OutcomeNoAnswer, "canceled", 1},
	} {
		for _, newCodes := range []bool{false, true} {
			t.Run(number, func(t *testing.T) {
				w := newWorld(t, worldConfig{fake: fakelivekit.Config{NewCodes: newCodes}, cfg: Config{AgentName: "agent"}})
				req := request("t/1")
				req.To, req.RingTimeout = number, 150*time.Millisecond
				c := w.place(t, req)
				if c.Outcome != want.outcome || c.Reason != want.reason {
					t.Errorf("got %q (%q), want %q (%q)", c.Outcome, c.Reason, want.outcome, want.reason)
				}
				if live := want.outcome == ""; live != (c.Status == provider.StatusInProgress) || live == c.AnsweredAt.IsZero() || live != c.EndedAt.IsZero() {
					t.Errorf("status %s, answered %v, ended %v", c.Status, c.AnsweredAt, c.EndedAt)
				}
				if c.Key != "t/1" || c.ID == "" || c.CreatedAt.IsZero() {
					t.Errorf("got %+v", c)
				}
				w.onlyOneDial(t, want.rings)
				if want.outcome != "" && w.lk.DeleteRoom(roomOf(t, c.ID)) {
					t.Error("the room of a call that is over was left behind, with the agent in it")
				}
			})
		}
	}
}

// What is sent is what LiveKit needs, all of it and in its spelling.
func TestPlaceSends(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", From: "+15550100000"}, pace: untilPickUp})
	req := provider.Request{
		Key: "task 7/2", TaskID: "task 7", AgentID: "sales", To: answers5, ToName: "Anna",
		Instructions: "Be kind.", Data: json.RawMessage(`{"contact_number":"x"}`), ModelConfig: json.RawMessage(`{"m":1}`),
		MaxDuration: 90 * time.Second,
	}
	var placed provider.Call
	req.OnPlaced = func(c provider.Call) error {
		placed = c
		w.net.PickUp()
		return errors.New("not kept")
	}
	c := w.place(t, req)
	if placed.ID != c.ID || placed.Key != c.Key || placed.Status != provider.StatusQueued {
		t.Errorf("OnPlaced got %+v, Place returned %+v", placed, c)
	}
	sip := w.body(t, "SIP/CreateSIPParticipant")
	r, _ := parseID(c.ID)
	for field, want := range map[string]any{
		"sip_trunk_id": "ST_fake", "sip_call_to": answers5, "sip_number": "+15550100000", "room_name": r.room,
		"participant_identity": r.identity, "participant_name": "Anna", "ringing_timeout": "45s", "max_call_duration": "100s", "wait_until_answered": true,
	} {
		if sip[field] != want {
			t.Errorf("%s is %v, want %v", field, sip[field], want)
		}
	}
	if a := sip["participant_attributes"].(map[string]any); a[AttrKey] != "task 7/2" || a[AttrTaskID] != "task 7" {
		t.Errorf("attributes %v", a)
	}
	room := w.body(t, "RoomService/CreateRoom")
	if room["empty_timeout"].(float64) < 60 || room["departure_timeout"].(float64) != 60 {
		t.Errorf("timeouts %v, %v", room["empty_timeout"], room["departure_timeout"])
	}
	if d, ok := dataOf(room["metadata"].(string)); !ok || d.Key != "task 7/2" || d.TaskID != "task 7" {
		t.Errorf("metadata %v", room["metadata"])
	}
	agent := room["agents"].([]any)[0].(map[string]any)
	var job map[string]any
	if err := json.Unmarshal([]byte(agent["metadata"].(string)), &job); err != nil || agent["agent_name"] != "agent" {
		t.Fatalf("agent %v, %v", agent, err)
	}
	if job["key"] != "task 7/2" || job["agent_id"] != "sales" || job["instructions"] != "Be kind." || job["room_name"] != r.room || job["participant_identity"] != r.identity {
		t.Errorf("job %v", job)
	}
	if _, dials := job["phone_number"]; dials {
		t.Error("the agent was given a number to dial: it would ring a second time")
	}
	if !strings.HasPrefix(r.room, "voice-task-7-2-") {
		t.Errorf("room %q", r.room)
	}
}

// Whatever goes wrong around the dial, it is sent once, and the call can be found.
func TestPlaceInTrouble(t *testing.T) {
	for _, f := range []fakelivekit.Fault{fakelivekit.LoseReply, fakelivekit.FaultAfterAccept, fakelivekit.CloseConnection, fakelivekit.Slow} {
		t.Run(string(f), func(t *testing.T) {
			w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
			w.lk.Trouble(f)
			_, err := w.Place(w.patience(t, f), request("t/1"))
			kindIs(t, err, provider.KindOutcomeUnknown)
			var c provider.Call
			eventually(t, "found in progress", func() bool {
				c, err = w.again(t).Find(t.Context(), "t/1", time.Time{})
				return err == nil && c.Status == provider.StatusInProgress
			})
			w.onlyOneDial(t, 1)
			if err := w.End(t.Context(), c.ID); err != nil || w.net.Live() != 0 {
				t.Errorf("End: %v, %d calls live", err, w.net.Live())
			}
		})
	}
}

// A refusal is certain, leaves no agent waiting, and the key may be sent again.
func TestPlaceRefused(t *testing.T) {
	for _, c := range []struct {
		method, code string
		status       int
		want         provider.Kind
	}{
		{"CreateRoom", "invalid_argument", 0, provider.KindInvalidRequest},
		{"CreateRoom", "unauthenticated", 0, provider.KindUnauthenticated},
		{"CreateRoom", "", 401, provider.KindUnauthenticated},
		{"CreateRoom", "", 402, provider.KindRejected},
		{"CreateRoom", "", 404, provider.KindNotFound},
		{"CreateRoom", "", 429, provider.KindRateLimited},
		{"CreateRoom", "", 502, provider.KindUnavailable},
		{"CreateRoom", "internal", 0, provider.KindUnavailable},
		{"CreateRoom", "", 204, provider.KindUnavailable},
		{"CreateSIPParticipant", "unavailable", 0, provider.KindUnavailable},
		{"CreateSIPParticipant", "not_found", 0, provider.KindNotFound},
		{"CreateRoom", "resource_exhausted", 0, provider.KindRateLimited},
	} {
		t.Run(c.method+"/"+c.code, func(t *testing.T) {
			w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}, refusal: 20 * time.Millisecond})
			w.lk.Refuse(c.method, c.code, c.status)
			req := request("t/1")
			req.OnPlaced = func(provider.Call) error { t.Error("a call was told of that there is not"); return nil }
			_, err := w.Place(t.Context(), req)
			kindIs(t, err, c.want)
			if w.net.Rings("") != 0 {
				t.Error("it rang")
			}
			if w.lk.DeleteRoom(derivedRoom("t/1")) {
				t.Error("the room was left behind")
			}
			w.place(t, request("t/1"))
			if w.net.Rings("") != 1 {
				t.Errorf("%d rings after the second send", w.net.Rings(""))
			}
		})
	}
}

// A dial that LiveKit refuses with the code of a busy line, or of one that declines,
// but without its SIP status, may have rung: it is not to be sent again.
func TestRefusalsThatProveNothing(t *testing.T) {
	for _, code := range []string{"resource_exhausted", "permission_denied", "failed_precondition", "internal", "deadline_exceeded", "out_of_range"} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
		w.lk.Refuse("CreateSIPParticipant", code, 0)
		_, err := w.Place(t.Context(), request("t/1"))
		kindIs(t, err, provider.KindOutcomeUnknown)
		if provider.KindOf(err).NotPlaced() || !w.lk.DeleteRoom(derivedRoom("t/1")) {
			t.Errorf("%s: the room of a call that may be live was deleted", code)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"code":"resource_exhausted","msg":"rate limit exceeded"}`)
	}))
	defer srv.Close()
	for _, agentDials := range []bool{false, true} {
		cfg := valid()
		cfg.URL, cfg.AgentName, cfg.AgentDials = srv.URL, "agent", agentDials
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Place(t.Context(), request("t/1"))
		var e *provider.Error
		if !errors.As(err, &e) || e.Kind != provider.KindRateLimited || e.RetryAfter != 7*time.Second {
			t.Errorf("agent dials %t: got %v", agentDials, err)
		}
	}
}

func TestPlaceBadRequests(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	for name, req := range map[string]provider.Request{
		"no key":        {To: plainCall},
		"no number":     {Key: "t/1"},
		"URI with host": {Key: "t/1", To: "sip:bob@example.org"},
		"long room":     {Key: "t/1", To: plainCall, Room: strings.Repeat("r", 300)},
		"bad data":      {Key: "t/1", To: plainCall, Data: json.RawMessage(`{`)},
		"refused":       {Key: "t/1", To: "+15550100005"},
	} {
		_, err := w.Place(t.Context(), req)
		kindIs(t, err, provider.KindInvalidRequest)
		if strings.Contains(err.Error(), "0100005") || strings.Contains(err.Error(), "bob") {
			t.Errorf("%s: the error names the callee: %v", name, err)
		}
	}
	if w.net.Rings("") != 0 {
		t.Error("it rang")
	}
}

// Nobody is rung while nobody is there to talk to them.
func TestReadyBeforeRing(t *testing.T) {
	w := newWorld(t, worldConfig{fake: fakelivekit.Config{AgentDelay: 80 * time.Millisecond}, cfg: Config{AgentName: "agent"}})
	began := time.Now()
	c := w.place(t, request("t/1"))
	if rang := c.CreatedAt.Sub(began); rang < 80*time.Millisecond {
		t.Errorf("rang after %v, before the agent was there", rang)
	}

	w = newWorld(t, worldConfig{fake: fakelivekit.Config{Agents: []string{"another"}}, cfg: Config{AgentName: "agent", AgentWait: 50 * time.Millisecond}})
	_, err := w.Place(t.Context(), request("t/1"))
	var e *provider.Error
	if !errors.As(err, &e) || e.Kind != provider.KindUnavailable || e.Code != codeNoAgent {
		t.Errorf("got %v", err)
	}
	if n := w.lk.Requests("CreateSIPParticipant"); n != 0 || w.lk.DeleteRoom(derivedRoom("t/1")) {
		t.Errorf("%d dials; or the room was left", n)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	_, err = w.Place(ctx, request("t/2"))
	kindIs(t, err, provider.KindUnavailable)
	w.lk.SetAgents("agent")
	w.cfg.AgentWait = time.Minute
	if _, err := w.again(t).Place(t.Context(), request("t/1")); err != nil {
		t.Errorf("with an agent: %v", err)
	}
}

func TestTaskRoom(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	req := request("t/1")
	req.Room = "sales"
	c := w.place(t, req)
	if r := roomOf(t, c.ID); r != "sales" {
		t.Errorf("room %q", r)
	}
	// Two callees must never meet in one room, nor may one's trouble end the other.
	other := request("u/1")
	other.Room = "sales"
	_, err := w.Place(t.Context(), other)
	var e *provider.Error
	if !errors.As(err, &e) || e.Kind != provider.KindUnavailable || e.Code != codeRoomInUse {
		t.Errorf("got %v", err)
	}
	if got, err := w.Get(t.Context(), c.ID); err != nil || got.Status != provider.StatusInProgress {
		t.Errorf("the first call: %+v, %v", got, err)
	}
	// The room does not derive from the key: it is found by its metadata.
	if found, err := w.again(t).Find(t.Context(), "t/1", time.Time{}); err != nil || found.ID != c.ID {
		t.Errorf("Find: %+v, %v", found, err)
	}
	req.Key = "t/2"
	if c := w.place(t, req); roomOf(t, c.ID) != "sales-2" {
		t.Errorf("the second dial is in %q", c.ID)
	}
	w.onlyTwo(t)
}

// patience is a context that lasts, unless nobody will ever answer.
func (w *world) patience(t *testing.T, f fakelivekit.Fault) context.Context {
	if f == fakelivekit.Slow {
		return w.whileRinging(t)
	}
	return t.Context()
}

// A room that the host made is not ours to delete because a dial was refused.
func TestHostsRoomStays(t *testing.T) {
	w := newWorld(t, worldConfig{})
	if err := w.api.call(t.Context(), "place", createRoom, mayCreate(), createRoomRequest{Name: "theirs"}, nil); err != nil {
		t.Fatal(err)
	}
	req := request("t/1")
	req.Room = "theirs"
	w.lk.Refuse("CreateSIPParticipant", "unavailable", 0)
	_, err := w.Place(t.Context(), req)
	kindIs(t, err, provider.KindUnavailable)
	if !w.lk.DeleteRoom("theirs") {
		t.Error("the host's room was deleted")
	}
}

func (w *world) onlyTwo(t *testing.T) {
	t.Helper()
	if n := w.net.Rings(""); n != 2 {
		t.Errorf("%d rings, want 2", n)
	}
}

// LiveKit says nothing of a token it refuses but the token itself.
func TestErrorsAreQuiet(t *testing.T) {
	w := newWorld(t, worldConfig{})
	w.cfg.APISecret = "another-secret"
	_, err := w.again(t).Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindUnauthenticated)
	for _, secret := range []string{testSecret, "another-secret", "eyJ", answers5, "invalid token"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %v", secret, err)
		}
	}
	w.cfg.URL = "http://127.0.0.1:1"
	_, err = w.again(t).Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindUnavailable)
}

// The dial uses a connection of its own; a redirect is not followed.
func TestDialFollowsNoRedirect(t *testing.T) {
	w := newWorld(t, worldConfig{})
	w.lk.Refuse("CreateSIPParticipant", "", http.StatusTemporaryRedirect)
	_, err := w.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindOutcomeUnknown)
	w.onlyOneDial(t, 0)
}

// A room that could not be looked into may hold a callee, who is not hung up on.
func TestRoomThatCouldNotBeSeenIsLeftAlone(t *testing.T) {
	for _, agent := range []string{"", "agent"} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: agent}})
		w.place(t, request("t/1"))
		w.cfg.AgentWait = 50 * time.Millisecond // of the dial that must not be
		for range 200 {
			w.lk.Refuse("ListParticipants", "", 500)
		}
		if _, err := w.again(t).Place(t.Context(), request("t/1")); err == nil {
			t.Fatal("dialled again")
		}
		if w.net.Live() != 1 {
			t.Errorf("agent %q: the call that was up is not any more", agent)
		}
	}
}
