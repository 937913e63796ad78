package livekit

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

func wireText(at int64) string { return strconv.FormatInt(at, 10) }

func sipReturns(o SIPOptions, err error) func(context.Context, provider.Request) (SIPOptions, error) {
	return func(context.Context, provider.Request) (SIPOptions, error) { return o, err }
}

// dispatchOf is what the agent of the last room was told.
func dispatchOf(t *testing.T, w *world) (meta map[string]any) {
	t.Helper()
	agents, _ := w.body(t, "RoomService/CreateRoom")["agents"].([]any)
	if len(agents) != 1 {
		t.Fatalf("dispatched %v", agents)
	}
	if err := json.Unmarshal([]byte(agents[0].(map[string]any)["metadata"].(string)), &meta); err != nil {
		t.Fatal(err)
	}
	return meta
}

// never is a body that must not be read.
type never struct{ read bool }

func (n *never) Read([]byte) (int, error) { n.read = true; return 0, io.EOF }

// A token that is not LiveKit's costs no body, however it is wrong.
func TestForgeriesCostNoBody(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := jwt.MapClaims{"iss": testKey, "nbf": now.Unix(), "exp": now.Unix() + 300, "sha256": "x"}
	rs256, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	old := fakelivekit.SignWebhook(testKey, testSecret, []byte("{}"), now.Add(-time.Hour))
	theirs := fakelivekit.SignWebhook("APIother", "another-secret-of-32-characters!", []byte("{}"), now)
	mixed := fakelivekit.SignWebhook(testKey, "another-secret-of-32-characters!", []byte("{}"), now)
	good := signed("{}")
	for name, auth := range map[string][]string{
		"none": nil, "RS256": {rs256}, "a replay of an hour ago": {old}, "another account": {theirs}, "our key, their secret": {mixed},
		"two": {good, good}, "upper case": {strings.ToUpper(good)}, "a megabyte": {strings.Repeat("a.", 1<<19)}, "dots": {".."}, "empty": {""},
	} {
		body := new(never)
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header["Authorization"] = auth
		rec := httptest.NewRecorder()
		delivered := false
		receiver(t, WebhookConfig{}, func(provider.Event) error { delivered = true; return nil }).ServeHTTP(rec, r)
		if rec.Code != http.StatusUnauthorized || body.read || delivered {
			t.Errorf("%s: %d, body read %t, delivered %t", name, rec.Code, body.read, delivered)
		}
	}
}

// A genuine event that no task waits for is counted.
func TestStrayEvents(t *testing.T) {
	body := `{"event":"room_finished","room":{"name":"r","creationTime":"1700000000","metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"},"id":"EV_1","createdAt":"1700000000"}`
	var notices []provider.Notice
	h := receiver(t, WebhookConfig{Observe: func(_ context.Context, n provider.Notice) { notices = append(notices, n) }},
		func(provider.Event) error { return provider.ErrUnknownCall })
	if code := post(h, signed(body), body); code != http.StatusNoContent {
		t.Errorf("%d", code)
	}
	want := provider.Notice{Kind: provider.NoticeStrayEvent, Provider: "livekit", TaskID: "t", Key: "t/1", N: 1}
	if len(notices) != 1 || notices[0] != want {
		t.Errorf("got %+v", notices)
	}
}

// Raw keeps nothing but what is known: LiveKit's rooms hold a TURN password.
func TestWebhookSecretsStayOut(t *testing.T) {
	body := `{"event":"room_finished","room":{"name":"r","turnPassword":"canary","metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"},"id":"EV_1","createdAt":"1700000000","canary":1}`
	var got provider.Event
	h := receiver(t, WebhookConfig{}, func(e provider.Event) error { got = e; return nil })
	if code := post(h, signed(body), body); code != http.StatusNoContent || len(got.Call.Raw) == 0 || strings.Contains(string(got.Call.Raw), "canary") {
		t.Errorf("%d: %s", code, got.Call.Raw)
	}
}
