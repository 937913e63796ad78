package vapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func TestNewNamesTheField(t *testing.T) {
	good := Config{AuthToken: token}
	if p, err := New(good); err != nil || p.Name() != "vapi" || p.cfg.BaseURL != "https://api.vapi.ai" {
		t.Fatalf("got %v, %v", p, err)
	}
	for field, change := range map[string]func(*Config){
		"AuthToken":        func(c *Config) { c.AuthToken = "" },
		"AuthToken: ":      func(c *Config) { c.AuthToken = token + "\n" },
		"Name":             func(c *Config) { c.Name = "Vapi EU" },
		"PhoneNumberID":    func(c *Config) { c.PhoneNumberID = "a b" },
		"AssistantID":      func(c *Config) { c.AssistantID = "a\tb" },
		"BaseURL":          func(c *Config) { c.BaseURL = "api.vapi.ai" },
		"BaseURL: ":        func(c *Config) { c.BaseURL = "http://api.vapi.ai" },
		"BaseURL: it must": func(c *Config) { c.BaseURL = "https://canary@api.vapi.ai" },
		"WebhookURL":       func(c *Config) { c.WebhookURL = "http://hooks.example/vapi" },
		"WebhookURL: ":     func(c *Config) { c.WebhookURL = "hooks" },
		"WebhookSecret":    func(c *Config) { c.WebhookURL, c.WebhookSecret = "https://x", "a\nb" },
		"HTTPClient":       func(c *Config) { c.HTTPClient = &http.Client{Transport: foreign{}} },
		"WebhookCredentialID is set, but WebhookURL is not": func(c *Config) { c.WebhookCredentialID = "cred-1" },
	} {
		c := good
		change(&c)
		_, err := New(c)
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: got %v", field, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error holds a secret: %v", field, err)
		}
	}
	for _, fine := range []Config{
		{AuthToken: token, BaseURL: "http://localhost:8080/", WebhookURL: "http://[::1]:9/hook?tenant=a"},
		{AuthToken: token, WebhookURL: "https://hooks.example/vapi?tenant=a", WebhookSecret: secret, Name: "vapi-eu_2"},
		{AuthToken: token, WebhookSecret: secret},
		{AuthToken: token, WebhookURL: "https://hooks.example/vapi", WebhookCredentialID: "cred-1"},
		{AuthToken: token, WebhookURL: "https://hooks.example/vapi", WebhookSecret: secret, WebhookCredentialID: "cred-1"},
		{AuthToken: token, HTTPClient: &http.Client{Transport: &http.Transport{}}},
	} {
		if _, err := New(fine); err != nil {
			t.Errorf("%v: %v", fine, err)
		}
	}
}

// A secret that nobody asks Vapi to send is no fault, and not passed over in silence.
func TestSecretWithoutURLIsTold(t *testing.T) {
	for _, url := range []string{"", "https://hooks.example"} {
		var out bytes.Buffer
		if _, err := New(Config{AuthToken: token, WebhookSecret: secret, WebhookURL: url, Logger: slog.New(slog.NewTextHandler(&out, nil))}); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); strings.Contains(got, "set Config.WebhookURL") != (url == "") || strings.Contains(got, secret) {
			t.Errorf("WebhookURL %q: logged %q", url, got)
		}
	}
}

type foreign struct{}

func (foreign) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no") }

func TestConfigFromEnv(t *testing.T) {
	env := map[string]string{
		"VAPI_AUTH_TOKEN": token, "VAPI_PHONE_NUMBER_ID": "pn", "VAPI_BASE_URL": "https://eu.vapi.ai", "VAPI_WEBHOOK_SECRET": secret,
	}
	c, err := ConfigFromEnv(func(k string) string { return env[k] })
	if err != nil || c.AuthToken != token || c.PhoneNumberID != "pn" || c.BaseURL != "https://eu.vapi.ai" || c.WebhookSecret != secret {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err = ConfigFromEnv(func(string) string { return "" }); err != nil || c.AuthToken != "" {
		t.Errorf("of an empty environment: %v, %v", c, err)
	}
	if _, err = New(c); err == nil || !strings.Contains(err.Error(), "VAPI_AUTH_TOKEN") {
		t.Errorf("New does not say which variable is missing: %v", err)
	}
	for name, value := range map[string]string{
		"VAPI_AUTH_TOKEN": "canary token", "VAPI_PHONE_NUMBER_ID": "pn\n", "VAPI_BASE_URL": "canary", "VAPI_WEBHOOK_SECRET": "canary\r",
	} {
		_, err := ConfigFromEnv(func(k string) string {
			if k == name {
				return value
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err = ConfigFromEnv(func(name string) string { return "canary " + name + "\n" })
	for name := range env {
		if err == nil || strings.Count(err.Error(), name) != 1 || strings.Contains(err.Error(), "canary") {
			t.Errorf("all are wrong, %s is not named once: %v", name, err)
		}
	}
}

func TestTraits(t *testing.T) {
	p := newProvider(t)
	if got := p.Traits(); got != (provider.Traits{VisibilityLag: 3 * time.Minute, LateDetails: 30 * time.Second}) {
		t.Errorf("got %+v", got)
	}
	p = newProvider(t, func(c *Config) { c.WebhookURL = "https://hooks.example" })
	if !p.Traits().Events {
		t.Error("webhooks, but no events")
	}
	for ids, needs := range map[string]bool{"": true, "pn-9": false} {
		p = newProvider(t, func(c *Config) {
			if c.PhoneNumberID = ""; ids != "" {
				c.PhoneNumberIDs = []string{ids}
			}
		})
		if p.Traits().NeedsFrom != needs {
			t.Errorf("a pool of %q: NeedsFrom is %t", ids, !needs)
		}
	}
}

// No verb of fmt and no handler of slog shows a secret.
func TestConfigsShowNoSecrets(t *testing.T) {
	cfg := Config{AuthToken: token, WebhookURL: "https://x", WebhookSecret: secret}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	hooks := WebhookConfig{Secret: secret}
	var out bytes.Buffer
	for _, v := range []any{cfg, &cfg, p, hooks, &hooks, []any{cfg, hooks}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
		for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
			log.Info("x", "v", v)
		}
	}
	b, err := json.Marshal(map[string]any{"c": cfg})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{token, secret, fmt.Sprintf("%x", token), fmt.Sprintf("%x", secret)} {
		if strings.Contains(out.String()+string(b), s) {
			t.Errorf("%q is shown: %s %s", s, out.String(), b)
		}
	}
}

// Errors and log lines, whatever happens, hold no secret and nobody's number.
func TestErrorsShowNoSecrets(t *testing.T) {
	var out bytes.Buffer
	f := newPlatform(t)
	p := f.provider(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	for i, fault := range append(trouble, trouble[4]) {
		fault.Body = strings.ReplaceAll(fault.Body, "Internal", token+" "+answers+" Anna Muster https://x/canary")
		f.Inject(fault)
		_, err := p.Place(t.Context(), request(provider.Key("t", i+1), answers))
		fmt.Fprintln(&out, err)
	}
	f.Inject(trouble[0])
	down := newProvider(t, func(c *Config) { c.BaseURL = "http://127.0.0.1:1/canary" })
	_, err := down.Place(t.Context(), request("t/99", answers))
	fmt.Fprintln(&out, err, down.End(t.Context(), "canary"))
	for _, s := range []string{"canary", answers, answers[1:], "Anna"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is shown in %s", s, out.String())
		}
	}
}
