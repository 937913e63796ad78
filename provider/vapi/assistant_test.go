package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
)

func returns(object string) func(context.Context, provider.Request) (json.RawMessage, error) {
	return func(context.Context, provider.Request) (json.RawMessage, error) { return json.RawMessage(object), nil }
}

func TestTransientAssistant(t *testing.T) {
	got, _ := posted(t, request("t/1", answers), func(c *Config) {
		c.AssistantID = "as-1"
		c.Assistant = returns(`{"model":{"provider":"openai"}}`)
	})
	if _, byID := got["assistantId"]; byID || got["assistant"] == nil || got["assistantOverrides"] == nil {
		t.Errorf("got %v", got)
	}
	for _, none := range []string{"", " null\n"} {
		if got, _ := posted(t, request("t/1", answers), func(c *Config) { c.Assistant = returns(none) }); got["assistantId"] != "as-1" || got["assistant"] != nil {
			t.Errorf("%q: got %v", none, got)
		}
	}
}

func TestOverridesAreJoined(t *testing.T) {
	req := request("t/1", answers)
	req.RingTimeout = 20e9
	got, _ := posted(t, req, func(c *Config) {
		c.WebhookURL, c.WebhookCredentialID = "http://127.0.0.1:9/hook", "cred-1"
		c.Overrides = returns(`{"model":{"provider":"openai"},"variableValues":{"context":"theirs","more":1},"maxDurationSeconds":7,
			"metadata":{"voice_key":"x/1","campaign":"c"},"serverMessages":["tool-calls","status-update"],"server":{"url":"https://elsewhere"},
			"transportConfigurations":[{"provider":"twilio","timeout":9}]}`)
	})
	o := got["assistantOverrides"].(map[string]any)
	if !reflect.DeepEqual(o["variableValues"], map[string]any{"context": "theirs", "more": json.Number("1")}) ||
		!reflect.DeepEqual(o["metadata"], map[string]any{"voice_key": "t/1", "voice_task_id": "t", "campaign": "c"}) ||
		!reflect.DeepEqual(o["serverMessages"], []any{"tool-calls", "status-update", "end-of-call-report"}) ||
		o["maxDurationSeconds"] != json.Number("60") || o["model"] == nil {
		t.Errorf("got %v", o)
	}
	if server := o["server"].(map[string]any); server["url"] != "http://127.0.0.1:9/hook" || server["credentialId"] != "cred-1" {
		t.Errorf("server is %v", server)
	}
	if ring := o["transportConfigurations"].([]any)[0].(map[string]any); ring["timeout"] != json.Number("9") {
		t.Errorf("ring is %v", ring)
	}
}

// The host may say how a carrier is used, and ring shorter, but not longer than the
// task's policy.
func TestRingTimeoutStands(t *testing.T) {
	for theirs, want := range map[string]string{
		`[{"provider":"twilio","timeout":120}]`:                            `[{"provider":"twilio","timeout":20}]`,
		`[{"provider":"twilio","timeout":9}]`:                              `[{"provider":"twilio","timeout":9}]`,
		`[{"provider":"twilio","record":true}]`:                            `[{"provider":"twilio","record":true,"timeout":20}]`,
		`[{"provider":"twilio","timeout":"long"}]`:                         `[{"provider":"twilio","timeout":20}]`,
		`[{"provider":"twilio","timeout":null}]`:                           `[{"provider":"twilio","timeout":20}]`,
		`[{"provider":"twilio","timeout":0}]`:                              `[{"provider":"twilio","timeout":20}]`,
		`[{"provider":"vonage","x":1}]`:                                    `[{"provider":"vonage","x":1},{"provider":"twilio","timeout":20}]`,
		`[{"provider":"twilio","timeout":99},{"provider":"twilio","a":1}]`: `[{"provider":"twilio","timeout":20},{"a":1,"provider":"twilio","timeout":20}]`,
		`[]`: `[{"provider":"twilio","timeout":20}]`, `null`: `[{"provider":"twilio","timeout":20}]`,
		`[7]`: `[{"provider":"twilio","timeout":20}]`, `{"provider":"twilio","timeout":99}`: `[{"provider":"twilio","timeout":20}]`,
	} {
		req := request("t/1", answers)
		req.RingTimeout = 20e9
		got, _ := posted(t, req, func(c *Config) { c.Overrides = returns(`{"transportConfigurations":` + theirs + `}`) })
		if b, _ := json.Marshal(got["assistantOverrides"].(map[string]any)["transportConfigurations"]); string(b) != want {
			t.Errorf("%s: got %s, want %s", theirs, b, want)
		}
	}
	req := request("t/1", answers)
	req.RingTimeout = 0
	got, _ := posted(t, req, func(c *Config) {
		c.Overrides = returns(`{"transportConfigurations":[{"provider":"twilio","timeout":99}]}`)
	})
	if b, _ := json.Marshal(got["assistantOverrides"].(map[string]any)["transportConfigurations"]); string(b) != `[{"provider":"twilio","timeout":99}]` {
		t.Errorf("without a limit of ours: %s", b)
	}
}

func TestHostFuncsFail(t *testing.T) {
	fails := func(context.Context, provider.Request) (json.RawMessage, error) { return nil, errors.New("canary") }
	for field, change := range map[string]func(*Config){
		"Assistant": func(c *Config) { c.Assistant = fails }, "Overrides": func(c *Config) { c.Overrides = fails },
		"Assistant ": func(c *Config) { c.Assistant = returns(`[1]`) }, "Overrides ": func(c *Config) { c.Overrides = returns(`"x"`) },
	} {
		f := newPlatform(t)
		_, err := f.provider(t, change).Place(t.Context(), request("t/1", answers))
		if !errors.Is(err, provider.ErrInvalidRequest) || !strings.Contains(err.Error(), strings.TrimSpace(field)) || strings.Contains(err.Error(), "canary") || f.Posts("") != 0 {
			t.Errorf("%s: %v, %d posts", field, err, f.Posts(""))
		}
	}
}

// The pool: every number is used, and a dial keeps its own.
func TestPhoneNumberPool(t *testing.T) {
	cfg, err := ConfigFromEnv(func(name string) string {
		return map[string]string{"VAPI_AUTH_TOKEN": token, "VAPI_PHONE_NUMBER_ID": "pn-1, pn-2,pn-3,"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]int{}
	for n := range 90 {
		req := provider.Request{Key: provider.Key("t", n+1)}
		id := p.callerID(req)
		used[id]++
		if again := p.callerID(req); again != id {
			t.Errorf("%s: %s, then %s", req.Key, id, again)
		}
	}
	if len(used) != 3 || used["pn-1"] == 0 || used["pn-2"] == 0 || used["pn-3"] == 0 {
		t.Errorf("used %v", used)
	}
	if id := p.callerID(provider.Request{Key: "t/1", From: "pn-9"}); id != "pn-9" {
		t.Errorf("the request's own: %s", id)
	}
	if _, err := New(Config{AuthToken: token, PhoneNumberIDs: []string{"a\n"}}); err == nil || !strings.Contains(err.Error(), "PhoneNumberIDs") {
		t.Errorf("got %v", err)
	}
}

// A full account is told in five ways. Two of them are live calls.
func TestConcurrencyShapes(t *testing.T) {
	id := "019d2ad0-6eb1-7aac-9377-000000000009"
	for name, c := range map[string]struct {
		status  int
		body    string
		kind    provider.Kind
		outcome provider.Outcome
	}{
		"400":                 {400, `{"message":"Over Concurrency Limit","statusCode":400}`, provider.KindRateLimited, ""},
		"400, subscription":   {400, `{"message":["Subscription concurrency limit reached"],"statusCode":400}`, provider.KindRateLimited, ""},
		"404":                 {404, `{"message":"reach concurrency limit","statusCode":404}`, provider.KindRateLimited, ""},
		"429":                 {429, `{"message":"Rate limit exceeded","statusCode":429}`, provider.KindRateLimited, ""},
		"201 blocked":         {201, `{"id":"` + id + `","status":"queued","subscriptionLimits":{"concurrencyBlocked":true}}`, "", ""},
		"201 scheduled":       {201, `{"id":"` + id + `","status":"scheduled"}`, "", ""},
		"201, ended at once":  {201, `{"id":"` + id + `","status":"ended","endedReason":"call.start.error-subscription-concurrency-limit-reached"}`, "", provider.OutcomeRateLimited},
		"201, batch, refused": {201, `{"results":[],"errors":[{"customer":{},"error":"Over Concurrency Limit"}]}`, provider.KindRateLimited, ""},
	} {
		p, hits := answering(t, c.status, c.body)
		got, err := p.Place(t.Context(), request("t/1", answers))
		if provider.KindOf(err) != c.kind || got.Outcome != c.outcome || *hits != 1 {
			t.Errorf("%s: %+v, %v after %d requests", name, got, err, *hits)
		}
		if err == nil && c.outcome == "" && (got.Status != provider.StatusQueued || got.ID != provider.CallID(id)) {
			t.Errorf("%s: not a live call: %+v", name, got)
		}
	}
}

func TestSharpenedByEndedMessage(t *testing.T) {
	for message, want := range map[string]provider.Outcome{
		"": provider.OutcomeProviderFault, "The carrier failed.": provider.OutcomeProviderFault,
		"The number +1 is not a valid phone number":      provider.OutcomeInvalidNumber,
		"SIP 404 Not Found":                              provider.OutcomeInvalidNumber,
		"Account not authorized to call +880. Geo perms": provider.OutcomeConfigError,
	} {
		c := callOf(t, `{"id":"c","status":"ended","endedReason":"twilio-failed-to-connect-call","endedMessage":"`+message+`"}`)
		if c.Outcome != want || c.Reason != "twilio-failed-to-connect-call" {
			t.Errorf("%q: got %s (%s)", message, c.Outcome, c.Reason)
		}
	}
	if c := callOf(t, `{"id":"c","status":"ended","endedReason":"customer-ended-call","endedMessage":"not a valid"}`); c.Outcome != provider.OutcomeCompleted {
		t.Errorf("a plain end: %s", c.Outcome)
	}
}

// A reason that no rule knows is told of by polling, too, and once.
func TestPolledUnmappedReason(t *testing.T) {
	i := new(inbox)
	body := `{"id":"c1","status":"ended","endedReason":"brand-new","assistantOverrides":{"metadata":{"voice_key":"t/2"}}}`
	p, _ := answering(t, 200, body, func(c *Config) { c.Observe = i.observe })
	for range 3 {
		if c, err := p.Get(t.Context(), "c1"); err != nil || c.Outcome != provider.OutcomeUnknown {
			t.Fatalf("%+v %v", c, err)
		}
	}
	want := provider.Notice{Kind: provider.NoticeUnmappedReason, Provider: "vapi", TaskID: "t", Key: "t/2", N: 1}
	if len(i.notices) != 1 || i.notices[0] != want {
		t.Errorf("got %+v", i.notices)
	}
}
