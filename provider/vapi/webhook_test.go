package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
)

// inbox is a sink that keeps what it gets.
type inbox struct {
	mu      sync.Mutex
	events  []provider.Event
	notices []provider.Notice
	err     error
}

func (i *inbox) Deliver(_ context.Context, e provider.Event) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.events = append(i.events, e)
	return i.err
}

func (i *inbox) observe(_ context.Context, n provider.Notice) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notices = append(i.notices, n)
}

func (i *inbox) all() []provider.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]provider.Event(nil), i.events...)
}

func webhooks(t *testing.T, i *inbox, change ...func(*WebhookConfig)) http.Handler {
	t.Helper()
	cfg := WebhookConfig{Secret: secret, Observe: i.observe}
	for _, c := range change {
		c(&cfg)
	}
	h, err := WebhookHandler(cfg, i)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(h http.Handler, body string, header http.Header) int {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

var signed = http.Header{"X-Vapi-Secret": {secret}}

// A call's whole life as it is reported, with Vapi's own retries.
func TestWebhooks(t *testing.T) {
	for _, mode := range []fakevapi.Webhooks{{}, {Duplicate: true}} {
		i := new(inbox)
		var once sync.Once
		hooks := webhooks(t, i)
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			failed := false
			once.Do(func() { failed = true })
			if failed {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			hooks.ServeHTTP(w, r)
		})
		f := newPlatform(t, func(c *fakevapi.Config) { c.AnalysisLag = 30 * time.Millisecond; c.Second = 10 * time.Millisecond })
		f.SetWebhooks(mode)
		p := f.provider(t, func(c *Config) { c.WebhookURL, c.WebhookSecret = url, secret })
		c, err := p.Place(t.Context(), request("hooked/1", answers))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "a report", func() bool {
			all := i.all()
			return len(all) > 0 && strings.HasSuffix(all[len(all)-1].ID, typeEndOfCallReport)
		})
		var told provider.Call
		ids := map[string]int{}
		for _, e := range i.all() {
			ids[e.ID]++
			if e.Provider != "vapi" || e.Key != "hooked/1" || e.Call.ID != c.ID || e.At.IsZero() || e.Call.From != fakevapi.CallerNumber || e.Call.CreatedAt.IsZero() {
				t.Errorf("got %+v", e)
			}
			if strings.Contains(string(e.Call.Raw), "canary") {
				t.Errorf("a secret: %s", e.Call.Raw)
			}
			told = told.Merge(e.Call)
		}
		if told.Outcome != provider.OutcomeCompleted || told.AnsweredAt.IsZero() || told.EndedAt.IsZero() || told.Summary == "" || told.Transcript == "" || told.CostUSD == 0 || told.RecordingURL == "" || told.NoSpeech {
			t.Errorf("all told: %+v", told)
		}
		for _, id := range []string{":status-update:ringing", ":status-update:in-progress", ":status-update:ended", ":end-of-call-report"} {
			if ids[string(c.ID)+id] == 0 {
				t.Errorf("no event %s in %v", id, ids)
			}
		}
	}
}

const (
	ringing = `{"message":{"type":"status-update","timestamp":1774539800000,"status":"ringing","call":{"id":"c","type":"outboundPhoneCall","assistantOverrides":{"metadata":{"voice_key":"t/1"}}}}}`
	over    = `{"message":{"type":"status-update","timestamp":1774539800000,"status":"ended","endedReason":"customer-did-not-answer","call":{"id":"c"}}}`
)

func TestWebhookForgeries(t *testing.T) {
	i := new(inbox)
	h := webhooks(t, i)
	forgeries := []http.Header{
		{}, {"X-Vapi-Secret": {""}}, {"X-Vapi-Secret": {"wrong"}}, {"X-Vapi-Secret": {secret + "x"}}, {"X-Vapi-Secret": {secret[1:]}},
		{"X-Vapi-Secret": {strings.ToUpper(secret)}}, {"X-Vapi-Secret": {secret, secret}}, {"X-Vapi-Secret": {"wrong", secret}},
		{"Authorization": {"Bearer " + secret}}, {"X-Vapi-Signature": {secret}}, {"X-Vapi-Secret": {" " + secret}},
	}
	for _, header := range forgeries {
		if code := post(h, ringing, header); code != http.StatusUnauthorized {
			t.Errorf("%v: %d", header, code)
		}
	}
	if len(i.events) != 0 || len(i.notices) != len(forgeries) {
		t.Errorf("%d events, %d notices", len(i.events), len(i.notices))
	}
	for _, n := range i.notices {
		if n != (provider.Notice{Kind: provider.NoticeForgedWebhook, Provider: "vapi", N: 1}) {
			t.Errorf("got %+v", n)
		}
	}
	if code := post(h, ringing, signed); code != http.StatusNoContent || len(i.events) != 1 {
		t.Errorf("the real one: %d, %d events", code, len(i.events))
	}
}

// Who is not known gets no body read.
type unread struct{ read bool }

func (u *unread) Read([]byte) (int, error) { u.read = true; return 0, io.EOF }

func TestWebhookVerifiesFirst(t *testing.T) {
	body := new(unread)
	w := httptest.NewRecorder()
	webhooks(t, new(inbox)).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", body))
	if w.Code != http.StatusUnauthorized || body.read {
		t.Errorf("%d, body read: %v", w.Code, body.read)
	}
	// Nor is a body looked into that Verify refuses, however broken.
	i := new(inbox)
	h := webhooks(t, i, func(c *WebhookConfig) {
		c.Secret = ""
		c.Verify = func(h http.Header, body []byte) error {
			if string(body) != ringing && string(body) != "{" {
				t.Errorf("not the raw body: %q", body)
			}
			if h.Get("X-Signature") != "good" {
				return errors.New("bad")
			}
			return nil
		}
	})
	for body, want := range map[string]int{"{": http.StatusUnauthorized, ringing: http.StatusUnauthorized} {
		if code := post(h, body, signed); code != want {
			t.Errorf("%s: %d", body, code)
		}
	}
	if code := post(h, ringing, http.Header{"X-Signature": {"good"}}); code != http.StatusNoContent || len(i.events) != 1 {
		t.Errorf("%d, %d events", code, len(i.events))
	}
	both := webhooks(t, i, func(c *WebhookConfig) { c.Verify = func(http.Header, []byte) error { return errors.New("bad") } })
	if code := post(both, ringing, signed); code != http.StatusUnauthorized {
		t.Errorf("with both, one is enough: %d", code)
	}
}

func TestWebhookMessages(t *testing.T) {
	for body, want := range map[string]struct {
		code, events int
	}{
		ringing: {204, 1},
		over:    {204, 1},
		strings.Replace(ringing, "outboundPhoneCall", "inboundPhoneCall", 1):                                       {204, 0},
		strings.Replace(ringing, `"status":"ringing"`, `"status":"dreaming"`, 1):                                   {204, 0},
		`{"message":{"type":"hang","call":{"id":"c"}}}`:                                                            {204, 0},
		`{"message":{"type":"call.deleted","call":{"id":"c"}}}`:                                                    {204, 0},
		`{"message":{"type":"assistant-request","call":{"id":"c"}}}`:                                               {204, 0},
		`{"message":{"type":"status-update","status":"ringing"}}`:                                                  {204, 0}, // about no call
		`{"message":{"type":"status-update","status":"ringing","call":{"id":7}}}`:                                  {204, 0},
		`{"message":{"type":"end-of-call-report","call":{"assistantOverrides":{"metadata":{"voice_key":"t/1"}}}}}`: {204, 1},
		`{}`: {400, 0}, `null`: {400, 0}, `[]`: {400, 0}, ``: {400, 0}, `{"message":7}`: {400, 0}, `{"message":{"type":"status-up`: {400, 0}, "\xff": {400, 0},
	} {
		i := new(inbox)
		if code := post(webhooks(t, i), body, signed); code != want.code || len(i.events) != want.events {
			t.Errorf("%s: %d with %d events, want %+v", body, code, len(i.events), want)
		}
	}
	huge := `{"message":{"type":"status-update","x":"` + strings.Repeat("x", 5<<20) + `"}}`
	if code := post(webhooks(t, new(inbox)), huge, signed); code != 413 {
		t.Errorf("5 MiB: %d", code)
	}
}

func TestWebhookEvents(t *testing.T) {
	at := time.UnixMilli(1774539800000).UTC()
	for body, check := range map[string]func(e provider.Event) bool{
		ringing: func(e provider.Event) bool {
			return e.ID == "c:status-update:ringing" && e.Key == "t/1" && e.Call.Key == "t/1" && e.At.Equal(at) && e.Call.Status == provider.StatusRinging && e.Call.AnsweredAt.IsZero()
		},
		strings.Replace(ringing, `"status":"ringing"`, `"status":"in-progress"`, 1): func(e provider.Event) bool {
			return e.Call.Status == provider.StatusInProgress && e.Call.AnsweredAt.Equal(at) && !strings.Contains(string(e.Call.Raw), "startedAt")
		},
		over: func(e provider.Event) bool {
			return e.Key == "" && e.Call.ID == "c" && e.Call.Outcome == provider.OutcomeNoAnswer && e.Call.EndedAt.Equal(at) && e.Call.NoSpeech
		},
		strings.Replace(over, "customer-did-not-answer", "call.in-progress.error-vapifault-worker-died", 1): func(e provider.Event) bool {
			return e.Call.Outcome == provider.OutcomeProviderFault && !e.Call.NoSpeech // partial: it may have been answered
		},
		strings.NewReplacer("customer-did-not-answer", "call.in-progress.error-vapifault-worker-died", `"id":"c"`, `"id":"c","endedAt":"2026-03-26T15:43:16.145Z"`).Replace(over): func(e provider.Event) bool {
			return !e.Call.EndedAt.Equal(at) && !e.Call.EndedAt.IsZero() && !e.Call.NoSpeech
		},
		strings.Replace(over, "1774539800000", "-1", 1):    func(e provider.Event) bool { return e.At.IsZero() },
		strings.Replace(over, "1774539800000", "1e300", 1): func(e provider.Event) bool { return e.At.IsZero() },
		strings.Replace(over, "1774539800000", `"now"`, 1): func(e provider.Event) bool { return e.At.IsZero() },
		`{"message":{"type":"end-of-call-report","call":{"id":"c","status":"in-progress"}}}`: func(e provider.Event) bool {
			return e.Call.Status == provider.StatusEnded && e.Call.Outcome == provider.OutcomeUnknown && e.ID == "c:end-of-call-report"
		},
	} {
		i := new(inbox)
		if code := post(webhooks(t, i, func(c *WebhookConfig) { c.Provider = "vapi-2" }), body, signed); code != 204 || len(i.events) != 1 {
			t.Fatalf("%s: %d, %d events", body, code, len(i.events))
		}
		if e := i.events[0]; e.Provider != "vapi-2" || !check(e) {
			t.Errorf("%s: got %+v", body, e)
		}
		if len(i.notices) != 0 {
			t.Errorf("%s: notices %+v", body, i.notices)
		}
	}
}

func TestWebhookSamples(t *testing.T) {
	i := new(inbox)
	h := webhooks(t, i)
	for _, file := range []string{"webhook.status-update.ended.json", "webhook.end-of-call-report.json"} {
		if code := post(h, string(shared(t, "vapi/samples/"+file)), signed); code != 204 {
			t.Errorf("%s: %d", file, code)
		}
	}
	if len(i.events) != 2 {
		t.Fatalf("%d events", len(i.events))
	}
	if c := i.events[0].Call; c.Outcome != provider.OutcomeNoAnswer || c.From != "+14155550199" || strings.Contains(string(c.Raw), "REDACT-ME") {
		t.Errorf("got %+v %s", c, c.Raw)
	}
	c := i.events[1].Call
	if c.Outcome != provider.OutcomeCompleted || c.Summary != "..." || c.CostUSD != 0.12 || c.Transcript == "" || c.RecordingURL != "https://storage.vapi.ai/x.wav" || c.NoSpeech {
		t.Errorf("got %+v", c)
	}
}

func TestWebhookUnmappedReason(t *testing.T) {
	i := new(inbox)
	var out buffer
	h := webhooks(t, i, func(c *WebhookConfig) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	body := strings.Replace(ringing, `"status":"ringing"`, `"status":"ended","endedReason":"something-new"`, 1)
	if code := post(h, body, signed); code != 204 || len(i.events) != 1 || i.events[0].Call.Outcome != provider.OutcomeUnknown || i.events[0].Call.Reason != "something-new" {
		t.Errorf("%d %+v", code, i.events)
	}
	want := provider.Notice{Kind: provider.NoticeUnmappedReason, Provider: "vapi", TaskID: "t", Key: "t/1", N: 1}
	if len(i.notices) != 1 || i.notices[0] != want || !strings.Contains(out.String(), "something-new") {
		t.Errorf("got %+v, log %s", i.notices, out.String())
	}
}

func TestWebhookSinkFails(t *testing.T) {
	for _, c := range []struct {
		err  error
		body string
		want int
	}{
		{errors.New("down"), over, 503},
		{provider.ErrUnknownCall, over, 204}, // long ago
		{provider.ErrUnknownCall, strings.Replace(over, "1774539800000", millis(time.Now()), 1), 503},
	} {
		if code := post(webhooks(t, &inbox{err: c.err}), c.body, signed); code != c.want {
			t.Errorf("%v: %d, want %d", c.err, code, c.want)
		}
	}
}

func TestWebhookHandlerNamesTheField(t *testing.T) {
	for want, c := range map[string]struct {
		cfg  WebhookConfig
		sink provider.EventSink
	}{
		"sink":     {WebhookConfig{Secret: secret}, nil},
		"Verify":   {WebhookConfig{}, new(inbox)},
		"Secret":   {WebhookConfig{Secret: "canary\n"}, new(inbox)},
		"Provider": {WebhookConfig{Provider: "A B", Secret: secret}, new(inbox)},
	} {
		if _, err := WebhookHandler(c.cfg, c.sink); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func FuzzWebhook(f *testing.F) {
	f.Add(ringing)
	f.Add(over)
	f.Add(`{"message":{"type":"end-of-call-report","artifact":{"messages":[{"role":"user"}]},"call":{"id":"c"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		i := new(inbox)
		code := post(webhooks(t, i), body, signed)
		if code != 204 && code != 400 && code != 503 {
			t.Errorf("%q: %d", body, code)
		}
		for _, e := range i.events {
			if e.Key == "" && e.Call.ID == "" || e.Call.Status == "" || (e.Call.Status == provider.StatusEnded) != (e.Call.Outcome != "") {
				t.Errorf("%q: %+v", body, e)
			}
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("%q: no signal can hold it: %v", body, err)
			}
		}
	})
}
