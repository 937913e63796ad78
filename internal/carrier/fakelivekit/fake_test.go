package fakelivekit

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

const (
	key    = "APIkey"
	secret = "a-secret-of-at-least-32-characters"
)

type rig struct {
	*Server
	net    *carrier.Network
	ledger *ledger
	url    string
	all    map[string]any // a token's grants
}

// ledger is a Writer that may be read meanwhile.
type ledger struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *ledger) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	l := &ledger{}
	n := carrier.New(l, carrier.Pace{Setup: time.Millisecond, Ring: 20 * time.Millisecond, Talk: 20 * time.Millisecond, Machine: 20 * time.Millisecond})
	cfg.Network, cfg.APIKey, cfg.APISecret = n, key, secret
	s := New(cfg)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(s.Close)
	return &rig{Server: s, net: n, ledger: l, url: srv.URL, all: map[string]any{
		"video": map[string]any{"roomCreate": true, "roomList": true, "roomAdmin": true, "room": "r"}, "sip": map[string]any{"call": true},
	}}
}

// ask posts body and returns the status and the answer.
func (r *rig) ask(t *testing.T, method, body string) (int, map[string]any) {
	t.Helper()
	c := map[string]any{"iss": key, "exp": time.Now().Unix() + 60}
	for k, v := range r.all {
		c[k] = v
	}
	return r.askWith(t, method, body, "Bearer "+signToken(secret, c))
}

func (r *rig) askWith(t *testing.T, method, body, auth string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/twirp/livekit."+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", auth)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	var m map[string]any
	_ = json.Unmarshal(b, &m)
	return resp.StatusCode, m
}

func dialBody(number string, more string) string {
	return `{"sip_trunk_id":"ST_fake","sip_call_to":"` + number + `","room_name":"r","participant_identity":"p","ringing_timeout":"0.2s",` +
		`"participant_attributes":{"voice.key":"t/1"},"wait_until_answered":true` + more + `}`
}

// The rows of the table measured on a real LiveKit.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body, code string
		status           int
		sip              string
	}{
		{"answered", dialBody("+15550100001", ""), "", 200, ""},
		{"busy", dialBody("+15550100086", ""), "resource_exhausted", 429, "486"},
		{"declined", dialBody("+15550100003", ""), "permission_denied", 403, "603"},
		{"no such number", dialBody("+15550100004", ""), "not_found", 404, "404"},
		{"fault", dialBody("+15550100051", ""), "failed_precondition", 412, "503"},
		{"no answer", dialBody("+15550100080", ""), "canceled", 408, ""},
		{"malformed", dialBody("+15550100005", ""), "invalid_argument", 400, ""},
		{"no capacity", dialBody("+15550100029", ""), "unavailable", 503, ""},
		{"no waiting", strings.Replace(dialBody("+15550100086", ""), "true", "false", 1), "", 200, ""},
		{"wrong trunk", strings.Replace(dialBody("+15550100001", ""), "ST_fake", "ST_x", 1), "not_found", 404, ""},
		{"no number", dialBody("", ""), "invalid_argument", 400, ""},
		{"not JSON", "{", "malformed", 400, ""},
	} {
		r := newRig(t, Config{})
		status, m := r.ask(t, "SIP/CreateSIPParticipant", c.body)
		code, _ := m["code"].(string)
		meta, _ := m["meta"].(map[string]any)
		sip, _ := meta["sip_status_code"].(string)
		if status != c.status || code != c.code || sip != c.sip {
			t.Errorf("%s: got %d %q %q, want %d %q %q", c.name, status, code, sip, c.status, c.code, c.sip)
		}
		if c.status == 200 && (m["sip_call_id"] == "" || m["room_name"] != "r") {
			t.Errorf("%s: %v", c.name, m)
		}
	}
}

// A second dial under an identity rings again and cuts off the first.
func TestDialIsNotIdempotent(t *testing.T) {
	r := newRig(t, Config{})
	if status, _ := r.ask(t, "SIP/CreateSIPParticipant", dialBody("+15550100099", "")); status != 200 {
		t.Fatal(status)
	}
	if status, _ := r.ask(t, "SIP/CreateSIPParticipant", dialBody("+15550100099", "")); status != 200 {
		t.Fatal(status)
	}
	if r.net.Rings("") != 2 || r.net.Live() != 1 {
		t.Errorf("%d rings, %d live", r.net.Rings(""), r.net.Live())
	}
	if !strings.Contains(r.ledger.String(), `"key":"t/1"`) || !strings.Contains(r.ledger.String(), `"platform":"livekit"`) {
		t.Errorf("ledger %s", r.ledger)
	}
}

func TestRooms(t *testing.T) {
	r := newRig(t, Config{Agents: []string{"agent"}, AgentDelay: time.Millisecond})
	create := `{"name":"r","metadata":"first","agents":[{"agent_name":"agent"},{"agent_name":"nobody"}]}`
	_, first := r.ask(t, "RoomService/CreateRoom", create)
	_, second := r.ask(t, "RoomService/CreateRoom", strings.Replace(create, "first", "second", 1))
	if first["sid"] == "" || first["sid"] != second["sid"] || second["metadata"] != "first" {
		t.Errorf("not idempotent: %v, %v", first, second)
	}
	r.stays(t, 1, "one of the two agents is registered, and dispatched once")
	if _, m := r.ask(t, "AgentDispatchService/ListDispatch", `{"room":"r"}`); len(m["agent_dispatches"].([]any)) != 2 {
		t.Errorf("dispatches %v", m)
	}
	r.ask(t, "AgentDispatchService/CreateDispatch", `{"room":"r","agent_name":"agent"}`)
	r.stays(t, 2, "each CreateDispatch is another agent")
	if _, m := r.ask(t, "RoomService/UpdateRoomMetadata", `{"room":"r","metadata":"x"}`); m["metadata"] != "x" {
		t.Errorf("metadata %v", m)
	}
	if _, m := r.ask(t, "RoomService/ListRooms", `{"names":["r","s"]}`); len(m["rooms"].([]any)) != 1 {
		t.Errorf("rooms %v", m)
	}
	for _, want := range []int{200, 404} {
		if status, _ := r.ask(t, "RoomService/DeleteRoom", `{"room":"r"}`); status != want {
			t.Errorf("DeleteRoom: %d, want %d", status, want)
		}
	}
	if status, m := r.ask(t, "RoomService/ListParticipants", `{"room":"r"}`); status != 200 || len(m["participants"].([]any)) != 0 {
		t.Errorf("participants of no room: %d %v", status, m)
	}
	if status, m := r.ask(t, "AgentDispatchService/ListDispatch", `{"room":"r"}`); status != 503 || m["code"] != "unavailable" {
		t.Errorf("dispatches of no room: %d %v", status, m)
	}
	if status, m := r.ask(t, "RoomService/Nonsense", `{}`); status != 404 || m["code"] != "bad_route" {
		t.Errorf("%d %v", status, m)
	}
}

// stays waits until so many participants are in the room, and sees that no more come.
func (r *rig) stays(t *testing.T, want int, why string) {
	t.Helper()
	var last map[string]any
	there := func() int {
		_, last = r.ask(t, "RoomService/ListParticipants", `{"room":"r"}`)
		return len(last["participants"].([]any))
	}
	eventually(t, why, func() bool { return there() >= want })
	time.Sleep(20 * time.Millisecond)
	if there() != want {
		t.Errorf("%s: %v", why, last)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestRemoveParticipant(t *testing.T) {
	r := newRig(t, Config{MaxLinger: 20 * time.Millisecond})
	r.ask(t, "SIP/CreateSIPParticipant", dialBody("+15550100099", ""))
	for _, want := range []int{200, 404} {
		if status, _ := r.ask(t, "RoomService/RemoveParticipant", `{"room":"r","identity":"p"}`); status != want {
			t.Errorf("got %d, want %d", status, want)
		}
	}
	if r.net.Live() != 0 {
		t.Error("not hung up")
	}
	eventually(t, "the room closes after everybody left", func() bool {
		_, m := r.ask(t, "RoomService/ListRooms", `{}`)
		return len(m["rooms"].([]any)) == 0
	})
}

func TestTokens(t *testing.T) {
	r := newRig(t, Config{})
	now := time.Now().Unix()
	good := map[string]any{"iss": key, "exp": now + 60, "video": map[string]any{"roomList": true}}
	with := func(k string, v any) map[string]any {
		c := map[string]any{k: v}
		for k, v := range good {
			if _, has := c[k]; !has {
				c[k] = v
			}
		}
		return c
	}
	none := enc.EncodeToString([]byte(`{"alg":"none"}`)) + "." + enc.EncodeToString([]byte(`{"iss":"APIkey"}`)) + "."
	for name, c := range map[string]struct {
		auth string
		want int
	}{
		"good":        {"Bearer " + signToken(secret, good), 200},
		"no scheme":   {signToken(secret, good), 401},
		"secret":      {"Bearer " + signToken("other", good), 401},
		"key":         {"Bearer " + signToken(secret, with("iss", "x")), 401},
		"expired":     {"Bearer " + signToken(secret, with("exp", now-120)), 401},
		"no expiry":   {"Bearer " + signToken(secret, with("exp", 0)), 401},
		"not yet":     {"Bearer " + signToken(secret, with("nbf", now+120)), 401},
		"none":        {"Bearer " + none, 401},
		"not granted": {"Bearer " + signToken(secret, with("video", map[string]any{"roomCreate": true})), 401},
	} {
		if status, m := r.askWith(t, "RoomService/ListRooms", `{}`, c.auth); status != c.want || name == "not granted" && m["code"] != "unauthenticated" {
			t.Errorf("%s: got %d %v, want %d", name, status, m, c.want)
		}
	}
	r.all = map[string]any{"video": map[string]any{"roomAdmin": true, "room": "other"}}
	for _, method := range []string{"RoomService/ListParticipants", "RoomService/DeleteRoom", "RoomService/CreateRoom", "SIP/CreateSIPParticipant"} {
		if status, _ := r.ask(t, method, `{"room":"r","name":"r"}`); status != 401 {
			t.Errorf("%s: %d", method, status)
		}
	}
}

// Webhooks come in order, room by room, and one that is refused comes again under
// its id and holds up the rest.
func TestWebhooks(t *testing.T) {
	var mu sync.Mutex
	var seen, ids []string
	refuse := 2
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		c, err := parseToken(req.Header.Get("Authorization"), key, secret, time.Now())
		var e struct {
			Event, ID   string
			CreatedAt   string
			Participant struct {
				DisconnectReason string
				Attributes       map[string]string
			}
		}
		if err != nil || c.SHA256 == "" || json.Unmarshal(body, &e) != nil || req.Header.Get("Content-Type") != "application/webhook+json" {
			t.Errorf("webhook %v %s", err, body)
		}
		if _, err := strconv.ParseInt(e.CreatedAt, 10, 64); err != nil {
			t.Errorf("createdAt %q", e.CreatedAt)
		}
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, e.ID)
		if refuse > 0 {
			refuse--
			w.WriteHeader(500)
			return
		}
		note := e.Event
		if r := e.Participant.DisconnectReason; r != "" {
			note += " " + r + " " + e.Participant.Attributes["sip.callStatus"]
		}
		seen = append(seen, note)
	}))
	defer hook.Close()
	r := newRig(t, Config{WebhookURL: hook.URL, WebhookRetries: []time.Duration{time.Millisecond, time.Millisecond}, MaxLinger: 10 * time.Millisecond})
	r.Webhooks(func(e string) bool { return e == "track_published" }, func(e string) bool { return e == "participant_joined" })
	r.ask(t, "SIP/CreateSIPParticipant", dialBody("+15550100001", ""))
	want := "room_started,participant_joined,participant_joined,participant_left CLIENT_INITIATED hangup,room_finished"
	var got string
	eventually(t, want, func() bool {
		mu.Lock()
		defer mu.Unlock()
		got = strings.Join(seen, ",")
		return len(got) >= len(want)
	})
	mu.Lock()
	defer mu.Unlock()
	if got != want || ids[0] != ids[1] || ids[1] != ids[2] || ids[3] != ids[4] || ids[2] == ids[3] {
		t.Errorf("got %s\nwant %s\nids %v", got, want, ids)
	}
}

// The fake is a witness from outside: it shares nothing with what it watches.
func TestImports(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if host, _, _ := strings.Cut(path, "/"); strings.Contains(host, ".") && path != "github.com/superservices/voice/internal/carrier" {
				t.Errorf("%s imports %s", e.Name(), path)
			}
		}
	}
}
