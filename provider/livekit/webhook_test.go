package livekit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

// next is the next event of that status; those before it are skipped.
func (w *world) next(t *testing.T, status provider.Status) provider.Event {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case e := <-w.events:
			if e.Call.Status == status {
				return e
			}
		case <-timeout:
			t.Fatalf("no %s event came", status)
		}
	}
}

// receiver is a handler that counts what reaches its sink.
func receiver(t *testing.T, cfg WebhookConfig, deliver func(provider.Event) error) http.Handler {
	t.Helper()
	cfg.APIKey, cfg.APISecret = testKey, testSecret
	h, err := WebhookHandler(cfg, provider.EventSinkFunc(func(_ context.Context, e provider.Event) error { return deliver(e) }))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(h http.Handler, auth, body string) int {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code
}

func signed(body string) string {
	return fakelivekit.SignWebhook(testKey, testSecret, []byte(body), time.Now())
}

func TestWebhookSignature(t *testing.T) {
	body := `{"event":"room_finished","room":{"name":"r","metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"},"id":"EV_1","createdAt":"1700000000"}`
	sum := sha256.Sum256([]byte(body))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	now := time.Now()
	claimsOf := func(change func(c jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"iss": testKey, "nbf": now.Unix(), "exp": now.Unix() + 300, "sha256": hash}
		if change != nil {
			change(c)
		}
		return c
	}
	token := func(m jwt.SigningMethod, key any, change func(c jwt.MapClaims)) string {
		s, err := jwt.NewWithClaims(m, claimsOf(change)).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	hs, secret := jwt.SigningMethodHS256, []byte(testSecret)
	good := token(hs, secret, nil)
	for _, c := range []struct {
		name, auth, body string
		want             int
	}{
		{"genuine", good, body, 204},
		{"LiveKit's own form", signed(body), body, 204},
		{"no header", "", body, 401},
		{"with a scheme", "Bearer " + good, body, 401},
		{"body changed", good, strings.Replace(body, "EV_1", "EV_2", 1), 401},
		{"body is not JSON, and not signed", "x.y.z", "{{{", 401},
		{"body is not JSON, but signed", signed("{{{"), "{{{", 400},
		{"another secret", token(hs, []byte("other"), nil), body, 401},
		{"no algorithm", token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), body, 401},
		{"HS384", token(jwt.SigningMethodHS384, secret, nil), body, 401},
		{"HS512", token(jwt.SigningMethodHS512, secret, nil), body, 401},
		{"another key", token(hs, secret, func(c jwt.MapClaims) { c["iss"] = "APIother" }), body, 401},
		{"no key", token(hs, secret, func(c jwt.MapClaims) { delete(c, "iss") }), body, 401},
		{"expired", token(hs, secret, func(c jwt.MapClaims) { c["exp"] = now.Add(-2 * time.Minute).Unix() }), body, 401},
		{"never expires", token(hs, secret, func(c jwt.MapClaims) { delete(c, "exp") }), body, 401},
		{"not yet valid", token(hs, secret, func(c jwt.MapClaims) { c["nbf"] = now.Add(2 * time.Minute).Unix() }), body, 401},
		{"no hash", token(hs, secret, func(c jwt.MapClaims) { delete(c, "sha256") }), body, 401},
		{"an API token of ours", func() string { s, _ := newSigner(testKey, testSecret)(mayList(), now); return s }(), body, 401},
		{"signature cut off", good[:strings.LastIndexByte(good, '.')+1], body, 401},
	} {
		delivered, forged := 0, 0
		h := receiver(t, WebhookConfig{Observe: func(_ context.Context, n provider.Notice) {
			if n.Kind == provider.NoticeForgedWebhook && n.Provider == "livekit" {
				forged++
			}
		}}, func(provider.Event) error { delivered++; return nil })
		if got := post(h, c.auth, c.body); got != c.want || (delivered == 1) != (c.want == 204) || (forged == 1) != (c.want == 401) {
			t.Errorf("%s: %d, %d delivered, %d forged; want %d", c.name, got, delivered, forged, c.want)
		}
	}
	big := strings.Repeat("x", 5<<20)
	if got := post(receiver(t, WebhookConfig{}, nil), signed(big), big); got != 413 {
		t.Errorf("5 MiB: %d", got)
	}
}

// What a webhook says, in LiveKit's own spelling.
func TestWebhookEvents(t *testing.T) {
	const (
		ours    = `"room":{"sid":"RM_1","name":"r","creationTime":"1700000000","turnPassword":"turn-secret","metadata":"{\"voice_key\":\"t/1\"}"}`
		talked  = `"room":{"name":"r","metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"}`
		dialler = `"room":{"name":"r","metadata":"{\"voice_key\":\"t/1\",\"voice_agent_dials\":true}"}`
		at      = `"id":"EV_1","createdAt":"1700000100"`
	)
	sip := func(status, more string) string {
		return `"participant":{"sid":"PA_1","identity":"phone-x","kind":"SIP","joinedAt":"1700000001","attributes":{"voice.key":"t/1","sip.callStatus":"` + status + `"}` + more + `}`
	}
	stranger := `"participant":{"sid":"PA_2","identity":"transfer","kind":"SIP","attributes":{"sip.callStatus":"active"},"disconnectReason":"USER_REJECTED"}`
	for _, c := range []struct {
		name, body string
		status     provider.Status
		outcome    provider.Outcome
		none       bool
		notice     string
	}{
		{name: "joined", body: `"event":"participant_joined",` + ours + `,` + sip("dialing", ""), status: provider.StatusQueued},
		{name: "joined, ringing", body: `"event":"participant_joined",` + ours + `,` + sip("ringing", ""), status: provider.StatusRinging},
		{name: "joined again after a restart", body: `"event":"participant_joined",` + talked + `,` + sip("dialing", ""), status: provider.StatusInProgress},
		{name: "callee hung up", body: `"event":"participant_left",` + ours + `,` + sip("hangup", `,"disconnectReason":"CLIENT_INITIATED"`), status: provider.StatusEnded, outcome: provider.OutcomeCompleted},
		{name: "answered once, then a restart", body: `"event":"participant_left",` + talked + `,` + sip("dialing", `,"disconnectReason":"CLIENT_INITIATED"`), status: provider.StatusEnded, outcome: provider.OutcomeCompleted},
		{name: "SIP 503", body: `"event":"participant_left",` + ours + `,` + sip("ringing", `,"disconnectReason":"CLIENT_INITIATED"`), status: provider.StatusEnded, outcome: provider.OutcomeProviderFault},
		{name: "rejected", body: `"event":"participant_left",` + ours + `,` + sip("ringing", `,"disconnectReason":"USER_REJECTED"`), status: provider.StatusEnded, outcome: provider.OutcomeDeclined},
		{name: "not answered", body: `"event":"participant_left",` + ours + `,` + sip("ringing", `,"disconnectReason":"USER_UNAVAILABLE"`), status: provider.StatusEnded, outcome: provider.OutcomeNoAnswer},
		{name: "agent hung up", body: `"event":"participant_left",` + ours + `,` + sip("active", `,"disconnectReason":"ROOM_DELETED"`), status: provider.StatusEnded, outcome: provider.OutcomeCompleted},
		{name: "ended while ringing", body: `"event":"participant_left",` + ours + `,` + sip("ringing", `,"disconnectReason":"ROOM_DELETED"`), status: provider.StatusEnded, outcome: provider.OutcomeCancelled},
		{name: "kicked early", body: `"event":"participant_connection_aborted",` + ours + `,` + sip("", `,"disconnectReason":"PARTICIPANT_REMOVED"`), status: provider.StatusEnded, outcome: provider.OutcomeCancelled},
		{name: "bridge died", body: `"event":"participant_left",` + ours + `,` + sip("active", `,"disconnectReason":"CONNECTION_TIMEOUT"`), status: provider.StatusEnded, outcome: provider.OutcomeProviderFault},
		{name: "reason by number", body: `"event":"participant_left",` + ours + `,` + sip("active", `,"disconnectReason":99`), status: provider.StatusEnded, outcome: provider.OutcomeUnknown, notice: provider.NoticeUnmappedReason},
		{name: "no reason", body: `"event":"participant_left",` + ours + `,` + sip("ringing", ""), status: provider.StatusEnded, outcome: provider.OutcomeUnknown, notice: provider.NoticeUnmappedReason},
		{name: "second dial", body: `"event":"participant_left",` + ours + `,` + sip("active", `,"disconnectReason":"DUPLICATE_IDENTITY"`), none: true, notice: provider.NoticeSecondCall},
		{name: "server moves it", body: `"event":"participant_left",` + ours + `,` + sip("active", `,"disconnectReason":"MIGRATION"`), none: true},
		{name: "somebody the agent transferred to", body: `"event":"participant_left",` + ours + `,` + stranger, none: true},
		{name: "the agent's callee", body: `"event":"participant_left",` + dialler + `,` + stranger, status: provider.StatusEnded, outcome: provider.OutcomeCompleted},
		{name: "agent leaves, silent", body: `"event":"participant_left",` + ours + `,"participant":{"identity":"a","kind":"AGENT"}`, none: true},
		{name: "agent leaves, with a report", body: `"event":"participant_left",` + ours + `,"participant":{"identity":"a","kind":"AGENT","attributes":{"voice.summary":"s"}}`},
		{name: "voicemail", body: `"event":"participant_left",` + ours + `,"participant":{"kind":"SIP","attributes":{"voice.key":"t/1","voice.outcome":"voicemail","sip.callStatus":"hangup"},"disconnectReason":"CLIENT_INITIATED"}`, status: provider.StatusEnded, outcome: provider.OutcomeVoicemail},
		{name: "an outcome that is none", body: `"event":"participant_left",` + ours + `,"participant":{"kind":"SIP","attributes":{"voice.key":"t/1","voice.outcome":"great","sip.callStatus":"hangup"},"disconnectReason":"CLIENT_INITIATED"}`, status: provider.StatusEnded, outcome: provider.OutcomeCompleted},
		{name: "room of an answered call", body: `"event":"room_finished",` + talked, status: provider.StatusEnded, outcome: provider.OutcomeCompleted},
		{name: "room in which nobody was rung", body: `"event":"room_finished",` + ours, none: true},
		{name: "room of a dialling agent", body: `"event":"room_finished",` + dialler, status: provider.StatusEnded, outcome: provider.OutcomeUnknown},
		{name: "room started", body: `"event":"room_started",` + ours, none: true},
		{name: "track", body: `"event":"track_published","room":{"name":"r"},"participant":{"identity":"phone-x"}`, none: true},
		{name: "another's room", body: `"event":"room_finished","room":{"name":"other","metadata":"hello"}`, none: true},
		{name: "inbound call", body: `"event":"participant_left","room":{"name":"other"},"participant":{"kind":"SIP","attributes":{"sip.callStatus":"hangup"}}`, none: true},
		{name: "no room", body: `"event":"egress_started"`, none: true},
		{name: "no participant", body: `"event":"participant_left",` + ours, none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []provider.Event
			var notices []provider.Notice
			h := receiver(t, WebhookConfig{Provider: "lk2", Observe: func(_ context.Context, n provider.Notice) { notices = append(notices, n) }},
				func(e provider.Event) error { got = append(got, e); return nil })
			body := "{" + c.body + "," + at + "}"
			if status := post(h, signed(body), body); status != 204 {
				t.Fatalf("answered %d", status)
			}
			if (c.notice != "") != (len(notices) == 1) || c.notice != "" && (notices[0].Kind != c.notice || notices[0].TaskID != "t" || notices[0].Key != "t/1") {
				t.Errorf("notices %v", notices)
			}
			if c.none || len(got) != 1 {
				if !c.none || len(got) != 0 {
					t.Fatalf("%d events", len(got))
				}
				return
			}
			e := got[0]
			want := (ref{room: "r", identity: identityFor("t/1")}).id()
			if e.ID != "EV_1" || e.Provider != "lk2" || e.Key != "t/1" || e.Call.Key != "t/1" || e.Call.ID != want || !e.At.Equal(time.Unix(1700000100, 0)) || e.At.Location() != time.UTC {
				t.Errorf("event %+v", e)
			}
			if e.Call.Status != c.status || e.Call.Outcome != c.outcome {
				t.Errorf("call %s %s, want %s %s", e.Call.Status, e.Call.Outcome, c.status, c.outcome)
			}
			if (e.Call.Status == provider.StatusEnded) == e.Call.EndedAt.IsZero() {
				t.Errorf("ended at %v", e.Call.EndedAt)
			}
			if raw := string(e.Call.Raw); raw == "" || strings.Contains(raw, "turn-secret") {
				t.Errorf("raw %s", raw)
			}
		})
	}
}

func TestWebhookAnswers(t *testing.T) {
	body := func(at time.Time, reason string) string {
		return fmt.Sprintf(`{"event":"participant_left","room":{"name":"r"},"participant":{"kind":"SIP","joinedAt":"%d","attributes":{"voice.key":"t/1","sip.callStatus":"ringing"},"disconnectReason":%q},"createdAt":"%d"}`,
			at.Unix(), reason, at.Unix())
	}
	now := time.Now()
	for _, c := range []struct {
		name string
		at   time.Time
		hold time.Duration
		err  error
		want int
	}{
		{"young: Place may know better", now.Add(2 * time.Second), 0, nil, 503}, // and stays so for as long as a machine stands still
		{"young, no wait asked for", now, -1, nil, 204},
		{"old enough", now.Add(-5 * time.Second), 0, nil, 204},
		{"our clocks differ", now.Add(time.Hour), 0, nil, 204},
		{"unknown, young", now.Add(-10 * time.Second), 0, provider.ErrUnknownCall, 503},
		{"unknown, old", now.Add(-10 * time.Minute), 0, provider.ErrUnknownCall, 204},
		{"sink failed", now.Add(-10 * time.Minute), 0, errors.New("down"), 503},
	} {
		delivered := 0
		h := receiver(t, WebhookConfig{HoldBack: c.hold}, func(provider.Event) error { delivered++; return c.err })
		b := body(c.at, "USER_REJECTED")
		if got := post(h, signed(b), b); got != c.want || delivered == 0 && c.want == 204 {
			t.Errorf("%s: %d, %d delivered; want %d", c.name, got, delivered, c.want)
		}
	}
	rec := httptest.NewRecorder()
	receiver(t, WebhookConfig{}, nil).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
}

// The whole way: LiveKit's webhooks, refused, doubled and out of step with Place.
func TestWebhooksEndToEnd(t *testing.T) {
	var refusals atomic.Int32
	w := newWorld(t, worldConfig{
		cfg: Config{AgentName: "agent", Webhooks: true}, hook: &WebhookConfig{},
		fake: fakelivekit.Config{WebhookRetries: []time.Duration{5 * time.Millisecond, 10 * time.Millisecond}},
		sink: func(e provider.Event) error {
			if refusals.Add(1) == 1 {
				return errors.New("the store is down")
			}
			return nil
		},
	})
	w.lk.Webhooks(nil, func(event string) bool { return event == "participant_left" })
	if !w.Traits().Events {
		t.Error("Traits do not say Events")
	}
	c := w.place(t, request("t/1"))
	first := w.next(t, provider.StatusQueued)
	if first.Key != "t/1" || first.Call.ID != c.ID || first.Call.CreatedAt.IsZero() {
		t.Errorf("joined: %+v", first)
	}
	w.lk.HangUp(roomOf(t, c.ID), identityFor("t/1"))
	e, again := w.next(t, provider.StatusEnded), w.next(t, provider.StatusEnded)
	if e.Call.Outcome != provider.OutcomeCompleted || e.ID == "" || e.ID != again.ID {
		t.Errorf("ended: %+v, then %+v", e, again)
	}
	if m := c.Merge(first.Call).Merge(e.Call).Merge(again.Call); m.Outcome != provider.OutcomeCompleted || !m.AnsweredAt.Equal(c.AnsweredAt) {
		t.Errorf("merged %+v", m)
	}
}

// A busy line is "declined" to a webhook, which often comes first. It waits.
func TestPlaceSpeaksFirst(t *testing.T) {
	w := newWorld(t, worldConfig{
		hook: &WebhookConfig{HoldBack: 2 * time.Second},
		fake: fakelivekit.Config{WebhookRetries: []time.Duration{10 * time.Millisecond, 3 * time.Second}},
	})
	req := request("t/1")
	req.To = "+15550100086"
	c := w.place(t, req)
	if c.Outcome != provider.OutcomeBusy {
		t.Fatalf("got %+v", c)
	}
	e := w.next(t, provider.StatusEnded)
	if age := time.Since(e.At); age < 2*time.Second { // the age that decides
		t.Errorf("came %s after it was made: %+v", age, e)
	}
	if m := c.Merge(e.Call); m.Outcome != provider.OutcomeBusy {
		t.Errorf("merged %+v", m)
	}
}

func TestWebhookConfig(t *testing.T) {
	sink := provider.EventSinkFunc(func(context.Context, provider.Event) error { return nil })
	other := valid()
	other.Name = "livekit-eu"
	eu, err := New(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  WebhookConfig
		sink provider.EventSink
		want string
	}{
		"no key":         {WebhookConfig{APISecret: "s"}, sink, "APIKey is required"},
		"no secret":      {WebhookConfig{APIKey: "k"}, sink, "APISecret is required"},
		"no sink":        {WebhookConfig{APIKey: "k", APISecret: "s"}, nil, "sink"},
		"a newline":      {WebhookConfig{APIKey: "k\n", APISecret: "s"}, sink, "APIKey"},
		"a space":        {WebhookConfig{APIKey: "k", APISecret: "hush hush"}, sink, "APISecret"},
		"no name":        {WebhookConfig{APIKey: "k", APISecret: "s", Provider: "Live Kit"}, sink, "Provider"},
		"another's name": {WebhookConfig{APIKey: "k", APISecret: "s", Provider: "livekit", Calls: eu}, sink, `"livekit-eu"`},
	} {
		if _, err := WebhookHandler(c.cfg, c.sink); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Calls names the provider, so that nobody has to say it twice.
	var got []provider.Event
	body := `{"event":"room_finished","room":{"name":"r","metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"},"id":"EV_1","createdAt":"1700000000"}`
	h := receiver(t, WebhookConfig{Calls: eu}, func(e provider.Event) error { got = append(got, e); return nil })
	if code := post(h, signed(body), body); code != 204 || len(got) != 1 || got[0].Provider != "livekit-eu" {
		t.Errorf("%d, %+v", code, got)
	}
}

// Two accounts are two values: what one signs is a forgery to the other, and their
// events carry their own names.
func TestTwoAccounts(t *testing.T) {
	type account struct{ name, key, secret string }
	var got []provider.Event
	sink := provider.EventSinkFunc(func(_ context.Context, e provider.Event) error { got = append(got, e); return nil })
	accounts := []account{{"livekit-us", "APIus", "the-secret-of-the-us-project-0123456"}, {"livekit-eu", "APIeu", "the-secret-of-the-eu-project-0123456"}}
	body := `{"event":"room_finished","room":{"name":"r","metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"},"id":"EV_1","createdAt":"1700000000"}`
	for _, to := range accounts {
		h, err := WebhookHandler(WebhookConfig{Provider: to.name, APIKey: to.key, APISecret: to.secret}, sink)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range accounts {
			got = nil
			code := post(h, fakelivekit.SignWebhook(from.key, from.secret, []byte(body), time.Now()), body)
			if from == to && (code != 204 || len(got) != 1 || got[0].Provider != to.name) || from != to && (code != 401 || len(got) != 0) {
				t.Errorf("from %s to %s: %d, %+v", from.name, to.name, code, got)
			}
		}
	}
}
