package livekit

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// LiveKit starts a room's recording after it has made the room and sent for its
// agents, and answers with the recorder's refusal: the agent dials all the same.
func TestRefusedRecordingProvesNothingOfAnAgentThatDials(t *testing.T) {
	egress := json.RawMessage(`{"room":{"audio_only":true}}`)
	for code, want := range map[string]provider.Kind{
		"invalid_argument": provider.KindOutcomeUnknown, "not_found": provider.KindOutcomeUnknown,
		"resource_exhausted": provider.KindOutcomeUnknown, "permission_denied": provider.KindOutcomeUnknown,
		"unauthenticated": provider.KindUnauthenticated, "malformed": provider.KindInvalidRequest,
	} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentDials: true, Egress: egress}})
		w.lk.Refuse("CreateRoom", code, 0)
		_, err := w.Place(t.Context(), request("t/1"))
		if got := provider.KindOf(err); got != want {
			t.Errorf("%s: got %q, want %q", code, got, want)
		}
	}
}

// A body that is not LiveKit's proves nothing where it may stand for an answer that
// comes after the room is made.
func TestForeignAnswersToARoomThatDials(t *testing.T) {
	for _, c := range []struct {
		status  int
		records bool
		want    provider.Kind
	}{
		{http.StatusUnauthorized, true, provider.KindUnauthenticated},
		{http.StatusNotFound, true, provider.KindOutcomeUnknown},
		{http.StatusTooManyRequests, true, provider.KindOutcomeUnknown},
		{http.StatusPreconditionFailed, true, provider.KindOutcomeUnknown},
		{http.StatusUnauthorized, false, provider.KindUnauthenticated},
		{http.StatusNotFound, false, provider.KindNotFound},
		{http.StatusPreconditionFailed, false, provider.KindOutcomeUnknown}, // failed_precondition
		{http.StatusBadGateway, false, provider.KindOutcomeUnknown},
	} {
		if got := judgeRoom(vendorhttp.Reply{Status: c.status, Body: []byte("<html>")}, c.records); got.kind != c.want {
			t.Errorf("%d, records %t: got %+v, want %s", c.status, c.records, got, c.want)
		}
	}
}

// Who picked up may have talked: a fault after that must say so, or the policy takes
// the callee for one who was never reached and dials again.
func TestFaultAfterTheAnswerSaysThatItWasAnswered(t *testing.T) {
	for _, attributes := range []string{`"sip.callStatus":"active"`, `"sip.callStatus":"dialing","sip.callIDFull":"x"`} {
		body := `{"event":"participant_left","id":"EV_1","createdAt":"1795435210","room":{"name":"r","metadata":"{\"voice_key\":\"t/1\",\"voice_agent_dials\":true}"},
			"participant":{"identity":"p","kind":"SIP","attributes":{` + attributes + `},"disconnectReason":"CONNECTION_TIMEOUT"}}`
		var got []provider.Event
		h := receiver(t, WebhookConfig{}, func(e provider.Event) error { got = append(got, e); return nil })
		if code := post(h, signed(body), body); code != 204 || len(got) != 1 {
			t.Fatalf("%s: %d, %+v", attributes, code, got)
		}
		c := got[0].Call
		if c.Outcome != provider.OutcomeProviderFault || c.AnsweredAt.IsZero() || c.NoSpeech {
			t.Errorf("%s: got %+v", attributes, c)
		}
		unanswered := strings.Replace(body, attributes, `"sip.callStatus":"ringing"`, 1)
		if code := post(h, signed(unanswered), unanswered); code != 204 || len(got) != 2 || !got[1].Call.AnsweredAt.IsZero() {
			t.Errorf("while it rang: %d, %+v", code, got)
		}
	}
}

// The callee picks up while the ringing is being stopped for want of an agent: they are
// hung up on, and that is no conversation.
func TestAnsweredAsTheAgentIsLost(t *testing.T) {
	for answer, body := range map[int]string{
		http.StatusOK:              `{"participant_identity":"p"}`,
		http.StatusRequestTimeout:  `{"code":"canceled","msg":"sip request timed out"}`,
		http.StatusTooManyRequests: `{"code":"aborted","meta":{"sip_status_code":"487"}}`,
	} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}, pace: carrier.Pace{Setup: time.Millisecond, Ring: time.Hour}})
		front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/CreateSIPParticipant") {
				w.lk.ServeHTTP(rw, r)
				return
			}
			w.lk.ServeHTTP(httptest.NewRecorder(), r) // until the ringing is stopped
			rw.WriteHeader(answer)
			_, _ = io.WriteString(rw, body)
		}))
		t.Cleanup(front.Close)
		w.cfg.URL = front.URL
		p, placed := w.again(t), make(chan struct{})
		go func() {
			defer close(placed)
			c, err := p.Place(t.Context(), request("t/1"))
			if err != nil || c.Status != provider.StatusEnded || c.Outcome != provider.OutcomeProviderFault || c.Reason != codeAgentLeft || c.EndedAt.IsZero() {
				t.Errorf("%d: got %+v, %v", answer, c, err)
			}
			if answered := answer == http.StatusOK; answered == c.AnsweredAt.IsZero() {
				t.Errorf("%d: answered at %s", answer, c.AnsweredAt)
			}
		}()
		eventually(t, "it rings", func() bool { return w.net.Live() == 1 })
		w.lk.DropAgents(derivedRoom("t/1"), "CONNECTION_TIMEOUT")
		select {
		case <-placed:
		case <-time.After(time.Minute):
			t.Fatal("Place does not return")
		}
	}
}

// Where the recording was refused the room is made all the same, and would be used,
// without one, when the dial is sent again.
func TestRoomWithoutItsRecordingIsNotUsed(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", Egress: json.RawMessage(`{"room":{"audio_only":true}}`)}})
	refused := false
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if refused || !strings.HasSuffix(r.URL.Path, "/CreateRoom") {
			w.lk.ServeHTTP(rw, r)
			return
		}
		refused = true
		w.lk.ServeHTTP(httptest.NewRecorder(), r)
		rw.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(rw, `{"code":"resource_exhausted","msg":"no egress"}`)
	}))
	t.Cleanup(front.Close)
	w.cfg.URL = front.URL
	p := w.again(t)
	_, err := p.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindRateLimited)
	if w.lk.DeleteRoom(derivedRoom("t/1")) {
		t.Fatal("the room is still there: LiveKit starts a recording only with a new one")
	}
	if c, err := p.Place(t.Context(), request("t/1")); err != nil || c.Status != provider.StatusInProgress {
		t.Errorf("sent again: %+v, %v", c, err)
	}
	// Never one in which the callee is.
	refused = false
	_, err = p.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindRateLimited)
	if w.net.Live() != 1 {
		t.Error("hung up")
	}
	w.onlyOneDial(t, 1)
}

// The webhook about the deletion of the room of a call that a Get ended may be stored
// before the Get's answer is: both must say the same.
func TestWebhookOfACallThatPollingEnded(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", Webhooks: true}, hook: &WebhookConfig{HoldBack: -1}})
	c := w.place(t, request("t/1"))
	w.lk.DropAgents(roomOf(t, c.ID), "CONNECTION_TIMEOUT")
	if got := ended(t, w.Provider, c.ID); got.Outcome != provider.OutcomeProviderFault || got.Reason != codeAgentLeft {
		t.Errorf("polled: %+v", got)
	}
	if e := w.next(t, provider.StatusEnded); e.Call.Outcome != provider.OutcomeProviderFault || e.Call.AnsweredAt.IsZero() {
		t.Errorf("the webhook says %+v", e)
	}
}

// What somebody wrote into the room's metadata while it rang is still there after the
// answer has been written into them.
func TestAnswerKeepsWhatTheRoomSays(t *testing.T) {
	w := newWorld(t, worldConfig{pace: untilPickUp})
	req := request("t/1")
	req.OnPlaced = func(c provider.Call) error { // it rings
		defer w.net.PickUp()
		return w.api.setMetadata(t.Context(), "place", roomOf(t, c.ID), `{"voice_key":"t/1","voice.summary":"theirs"}`)
	}
	c := w.place(t, req)
	rm, err := w.api.room(t.Context(), "get", roomOf(t, c.ID))
	if err != nil || rm == nil || !strings.Contains(rm.Metadata, "theirs") || rm.dataOf(ref{identity: identityFor("t/1")}).AnsweredAt.IsZero() {
		t.Errorf("got %+v, %v", rm, err)
	}
}

// While it rings Place looks after the callee, and knows what to say of it: a webhook
// that was quicker would make "cancelled" of a fault.
func TestWebhookLeavesTheRingingToPlace(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentGone: time.Hour}, pace: carrier.Pace{Setup: time.Millisecond, Ring: time.Hour}})
	w.gap = 3 * time.Second // Place does not notice before the webhook
	h := receiver(t, WebhookConfig{Calls: w.Provider}, func(e provider.Event) error {
		t.Errorf("told: %+v", e)
		return nil
	})
	req, placed := request("t/1"), make(chan struct{})
	go func() {
		defer close(placed)
		if c, err := w.Place(t.Context(), req); err != nil || c.Outcome == provider.OutcomeCancelled || c.Status != provider.StatusEnded {
			t.Errorf("got %+v, %v", c, err)
		}
	}()
	eventually(t, "it rings", func() bool { return w.net.Live() == 1 })
	w.lk.DropAgents(derivedRoom("t/1"), "CONNECTION_TIMEOUT")
	due := agentLeft(derivedRoom("t/1"), "EV_1", 2*time.Hour)
	if code := post(h, signed(due), due); code != 503 {
		t.Errorf("%d", code)
	}
	if w.net.Live() != 1 {
		t.Error("the webhook stopped the ringing")
	}
	<-placed
}

// Whatever LiveKit answers: a callee who was seen in the room was dialled, so that no
// answer proves that nobody was, and the dial goes to no other provider.
func TestCalleeWhoWasSeenWasDialled(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}, pace: carrier.Pace{Setup: time.Millisecond, Ring: time.Hour}})
	seen := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/CreateSIPParticipant") {
			w.lk.ServeHTTP(rw, r)
			return
		}
		go w.lk.ServeHTTP(httptest.NewRecorder(), r.WithContext(t.Context()))
		<-seen
		rw.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(rw, `{"code":"not_found","msg":"participant does not exist"}`)
	}))
	t.Cleanup(front.Close)
	w.cfg.URL = front.URL
	req := request("t/1")
	req.OnPlaced = func(provider.Call) error { close(seen); return nil }
	_, err := w.again(t).Place(t.Context(), req)
	kindIs(t, err, provider.KindOutcomeUnknown)
}
