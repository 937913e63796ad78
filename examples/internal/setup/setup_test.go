package setup

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

var quiet = slog.New(slog.DiscardHandler)

// setenv sets these variables and no other of those that this package reads.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, name := range []string{
		EnvVapi, EnvLiveKit, EnvWebhookAddr, EnvWebhookURL, envVapiSecret, EnvDatabase,
		EnvMaxCallDuration, EnvRingTimeout, EnvEventGrace, EnvRedialAfter,
		"VAPI_PHONE_NUMBER_ID", "VAPI_BASE_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_SIP_TRUNK_ID", "AGENT_NAME",
		"VOICE_PAYLOAD_KEY", "TEMPORAL_ADDRESS", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_CONFIG_FILE",
	} {
		t.Setenv(name, env[name])
	}
}

var (
	vapiEnv    = map[string]string{EnvVapi: "key", "VAPI_PHONE_NUMBER_ID": "number"}
	livekitEnv = map[string]string{
		EnvLiveKit: "wss://example.livekit.cloud", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret", "LIVEKIT_SIP_TRUNK_ID": "ST_1",
	}
)

func with(env map[string]string, more ...string) map[string]string {
	all := map[string]string{}
	for name, value := range env {
		all[name] = value
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func TestPlatforms(t *testing.T) {
	both := with(vapiEnv)
	for name, value := range livekitEnv {
		both[name] = value
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want string // the names, or a part of the error
		ok   bool
	}{
		"none":             {nil, "set VAPI_AUTH_TOKEN or LIVEKIT_URL", false},
		"vapi":             {vapiEnv, "vapi", true},
		"livekit":          {livekitEnv, "livekit", true},
		"both":             {both, "vapi livekit", true},
		"webhooks":         {with(vapiEnv, EnvWebhookURL, "https://voice.example.org", envVapiSecret, "s"), "vapi", true},
		"no secret":        {with(vapiEnv, EnvWebhookURL, "https://voice.example.org"), "VAPI_WEBHOOK_SECRET is required with VOICE_WEBHOOK_URL", false},
		"no URL":           {with(vapiEnv, EnvWebhookURL, "https://voice.example.org:x/", envVapiSecret, "s"), "VOICE_WEBHOOK_URL", false},
		"no livekit key":   {map[string]string{EnvLiveKit: "wss://example.livekit.cloud"}, "LIVEKIT_API_KEY", false},
		"wrong vapi token": {with(vapiEnv, EnvVapi, "key\n"), "VAPI_AUTH_TOKEN", false},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, c.env)
			all, err := Platforms(quiet)
			if !c.ok {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			var names []string
			for _, p := range all {
				names = append(names, p.Name())
			}
			if got := strings.Join(names, " "); err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// Whoever set several variables wrongly hears of all of them at once.
func TestPlatformsNameEverythingWrong(t *testing.T) {
	setenv(t, map[string]string{EnvVapi: "key\n", "VAPI_BASE_URL": "nowhere", EnvLiveKit: "nowhere", "LIVEKIT_API_KEY": "k k"})
	all, err := Platforms(quiet)
	for _, name := range []string{EnvVapi, "VAPI_BASE_URL", EnvLiveKit, "LIVEKIT_API_KEY"} {
		if err == nil || !strings.Contains(err.Error(), name) || all != nil {
			t.Errorf("got %v, %v, want %s", all, err, name)
		}
	}
}

// Unsigned reports are refused, and there is a handler for the platforms that are there.
func TestWebhooks(t *testing.T) {
	sink := provider.EventSinkFunc(func(context.Context, provider.Event) error { return nil })
	setenv(t, vapiEnv)
	if _, err := Webhooks(sink, quiet); err == nil || !strings.Contains(err.Error(), "VAPI_WEBHOOK_SECRET is required with VOICE_WEBHOOK_ADDR") {
		t.Errorf("no secret: got %v", err)
	}
	setenv(t, with(livekitEnv))
	h, err := Webhooks(sink, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{PathLiveKit: http.StatusUnauthorized, PathVapi: http.StatusNotFound} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}")))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}

func TestAdjust(t *testing.T) {
	base := voicetask.Policy{MaxDials: 7, PollInterval: 9 * time.Second}
	setenv(t, nil)
	adjust, err := Adjust(quiet)
	if err != nil {
		t.Fatal(err)
	}
	cfg := voicetask.Config{Policy: base}
	adjust(&cfg)
	if p := cfg.Policy; p.MaxDials != 7 || p.PollInterval != 9*time.Second || p.RingTimeout != 0 || p.MaxCallDuration != 0 || p.EventGrace != 0 || p.Redial != nil {
		t.Errorf("without overrides: got %+v", p)
	}

	setenv(t, map[string]string{EnvMaxCallDuration: "20s", EnvRingTimeout: "5s", EnvEventGrace: "3s", EnvRedialAfter: "1s, 2s"})
	if adjust, err = Adjust(quiet); err != nil {
		t.Fatal(err)
	}
	adjust(&cfg)
	p := cfg.Policy
	if p.MaxDials != 7 || p.MaxCallDuration != 20*time.Second || p.RingTimeout != 5*time.Second || p.EventGrace != 3*time.Second {
		t.Errorf("got %+v", p)
	}
	for outcome := range voicetask.DefaultRedial() {
		if after := p.Redial[outcome].After; len(after) != 2 || after[1] != 2*time.Second {
			t.Errorf("Redial[%s] = %v", outcome, after)
		}
	}

	for name, value := range map[string]string{EnvMaxCallDuration: "20", EnvRingTimeout: "-1s", EnvEventGrace: "1s,2s", EnvRedialAfter: "1s,"} {
		setenv(t, map[string]string{name: value})
		if _, err := Adjust(quiet); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: got %v", name, value, err)
		}
	}
}

func TestRows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "odd name?#%41.db")
	setenv(t, map[string]string{EnvDatabase: file})
	for range 2 { // the second finds what the first wrote
		rows, closeRows, err := Rows(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, createErr := rows.Create(t.Context(), store.Record{ID: "t1", Status: store.StatusPending})
		r, err := rows.Get(t.Context(), "t1")
		if err != nil || r.ID != "t1" {
			t.Errorf("got %+v, %v (%v)", r, err, createErr)
		}
		closeRows()
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file has another name: %v", err)
	}
	setenv(t, map[string]string{EnvDatabase: filepath.Join(t.TempDir(), "nowhere", "voice.db")})
	if _, _, err := Rows(t.Context()); err == nil || !strings.Contains(err.Error(), EnvDatabase) {
		t.Errorf("got %v", err)
	}
}

func TestTemporal(t *testing.T) {
	setenv(t, map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:1"})
	c, err := Temporal(quiet) // connects to nothing
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	setenv(t, map[string]string{"VOICE_PAYLOAD_KEY": "short"})
	if _, err := Temporal(quiet); err == nil || !strings.Contains(err.Error(), "VOICE_PAYLOAD_KEY") {
		t.Errorf("got %v", err)
	}
}

// addressTo sends the address that a Serve logs.
type addressTo struct {
	slog.Handler
	at chan<- string
}

func (addressTo) Enabled(context.Context, slog.Level) bool { return true }

func (a addressTo) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(f slog.Attr) bool {
		if f.Key == "addr" {
			a.at <- f.Value.String()
		}
		return true
	})
	return nil
}

func get(t *testing.T, url string) (status int, body []byte) {
	t.Helper()
	for range 3000 {
		if resp, err := http.Get(url); err == nil {
			defer resp.Body.Close()
			body, _ = io.ReadAll(resp.Body)
			return resp.StatusCode, body
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s is not served", url)
	return 0, nil
}

// A request in hand outlives the stop.
func TestServeDrains(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	entered, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	served, at := make(chan error, 1), make(chan string, 1)
	go func() { served <- Serve(ctx, "127.0.0.1:0", handler, slog.New(addressTo{slog.DiscardHandler, at})) }()
	answered, addr := make(chan int, 1), <-at
	go func() {
		status := 0
		defer func() { answered <- status }()
		status, _ = get(t, "http://"+addr)
	}()
	<-entered
	cancel()
	for { // until it has begun to stop
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = conn.Close()
		time.Sleep(time.Millisecond)
	}
	close(release)
	if got := <-answered; got != http.StatusNoContent {
		t.Errorf("got %d", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestServeTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Serve(t.Context(), l.Addr().String(), http.NotFoundHandler(), quiet); err == nil {
		t.Error("no error for an address that is taken")
	}
}
