package livekit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/superservices/voice/provider"
)

func valid() Config {
	return Config{URL: "wss://example.livekit.cloud", APIKey: testKey, APISecret: testSecret, SIPTrunkID: "ST_1"}
}

func TestConfigFromEnv(t *testing.T) {
	env := map[string]string{
		"LIVEKIT_URL": "wss://x.livekit.cloud", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s",
		"LIVEKIT_SIP_TRUNK_ID": "ST_1", "AGENT_NAME": "agent",
	}
	c, err := ConfigFromEnv(func(name string) string { return env[name] })
	if err != nil || c.URL != env["LIVEKIT_URL"] || c.APIKey != "k" || c.APISecret != "s" || c.SIPTrunkID != "ST_1" || c.AgentName != "agent" {
		t.Errorf("got %#v, %v", c, err)
	}
	for name, bad := range map[string]string{
		"LIVEKIT_URL": "secret", "LIVEKIT_API_KEY": "secret\n", "LIVEKIT_API_SECRET": "secret ",
		"LIVEKIT_SIP_TRUNK_ID": "secret x", "AGENT_NAME": "secret\t",
	} {
		_, err := ConfigFromEnv(func(n string) string {
			if n == name {
				return bad
			}
			return env[n]
		})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err = ConfigFromEnv(func(string) string { return "" })
	if err != nil {
		t.Errorf("an empty environment: %v", err)
	}
	_, missing := New(c)
	_, wrong := ConfigFromEnv(func(string) string { return "secret \n" })
	for name := range env {
		if required := name != "AGENT_NAME"; missing == nil || strings.Contains(missing.Error(), name) != required {
			t.Errorf("all are missing, what is said of %s is wrong: %v", name, missing)
		}
		if wrong == nil || strings.Count(wrong.Error(), name) != 1 || strings.Contains(wrong.Error(), "secret") {
			t.Errorf("all are wrong, %s is not named once: %v", name, wrong)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"Config.URL is required (LIVEKIT_URL)":                 func(c *Config) { c.URL = "" },
		"Config.URL: it must begin":                            func(c *Config) { c.URL = "ftp://x" },
		"Config.APIKey is required (LIVEKIT_API_KEY)":          func(c *Config) { c.APIKey = "" },
		"Config.APISecret is required (LIVEKIT_API_SECRET)":    func(c *Config) { c.APISecret = "" },
		"Config.SIPTrunkID is required (LIVEKIT_SIP_TRUNK_ID)": func(c *Config) { c.SIPTrunkID = "" },
		"Config.AgentName is required (AGENT_NAME)":            func(c *Config) { c.AgentDials, c.SIPTrunkID = true, "" },
		"Config.Name":       func(c *Config) { c.Name = "Live Kit" },
		"Config.AgentWait":  func(c *Config) { c.AgentWait = -1 },
		"Config.HTTPClient": func(c *Config) { c.HTTPClient = &http.Client{Transport: tripper{}} },
	} {
		c := valid()
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	p, err := New(valid())
	if err != nil || p.Name() != "livekit" || p.api.base != "https://example.livekit.cloud" || p.Traits() != (provider.Traits{VisibilityLag: visibilityLag}) {
		t.Errorf("got %v, %v", p, err)
	}
	if _, err := provider.NewRegistry(p); err != nil {
		t.Error(err)
	}
}

type tripper struct{}

func (tripper) RoundTrip(*http.Request) (*http.Response, error) { return nil, nil }

func TestSecretsDoNotPrint(t *testing.T) {
	p, err := New(valid())
	if err != nil {
		t.Fatal(err)
	}
	hook := WebhookConfig{APIKey: testKey, APISecret: testSecret}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", valid(), "hook", hook, "p", p)
	asJSON, _ := json.Marshal(jsonable(valid()))
	out := log.String() + string(asJSON)
	for _, v := range []any{valid(), p, hook, struct{ P *Provider }{p}, struct{ p *Provider }{p}, &hook} {
		out += fmt.Sprintf("%v %+v %#v %s", v, v, v, v)
	}
	if strings.Contains(out, testSecret) {
		t.Errorf("the secret is in %s", out)
	}
}

// jsonable is cfg without its function fields' owners, which JSON refuses anyway.
func jsonable(c Config) any {
	c.HTTPClient, c.Logger = nil, nil
	return c
}

// A token may do one thing, for a short time.
func TestTokens(t *testing.T) {
	now := time.Now()
	for want, g := range map[string]grants{
		`{"roomCreate":true}`:           mayCreate(),
		`{"roomList":true}`:             mayList(),
		`{"room":"r","roomAdmin":true}`: mayAdmin("r"),
		`{"call":true}`:                 mayCall(),
	} {
		s, err := newSigner(testKey, testSecret)(g, now)
		if err != nil {
			t.Fatal(err)
		}
		c := jwt.MapClaims{}
		if _, err := jwt.ParseWithClaims(s, c, func(*jwt.Token) (any, error) { return []byte(testSecret), nil }, jwt.WithValidMethods([]string{"HS256"})); err != nil {
			t.Fatal(err)
		}
		granted := c["video"]
		if granted == nil {
			granted = c["sip"]
		}
		got, _ := json.Marshal(granted)
		if string(got) != want || len(c) != 4 || c["iss"] != testKey {
			t.Errorf("got %v, want %s", c, want)
		}
		if exp, _ := c.GetExpirationTime(); exp.After(now.Add(5 * time.Minute)) {
			t.Errorf("expires at %v", exp)
		}
	}
}

func TestNames(t *testing.T) {
	for _, key := range []string{"t/1", "order 42/3", "ünïcode/1", strings.Repeat("x", 190) + "/12", "no-key", "../../etc/1", "a?b=c&d#/1"} {
		name := derivedRoom(key)
		if len(name) > maxRoomLen || strings.ContainsFunc(name, func(r rune) bool {
			return r >= 0x7f || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
		}) {
			t.Errorf("%q: room %q", key, name)
		}
		r := ref{room: name, identity: identityFor(key)}
		if got, ok := parseID(r.id()); !ok || got != r {
			t.Errorf("%q: %q reads as %+v", key, r.id(), got)
		}
	}
	if derivedRoom("a b/1") == derivedRoom("a-b/1") || identityFor("t/1") == identityFor("t/2") {
		t.Error("two keys share a name")
	}
	odd := ref{room: "a/b/c", identity: identityFor("t/1")}
	if got, ok := parseID(odd.id()); !ok || got != odd {
		t.Errorf("got %+v", got)
	}
	if derivedRoom("t/1") != "voice-t-1-"+digest("t/1") || digest("t/1") != "6196f6412a3a2900d706" {
		t.Errorf("the names have changed: calls in flight would be lost: %s", derivedRoom("t/1"))
	}
}
