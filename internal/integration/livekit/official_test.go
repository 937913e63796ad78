package livekit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	protocol "github.com/livekit/protocol/livekit"
	official "github.com/livekit/protocol/webhook"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
)

// sent is a request of ours, as LiveKit gets it.
type sent struct {
	token string
	body  []byte
}

// platform answers as little as is needed to see every request of a Provider.
func platform(t *testing.T) (url string, requests func() map[string]sent) {
	t.Helper()
	var mu sync.Mutex
	all := map[string]sent{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		mu.Lock()
		all[method] = sent{token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), body: body}
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]string{
			"CreateRoom":       string(body),
			"ListParticipants": `{"participants":[{"identity":"agent","kind":"AGENT","state":"ACTIVE"}]}`,
			"ListRooms":        `{"rooms":[]}`,
		}[method]
		if answer == "" {
			answer = "{}"
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() map[string]sent {
		mu.Lock()
		defer mu.Unlock()
		copied := map[string]sent{}
		for k, v := range all {
			copied[k] = v
		}
		return copied
	}
}

// exercise makes a Provider send each request it can.
func exercise(t *testing.T) map[string]sent {
	t.Helper()
	url, requests := platform(t)
	display := "Practice Dr Muster"
	p, err := livekit.New(livekit.Config{
		URL: url, APIKey: apiKey, APISecret: apiSecret, SIPTrunkID: "ST_1", AgentName: agentName, GoneAfter: time.Millisecond,
		Egress: json.RawMessage(`{"room":{"audio_only":true,"file_outputs":[{"filepath":"calls/{identity}.ogg","s3":{"bucket":"b"}}]}}`),
		SIP: func(context.Context, provider.Request) (livekit.SIPOptions, error) {
			return livekit.SIPOptions{
				Headers: map[string]string{"X-Campaign": "spring"}, IncludeHeaders: "SIP_X_HEADERS", DisplayName: &display, DTMF: "ww1#",
				HidePhoneNumber: true, PlayDialtone: true, KrispEnabled: true, MediaEncryption: "SIP_MEDIA_ENCRYPT_ALLOW", ParticipantMetadata: "{}",
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	req := request("t/1", "+15550100001")
	req.RingTimeout = 2500 * time.Millisecond
	c, err := p.Place(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = p.Get(t.Context(), c.ID)
	_, _ = p.Find(t.Context(), "t/1", time.Time{})
	if err := p.End(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	return requests()
}

// Config.Egress takes every key that LiveKit's own RoomEgress has.
func TestEgressTakesLiveKitsOwnKeys(t *testing.T) {
	fields := new(protocol.RoomEgress).ProtoReflect().Descriptor().Fields()
	if fields.Len() == 0 {
		t.Fatal("RoomEgress has no fields")
	}
	for i := range fields.Len() {
		for _, key := range []string{fields.Get(i).TextName(), fields.Get(i).JSONName()} {
			cfg := livekit.Config{URL: "https://x", APIKey: apiKey, APISecret: apiSecret, SIPTrunkID: "ST_1", Egress: json.RawMessage(`{"` + key + `":{}}`)}
			if _, err := livekit.New(cfg); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}

// LiveKit's own messages read every request of ours, and no field of it is unknown
// to them.
func TestRequestsDecodeWithLiveKitsOwnTypes(t *testing.T) {
	messages := map[string]proto.Message{
		"CreateRoom": new(protocol.CreateRoomRequest), "DeleteRoom": new(protocol.DeleteRoomRequest),
		"ListRooms": new(protocol.ListRoomsRequest), "ListParticipants": new(protocol.ListParticipantsRequest),
		"UpdateRoomMetadata": new(protocol.UpdateRoomMetadataRequest), "CreateSIPParticipant": new(protocol.CreateSIPParticipantRequest),
	}
	requests := exercise(t)
	for method, m := range messages {
		r, ok := requests[method]
		if !ok {
			t.Errorf("%s was never sent", method)
			continue
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: false}).Unmarshal(r.body, m); err != nil {
			t.Errorf("%s: %v in %s", method, err, r.body)
		}
	}
	if len(requests) != len(messages) {
		t.Errorf("requests are %d, checked are %d", len(requests), len(messages))
	}
	room, call := messages["CreateRoom"].(*protocol.CreateRoomRequest), messages["CreateSIPParticipant"].(*protocol.CreateSIPParticipantRequest)
	if len(room.Agents) != 1 || room.Agents[0].AgentName != agentName || room.Egress.GetRoom().GetFileOutputs()[0].GetS3().GetBucket() != "b" || room.DepartureTimeout != 60 {
		t.Errorf("room: %v", room)
	}
	if call.RingingTimeout.AsDuration() != 2500*time.Millisecond || call.MaxCallDuration.AsDuration() < 5*time.Minute || !call.WaitUntilAnswered ||
		call.Headers["X-Campaign"] != "spring" || call.GetDisplayName() != "Practice Dr Muster" || call.Dtmf != "ww1#" || !call.HidePhoneNumber || !call.KrispEnabled {
		t.Errorf("call: %v", call)
	}
	// A misspelt field is found.
	wrong := bytes.Replace(requests["CreateSIPParticipant"].body, []byte(`"ringing_timeout"`), []byte(`"ring_timeout"`), 1)
	if err := protojson.Unmarshal(wrong, new(protocol.CreateSIPParticipantRequest)); err == nil {
		t.Error("a misspelt field passes: this test proves nothing")
	}
}

// LiveKit's own verifier takes our tokens, and each allows what its request needs.
func TestTokensVerifyWithLiveKitsOwnVerifier(t *testing.T) {
	allows := map[string]func(g *auth.ClaimGrants) bool{
		"CreateRoom": func(g *auth.ClaimGrants) bool {
			return g.Video.RoomCreate && !g.Video.RoomAdmin && !g.Video.RoomList && g.SIP == nil
		},
		"DeleteRoom":           func(g *auth.ClaimGrants) bool { return g.Video.RoomCreate },
		"ListRooms":            func(g *auth.ClaimGrants) bool { return g.Video.RoomList && !g.Video.RoomCreate },
		"ListParticipants":     func(g *auth.ClaimGrants) bool { return g.Video.RoomAdmin && g.Video.Room != "" },
		"UpdateRoomMetadata":   func(g *auth.ClaimGrants) bool { return g.Video.RoomAdmin && g.Video.Room != "" },
		"CreateSIPParticipant": func(g *auth.ClaimGrants) bool { return g.SIP.Call && !g.SIP.Admin && g.Video == nil },
	}
	for method, r := range exercise(t) {
		v, err := auth.ParseAPIToken(r.token)
		if err != nil || v.APIKey() != apiKey {
			t.Errorf("%s: %v", method, err)
			continue
		}
		registered, grants, err := v.Verify(apiSecret)
		if err != nil || !allows[method](grants) || registered.ExpiresAt == nil {
			t.Errorf("%s: %v, %+v", method, err, grants)
		}
		if _, _, err := v.Verify("another secret of at least 32 characters"); err == nil {
			t.Errorf("%s: another secret verifies", method)
		}
	}
}

// Our verifier and LiveKit's agree about what LiveKit signs, and about what somebody
// changed.
func TestWebhooksVerifyAsWithLiveKitsOwnReceiver(t *testing.T) {
	event := &protocol.WebhookEvent{
		Event: "participant_left", Id: "EV_1", CreatedAt: time.Now().Unix(),
		Room: &protocol.Room{Name: "r", Sid: "RM_1"},
		Participant: &protocol.ParticipantInfo{
			Identity: "phone-1", Kind: protocol.ParticipantInfo_SIP, DisconnectReason: protocol.DisconnectReason_CLIENT_INITIATED,
			Attributes: map[string]string{"voice.key": "t/1", "sip.callStatus": "hangup"},
		},
	}
	body, err := protojson.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	sign := func(key, secret string, valid time.Duration) string {
		token, err := auth.NewAccessToken(key, secret).SetValidFor(valid).SetSha256(base64.StdEncoding.EncodeToString(sum[:])).ToJWT()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	var got []provider.Event
	ours, err := livekit.WebhookHandler(livekit.WebhookConfig{APIKey: apiKey, APISecret: apiSecret},
		provider.EventSinkFunc(func(_ context.Context, e provider.Event) error { got = append(got, e); return nil }))
	if err != nil {
		t.Fatal(err)
	}
	keys := auth.NewSimpleKeyProvider(apiKey, apiSecret)
	for name, c := range map[string]struct {
		token string
		body  []byte
		good  bool
	}{
		"genuine":        {sign(apiKey, apiSecret, 5*time.Minute), body, true},
		"changed":        {sign(apiKey, apiSecret, 5*time.Minute), bytes.Replace(body, []byte("EV_1"), []byte("EV_2"), 1), false},
		"another secret": {sign(apiKey, "another-secret-of-at-least-32-characters", 5*time.Minute), body, false},
		"another key":    {sign("APIother", apiSecret, 5*time.Minute), body, false},
		"no token":       {"", body, false},
	} {
		got = nil
		make := func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(c.body))
			r.Header.Set("Authorization", c.token)
			r.Header.Set("Content-Type", "application/webhook+json")
			return r
		}
		_, err := official.ReceiveWebhookEvent(make(), keys)
		rec := httptest.NewRecorder()
		ours.ServeHTTP(rec, make())
		if (err == nil) != c.good || (rec.Code == http.StatusNoContent) != c.good || (len(got) == 1) != c.good {
			t.Errorf("%s: LiveKit's says %v, ours %d with %d events", name, err, rec.Code, len(got))
		}
		if c.good && (got[0].Key != "t/1" || got[0].Call.Outcome != provider.OutcomeCompleted) {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
}

// LiveKit's own sender, with its retries, delivers to our handler.
func TestLiveKitsOwnNotifierDelivers(t *testing.T) {
	events := make(chan provider.Event, 10)
	refused := false
	h, err := livekit.WebhookHandler(livekit.WebhookConfig{APIKey: apiKey, APISecret: apiSecret},
		provider.EventSinkFunc(func(_ context.Context, e provider.Event) error {
			if !refused {
				refused = true
				return context.DeadlineExceeded
			}
			events <- e
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	official.InitWebhookStats(map[string]string{})
	config := official.DefaultWebHookConfig
	config.URLs, config.APIKey = []string{srv.URL}, apiKey
	n, err := official.NewDefaultNotifier(config, auth.NewSimpleKeyProvider(apiKey, apiSecret))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(true)
	err = n.QueueNotify(t.Context(), &protocol.WebhookEvent{
		Event: "participant_joined", Id: "EV_7", CreatedAt: time.Now().Unix(), Room: &protocol.Room{Name: "r"},
		Participant: &protocol.ParticipantInfo{Identity: "phone-1", Kind: protocol.ParticipantInfo_SIP, Attributes: map[string]string{"voice.key": "t/1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-events:
		if e.ID != "EV_7" || e.Key != "t/1" || e.Call.Status != provider.StatusQueued {
			t.Errorf("got %+v", e)
		}
	case <-time.After(time.Minute):
		t.Fatal("never delivered")
	}
}
