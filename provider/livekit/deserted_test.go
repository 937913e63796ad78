package livekit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

// A callee is not left alone with a silent line: the Get that notices hangs up.
func TestAgentLostIsNoticedByPolling(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	c := w.place(t, request("t/1"))
	if got, err := w.Get(t.Context(), c.ID); err != nil || got.Status != provider.StatusInProgress {
		t.Fatalf("with its agent: %+v, %v", got, err)
	}
	w.lk.DropAgents(roomOf(t, c.ID), "CONNECTION_TIMEOUT")
	got := ended(t, w.again(t), c.ID)
	if got.Outcome != provider.OutcomeProviderFault || got.Reason != codeAgentLeft || got.AnsweredAt.IsZero() || got.NoSpeech || got.Key != "t/1" {
		t.Errorf("got %+v", got)
	}
	eventually(t, "hung up", func() bool { return w.net.Live() == 0 })
	w.onlyOneDial(t, 1)
}

// An agent that was dropped by mistake, or handed over, is not the end.
func TestAgentComesBack(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	c := w.place(t, request("t/1"))
	room := roomOf(t, c.ID)
	w.lk.DropAgents(room, "CLIENT_INITIATED")
	looks := 0
	w.onRequest(func(method string) {
		if method != "RoomService/ListParticipants" {
			return
		}
		if looks++; looks == 2 {
			w.lk.AddAgent(room)
		}
	})
	if got, err := w.Get(t.Context(), c.ID); err != nil || got.Status != provider.StatusInProgress {
		t.Errorf("got %+v, %v", got, err)
	}
	if w.net.Live() != 1 || looks != 2 {
		t.Errorf("%d live after %d looks", w.net.Live(), looks)
	}
}

// With the provider at hand the webhook hangs up at once, and the outcome is ours
// whatever the room's deletion says afterwards.
func TestAgentLostIsNoticedByWebhook(t *testing.T) {
	hook := &WebhookConfig{}
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", Webhooks: true}, hook: hook, calls: true})
	c := w.place(t, request("t/1"))
	w.lk.DropAgents(roomOf(t, c.ID), "CONNECTION_TIMEOUT")
	e := w.next(t, provider.StatusEnded)
	if e.Call.Outcome != provider.OutcomeProviderFault || e.Call.Reason != codeAgentLeft || e.Key != "t/1" || e.Call.ID != c.ID {
		t.Errorf("got %+v", e)
	}
	eventually(t, "hung up", func() bool { return w.net.Live() == 0 })
}

// agentLeft is LiveKit's webhook about an agent that left the room of t/1 some time ago.
func agentLeft(room, id string, ago time.Duration) string {
	return `{"event":"participant_left","room":{"name":"` + room + `","metadata":"{\"voice_key\":\"t/1\"}"},"participant":{"identity":"a","kind":"AGENT","disconnectReason":"CONNECTION_TIMEOUT"},"id":"` +
		id + `","createdAt":"` + unixText(time.Now().Add(-ago).Unix()) + `"}`
}

// The receiver looks and answers, and does not wait until the agent's time to come
// back is over: LiveKit sends again. However often it does, it costs next to nothing.
func TestAgentLostCostsTheReceiverLittle(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentGone: time.Hour}})
	c := w.place(t, request("t/1"))
	room := roomOf(t, c.ID)
	w.lk.DropAgents(room, "CONNECTION_TIMEOUT")
	var got []provider.Event
	down := errors.New("the store is down")
	failing := down
	h := receiver(t, WebhookConfig{Calls: w.Provider}, func(e provider.Event) error {
		if failing == nil {
			got = append(got, e)
		}
		return failing
	})
	young, due := agentLeft(room, "EV_1", 0), agentLeft(room, "EV_2", 2*time.Hour)
	looked, began := w.lk.Requests("ListParticipants"), time.Now()
	for range 50 {
		if code := post(h, signed(young), young); code != 503 {
			t.Fatalf("while the agent may come back: %d", code)
		}
	}
	took := time.Since(began)
	if n := w.lk.Requests("ListParticipants") - looked; n < 1 || n > 1+int(took/departureGap) {
		t.Errorf("50 copies of a webhook cost %d looks in %s", n, took)
	}
	if w.net.Live() != 1 {
		t.Fatal("hung up")
	}
	if code := post(h, signed(due), due); code != 503 { // hung up, and not stored
		t.Errorf("the store is down: %d", code)
	}
	eventually(t, "hung up", func() bool { return w.net.Live() == 0 })
	failing = nil
	asked := w.lk.Requests("ListParticipants")
	for range 50 {
		if code := post(h, signed(due), due); code != 204 {
			t.Fatalf("told again: %d", code)
		}
	}
	if n := w.lk.Requests("ListParticipants") - asked; n != 0 || len(got) != 1 {
		t.Fatalf("50 copies cost %d looks and %d events", n, len(got))
	}
	if e := got[0]; e.Call.Outcome != provider.OutcomeProviderFault || e.Call.Reason != codeAgentLeft || e.Key != "t/1" || e.Call.ID != c.ID || e.Call.AnsweredAt.IsZero() {
		t.Errorf("got %+v", e)
	}
}

// An agent that says how the call went, and leaves, is believed.
func TestLeavingAgentsOutcome(t *testing.T) {
	for _, said := range []string{`"attributes":{"voice.outcome":"voicemail"}`, `"metadata":"{\"voice.outcome\":\"voicemail\"}"`} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentGone: time.Hour}})
		room := roomOf(t, w.place(t, request("t/1")).ID)
		w.lk.DropAgents(room, "CLIENT_INITIATED")
		var got []provider.Event
		h := receiver(t, WebhookConfig{Calls: w.Provider}, func(e provider.Event) error { got = append(got, e); return nil })
		body := strings.Replace(agentLeft(room, "EV_1", 2*time.Hour), `"kind":"AGENT"`, `"kind":"AGENT",`+said, 1)
		if code := post(h, signed(body), body); code != 204 || len(got) != 1 || got[0].Call.Outcome != provider.OutcomeVoicemail || got[0].Call.Reason != AttrOutcome || got[0].Call.Status != provider.StatusEnded {
			t.Errorf("%s: %d, %+v", said, code, got)
		}
	}
}

// An agent that comes back while LiveKit is asked to send again is not the end, and
// what the one that left had to say is taken.
func TestAgentIsBackBeforeTheWebhookIs(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentGone: time.Hour}})
	c := w.place(t, request("t/1"))
	room := roomOf(t, c.ID)
	w.lk.DropAgents(room, "CONNECTION_TIMEOUT")
	var got []provider.Event
	h := receiver(t, WebhookConfig{Calls: w.Provider}, func(e provider.Event) error { got = append(got, e); return nil })
	said := strings.Replace(agentLeft(room, "EV_1", 0), `"kind":"AGENT"`, `"kind":"AGENT","attributes":{"voice.summary":"s"}`, 1)
	if code := post(h, signed(said), said); code != 503 {
		t.Errorf("alone: %d", code)
	}
	w.lk.AddAgent(room)
	eventually(t, "taken", func() bool { return post(h, signed(said), said) == 204 })
	if w.net.Live() != 1 || len(got) == 0 || got[0].Call.Summary != "s" || got[0].Call.Status != "" || got[0].Call.Reason != "" {
		t.Errorf("%d live, got %+v", w.net.Live(), got)
	}
}

// An agent that dies while it rings stops the ringing: nobody would speak.
func TestAgentLostWhileRinging(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}, pace: carrier.Pace{Setup: time.Millisecond, Ring: time.Hour, Talk: time.Hour, Machine: time.Hour}})
	told := make(chan provider.Call, 1)
	req := request("t/1")
	req.RingTimeout = 20 * time.Second
	req.OnPlaced = func(c provider.Call) error { told <- c; return nil }
	go func() { w.lk.DropAgents(roomOf(t, (<-told).ID), "CONNECTION_TIMEOUT") }()
	c := w.place(t, req)
	if c.Status != provider.StatusEnded || c.Outcome != provider.OutcomeProviderFault || c.Reason != codeAgentLeft || !c.AnsweredAt.IsZero() {
		t.Errorf("got %+v", c)
	}
	eventually(t, "quiet", func() bool { return w.net.Live() == 0 })
	w.onlyOneDial(t, 1)
}

// What the agent says, in each of the places where it may say it.
func TestAgentsResult(t *testing.T) {
	history := `{\"items\":[{\"role\":\"system\",\"content\":[\"be kind\"]},{\"role\":\"assistant\",\"content\":[\"Hello\",{\"image\":1},\"there\"]},{\"role\":\"user\",\"content\":\"Hi\"}]}`
	object := `{"voice.transcript":"` + history + `","voice.summary":"s","voice.recording_url":"https://r/1","voice.outcome":"voicemail"}`
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	for n, say := range map[int]func(room string){
		1: func(room string) { w.lk.SetMetadata(room, object) },
		2: func(room string) {
			w.lk.SetAttributes(room, fieldsOf(object))
		},
		3: func(room string) {
			rm, err := w.api.room(t.Context(), "test", room)
			if err != nil || rm == nil {
				t.Fatal(err)
			}
			if err := w.api.setMetadata(t.Context(), "test", room, rm.Metadata[:len(rm.Metadata)-1]+","+object[1:]); err != nil {
				t.Fatal(err)
			}
		},
	} {
		c := w.place(t, request(provider.Key("t", n)))
		r, _ := parseID(c.ID)
		say(r.room)
		if n < 3 {
			if got, err := w.Get(t.Context(), c.ID); err != nil || got.Transcript != "AI: Hello there\nUser: Hi" {
				t.Errorf("%d, live: %q, %v", n, got.Transcript, err)
			}
		}
		w.lk.DropAgents(r.room, "CLIENT_INITIATED") // it has said so, and leaves
		got := ended(t, w.Provider, c.ID)
		if n == 3 && (got.Outcome != provider.OutcomeVoicemail || got.Transcript != "AI: Hello there\nUser: Hi" || got.Summary != "s" || got.RecordingURL != "https://r/1") {
			t.Errorf("%d: %+v %q", n, got, got.Transcript)
		}
	}
}

func TestPostedResult(t *testing.T) {
	at := time.Now().Unix()
	body := func(result string) string {
		return `{"event":"voice.result","id":"R1","createdAt":` + unixText(at) + `,"result":` + result + `}`
	}
	for text, want := range map[string]int{
		`{"key":"t/1","room_name":"r","transcript":"[{\"role\":\"user\",\"content\":\"Hi\"}]","summary":"s","outcome":"voicemail"}`: 204,
		`{"key":"t/1","room_name":"r","summary":"s"}`:                     204,
		`{"key":"t","room_name":"r"}`:                                     400,
		`{"key":"t/1"}`:                                                   400,
		`{"key":"t/1","room_name":"r","outcome":"rate_limited"}`:          400,
		`{"key":"t/1","room_name":"r","outcome":"a success, if you ask"}`: 400,
		`null`: 400,
	} {
		var got []provider.Event
		h := receiver(t, WebhookConfig{}, func(e provider.Event) error { got = append(got, e); return nil })
		if code := post(h, signed(body(text)), body(text)); code != want || len(got) != map[int]int{204: 1, 400: 0}[want] {
			t.Errorf("%s: %d, %d events", text, code, len(got))
			continue
		}
		if len(got) == 0 {
			continue
		}
		e := got[0]
		if e.Key != "t/1" || e.Call.ID != (ref{"r", identityFor("t/1")}).id() || e.Call.Summary != "s" || e.ID != "R1" {
			t.Errorf("%s: %+v", text, e)
		}
		if e.Call.Outcome == provider.OutcomeVoicemail && (e.Call.Status != provider.StatusEnded || e.Call.Transcript != "User: Hi") {
			t.Errorf("%s: %+v", text, e.Call)
		}
		if code := post(h, "x", body(text)); code != 401 {
			t.Errorf("unsigned: %d", code)
		}
	}
}

func unixText(at int64) string { return wireText(at) }

// A recording is asked for with the room, and its webhook finds the call.
func TestEgress(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", Egress: []byte(`{"room":{"audio_only":true,"file_outputs":[{"filepath":"calls/{identity}.ogg"}]}}`)}, hook: &WebhookConfig{}})
	c := w.place(t, request("t/1"))
	r, _ := parseID(c.ID)
	egress, _ := w.body(t, "RoomService/CreateRoom")["egress"].(map[string]any)
	room, _ := egress["room"].(map[string]any)
	outputs, _ := room["file_outputs"].([]any)
	if len(outputs) != 1 || outputs[0].(map[string]any)["filepath"] != "calls/"+r.identity+".ogg" {
		t.Errorf("asked for %v", egress)
	}
	w.lk.EndEgress(r.room, "x.ogg", "https://bucket/x.ogg") // the room's name tells
	w.lk.EndEgress("the-hosts-room", "calls/"+r.identity+".ogg", "https://bucket/y.ogg")
	w.lk.EndEgress("the-hosts-room", "z.ogg", "https://bucket/z.ogg") // nobody's
	got := map[string]provider.Event{}
	eventually(t, "both recordings", func() bool {
		select {
		case e := <-w.events:
			if e.Call.RecordingURL != "" {
				got[e.Call.RecordingURL] = e
			}
		default:
		}
		return len(got) == 2
	})
	if e := got["https://bucket/x.ogg"]; e.Call.ID != c.ID || e.Provider != "livekit" || e.Key != "" || e.Call.Status != "" {
		t.Errorf("got %+v", e)
	}
	if e := got["https://bucket/y.ogg"]; e.Call.ID != (ref{"the-hosts-room", r.identity}).id() {
		t.Errorf("got %+v", e)
	}
}

// What LiveKit would drop, or store over the recording before, is not taken.
func TestEgressRefused(t *testing.T) {
	for egress, want := range map[string]string{
		`[`:             "no JSON object",
		`"x"`:           "no JSON object",
		`null`:          "records nothing",
		`{}`:            "records nothing",
		`{"room":null}`: "records nothing",
		`{"rooms":{}}`:  `a key "rooms"`,
		`{"audio_only":true,"file_outputs":[{"filepath":"{identity}.ogg"}]}`:                               "LiveKit drops",
		`{"room":{"file_outputs":[{"filepath":"calls/secret.ogg"}]}}`:                                      `a filepath has nothing`,
		`{"participant":{"fileOutputs":[{"filepath":"secret/{Identity}.ogg"}]}}`:                           `a filepath has nothing`,
		`{"room":{"file":{"filepath":"calls/secret-{time}.ogg"}}}`:                                         "",
		`{"room":{"segment_outputs":[{"filename_prefix":"seg","playlist_name":"{identity}/index.m3u8"}]}}`: "",
		`{"room":{"file":{"filepath":"{room_name}"}},"tracks":{"filepath":"secret.ogg"}}`:                  "put {identity} in it",
		`{"room":{"file_outputs":[{"filepath":"calls/{identity}.ogg","s3":{"bucket":"b"}}]}}`:              "",
		`{"room":{"fileOutputs":[{"filepath":"calls/"}],"audioOnly":true}}`:                                "",
		`{"room":{"file_outputs":[{"filepath":""}]}}`:                                                      "",
		`{"tracks":{"filepath":"{room_id}/{publisher_identity}-{time}"},"room":null}`:                      "",
	} {
		cfg := valid()
		cfg.Egress = json.RawMessage(egress)
		_, err := New(cfg)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Config.Egress")) {
			t.Errorf("%s: got %v, want %q", egress, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a value is repeated: %v", err)
		}
	}
}

func TestSIPOptions(t *testing.T) {
	name := "Practice Dr Muster"
	options := SIPOptions{Headers: map[string]string{"X-Campaign": "spring"}, DisplayName: &name, DTMF: "ww1#", HidePhoneNumber: true, KrispEnabled: true, MediaEncryption: "SIP_MEDIA_ENCRYPT_ALLOW"}
	w := newWorld(t, worldConfig{cfg: Config{SIP: sipReturns(options, nil)}})
	w.place(t, request("t/1"))
	got := w.body(t, "SIP/CreateSIPParticipant")
	if got["headers"].(map[string]any)["X-Campaign"] != "spring" || got["display_name"] != name || got["dtmf"] != "ww1#" || got["hide_phone_number"] != true || got["krisp_enabled"] != true || got["media_encryption"] != "SIP_MEDIA_ENCRYPT_ALLOW" {
		t.Errorf("got %v", got)
	}
	if _, there := got["play_dialtone"]; there {
		t.Errorf("zero fields are sent: %v", got)
	}
	for _, bad := range []Config{
		{SIP: sipReturns(SIPOptions{Headers: map[string]string{"X-A": "b\r\nTo: c"}}, nil)},
		{SIP: sipReturns(SIPOptions{Headers: map[string]string{"X A": "b"}}, nil)},
		{SIP: sipReturns(SIPOptions{}, errors.New("+15550100099"))},
	} {
		w := newWorld(t, worldConfig{cfg: bad})
		_, err := w.Place(t.Context(), request("t/1"))
		kindIs(t, err, provider.KindInvalidRequest)
		if w.lk.Requests("CreateRoom") != 0 {
			t.Error("something was sent")
		}
	}
	agent := newWorld(t, worldConfig{cfg: Config{AgentName: "agent", AgentDials: true, SIP: sipReturns(options, nil)}, fake: fakelivekit.Config{}})
	agent.place(t, request("t/2"))
	if meta := dispatchOf(t, agent); meta["sip_options"].(map[string]any)["dtmf"] != "ww1#" {
		t.Errorf("the agent is told %v", meta)
	}
}
