package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
)

func TestPlace(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	before := time.Now()
	c, err := p.Place(t.Context(), request("task/1", answers))
	if err != nil {
		t.Fatal(err)
	}
	if c.ID == "" || c.Key != "task/1" || c.Status == "" || c.From != "pn-1" || c.CreatedAt.Before(before.Add(-time.Second)) {
		t.Errorf("got %+v", c)
	}
	if n := f.Posts("task/1"); n != 1 {
		t.Errorf("%d POSTs", n)
	}
	end := ended(t, p, c.ID)
	if end.Outcome != provider.OutcomeCompleted || end.Reason != "customer-ended-call" || end.Key != "task/1" || end.AnsweredAt.IsZero() || end.EndedAt.Before(end.AnsweredAt) {
		t.Errorf("the end: %+v", end)
	}
	if f.net.Rings(answers) != 1 || !strings.Contains(f.ledger.String(), `"key":"task/1"`) {
		t.Errorf("%d rings, ledger %s", f.net.Rings(answers), f.ledger)
	}
}

// Every result of a callee, as Get tells it.
func TestOutcomes(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	for number, want := range map[string]provider.Outcome{
		answers: provider.OutcomeCompleted, machine: provider.OutcomeVoicemail, silent: provider.OutcomeNoAnswer,
		busy: provider.OutcomeBusy, declines: provider.OutcomeBusy, missing: provider.OutcomeInvalidNumber,
		faulty: provider.OutcomeProviderFault, endless: provider.OutcomeTimedOut,
	} {
		req := request("task"+number+"/1", number)
		req.MaxDuration = time.Second // is 10 s to Vapi, and one to this fake
		req.RingTimeout = time.Second
		c, err := p.Place(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		end := ended(t, p, c.ID)
		talked := want == provider.OutcomeCompleted || want == provider.OutcomeVoicemail || want == provider.OutcomeTimedOut
		if end.Outcome != want || talked == end.AnsweredAt.IsZero() || end.Reason == "" || !talked != end.NoSpeech {
			t.Errorf("%s: got %+v, want %s", number, end, want)
		}
	}
}

// trouble is every way in which an answer gets lost after the call was accepted.
var trouble = []fakevapi.Fault{
	{Kind: fakevapi.LoseReply},
	{Kind: fakevapi.ClosedConnection},
	{Kind: fakevapi.TruncateReply},
	{Kind: fakevapi.NoID},
	{Kind: fakevapi.FailAfterAccept, Status: 500, Body: `{"message":"Internal server error","statusCode":500}`},
	{Kind: fakevapi.FailAfterAccept, Status: 500, Body: `{"message":"Over Concurrency Limit","statusCode":400}`},
	{Kind: fakevapi.FailAfterAccept, Status: 500, Body: `{"message":["customer.number must be a valid phone number in the E.164 format."],"statusCode":400}`},
	{Kind: fakevapi.FailAfterAccept, Status: 409, Body: `{"message":"Your Wallet Balance is -0.09","statusCode":409}`},
	{Kind: fakevapi.FailAfterAccept, Status: 502},
	{Kind: fakevapi.FailAfterAccept, Status: 503, Body: `{"message":"try again"}`, Header: http.Header{"Retry-After": {"1"}}},
	{Kind: fakevapi.FailAfterAccept, Status: 504},
	{Kind: fakevapi.FailAfterAccept, Status: 520},
	{Kind: fakevapi.FailAfterAccept, Status: 408, Body: `{"message":"timeout","statusCode":408}`},
	{Kind: fakevapi.FailAfterAccept, Status: 409, Body: `{"message":"conflict","statusCode":409}`},
	{Kind: fakevapi.FailAfterAccept, Status: 425},
	{Kind: fakevapi.FailAfterAccept, Status: 499},
	{Kind: fakevapi.FailAfterAccept, Status: 307, Header: http.Header{"Location": {"/call"}}},
	{Kind: fakevapi.FailAfterAccept, Status: 302, Header: http.Header{"Location": {"/call"}}},
	{Kind: fakevapi.FailAfterAccept, Status: 200},
	{Kind: fakevapi.FailAfterAccept, Status: 201, Body: `[]`},
	{Kind: fakevapi.FailAfterAccept, Status: 201, Body: `{"results":[],"errors":[]}`},
	{Kind: fakevapi.FailAfterAccept, Status: 201, Body: `{"results":[{"id":"a"},{"id":"b"}],"errors":[]}`},
	{Kind: fakevapi.FailAfterAccept, Status: 204, Body: ` `},
	{Kind: fakevapi.FailAfterAccept, Status: 400}, // HTML: not in Vapi's words
	{Kind: fakevapi.FailAfterAccept, Status: 400, Body: `{"message":["customer.number must be a va`},
	{Kind: fakevapi.FailAfterAccept, Status: 404, Body: `null`},
}

// In every trouble Place sends one POST and says that it does not know.
func TestPlaceSendsOnePOST(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	if _, err := p.Place(t.Context(), request("warm/1", answers)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first ring", func() bool { return f.net.Rings("") == 1 })
	if _, err := p.Get(t.Context(), "019d2ad0-6eb1-7aac-9377-000000000001"); !errors.Is(err, provider.ErrNotFound) {
		t.Fatal(err)
	}
	for i, fault := range trouble {
		key := provider.Key("trouble", i+1)
		f.Inject(fault)
		rings := f.net.Rings("")
		c, err := p.Place(t.Context(), request(key, answers))
		if !errors.Is(err, provider.ErrOutcomeUnknown) {
			t.Errorf("%+v: got %+v, %v; want outcome_unknown", fault, c, err)
		}
		eventually(t, "a ring", func() bool { return f.net.Rings("") > rings })
		if f.Posts(key) != 1 || f.net.Rings("") != rings+1 {
			t.Errorf("%+v: %d POSTs, %d rings", fault, f.Posts(key), f.net.Rings("")-rings)
		}
		if found, err := p.Find(t.Context(), key, time.Now()); err != nil || found.Key != key || found.ID == "" {
			t.Errorf("%+v: Find says %+v, %v", fault, found, err)
		}
	}
}

func TestPlaceSlow(t *testing.T) {
	f := newPlatform(t, func(c *fakevapi.Config) { c.Second = time.Second }) // the call outlasts the test
	p := f.provider(t)
	f.Inject(fakevapi.Fault{Kind: fakevapi.Slow})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for f.net.Rings("") == 0 { // the POST itself is counted before there is a call
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	_, err := p.Place(ctx, request("slow/1", endless))
	if !errors.Is(err, provider.ErrOutcomeUnknown) || f.Posts("") != 1 {
		t.Errorf("got %v after %d POSTs", err, f.Posts(""))
	}
	found, err := p.Find(t.Context(), "slow/1", time.Now())
	if err != nil || found.Status == provider.StatusEnded {
		t.Errorf("the call was not left alone: %+v, %v", found, err)
	}
}

// Refusals: one POST, no ring, and the kind that tells what to do.
func TestPlaceRefused(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	words := func(message string) string {
		return `{"message":` + message + `,"error":"Bad Request","statusCode":400}`
	}
	for _, c := range []struct {
		status int
		body   string
		want   provider.Kind
	}{
		{400, words(`"Your Wallet Balance is -0.09"`), provider.KindRejected},
		{400, words(`"Subscription is frozen. Please update your billing details."`), provider.KindRejected},
		{402, words(`"Payment required"`), provider.KindRejected},
		{403, words(`"Insufficient credits"`), provider.KindRejected},
		{400, words(`["property customer should not exist","property assistantOverride should not exist"]`), provider.KindInvalidRequest},
		{400, words(`["customer.name must be shorter than or equal to 40 characters"]`), provider.KindInvalidRequest},
		{400, words(`["customer.number must be a valid phone number in the E.164 format.","property x should not exist"]`), provider.KindInvalidRequest},
		{400, words(`["customer.number must be a valid phone number in the E.164 format.","customer.name must be shorter than or equal to 40 characters"]`), provider.KindInvalidRequest},
		{400, words(`["customer.property number2 should not exist"]`), provider.KindInvalidRequest},
		// Numbers that are not the callee's.
		{400, words(`["assistantOverrides.model.tools.0.destinations.0.number must be a valid phone number in the E.164 format."]`), provider.KindInvalidRequest},
		{400, words(`["customer.assistantOverrides.forwardingPhoneNumber must be a valid phone number in the E.164 format."]`), provider.KindInvalidRequest},
		{400, words(`["phoneNumber.number must be a valid phone number in the E.164 format."]`), provider.KindInvalidRequest},
		{400, words(`"fallbackDestination.sipUri must be a valid SIP URI"`), provider.KindInvalidRequest},
		{400, words(`"Use E.164 for every number."`), provider.KindInvalidRequest},
		// The callee's, but it is not the number that is wrong.
		{400, words(`["customer.number must be a string"]`), provider.KindInvalidRequest},
		{400, words(`["customer.number should not be empty"]`), provider.KindInvalidRequest},
		{400, words(`["customer.numberE164CheckEnabled must be a boolean value"]`), provider.KindInvalidRequest},
		{400, words(`"customer.number is required"`), provider.KindInvalidRequest},
		{400, words(`"Daily outbound limit reached: customer.number was not dialled"`), provider.KindRateLimited},
		{400, words(`"customer.number: daily outbound call limit exceeded"`), provider.KindRateLimited},
		{400, words(`["customer.number must be a valid phone number in the E.164 format.","Daily outbound limit reached"]`), provider.KindRateLimited},
		{400, words(`["customer.number must be a valid phone number in the E.164 format.","Over Concurrency Limit"]`), provider.KindRateLimited},
		{400, words(`["customer.number must be a valid phone number in the E.164 format.","Your Wallet Balance is -0.09"]`), provider.KindRejected},
		{400, words(`["phoneNumberId must be a UUID"]`), provider.KindInvalidRequest},
		{400, words(`["maxDurationSeconds must not be greater than the limit"]`), provider.KindInvalidRequest},
		{400, words(`"Over Concurrency Limit"`), provider.KindRateLimited},
		{400, words(`"Your subscription's concurrency limit is reached"`), provider.KindRateLimited},
		{404, words(`"reach concurrency limit"`), provider.KindRateLimited},
		{400, words(`"Numbers bought on Vapi have a daily outbound call limit."`), provider.KindRateLimited},
		{400, words(`"Couldn't Get Phone Number. Something new."`), provider.KindInvalidRequest},
		{422, `{}`, provider.KindInvalidRequest},
		{402, `{"error":{"code":7}}`, provider.KindRejected},
		{404, words(`"Assistant not found"`), provider.KindNotFound},
		{401, words(`"Invalid Key"`), provider.KindUnauthenticated},
		{401, ``, provider.KindUnauthenticated},
		{403, words(`"Campaigns V2 is not enabled for your organization"`), provider.KindUnauthenticated},
		{403, `<html>blocked</html>`, provider.KindUnauthenticated},
		{429, `<html>slow down</html>`, provider.KindRateLimited},
		{429, `{"message":"Rate limit exceeded","statusCode":429}`, provider.KindRateLimited},
		{429, words(`"Your Wallet Balance is -0.09"`), provider.KindRateLimited},
	} {
		f.Inject(fakevapi.Fault{Kind: fakevapi.Refuse, Status: c.status, Body: c.body, Header: http.Header{"Retry-After": {"7"}}})
		posts := f.Posts("")
		_, err := p.Place(t.Context(), request("refused/1", answers))
		var e *provider.Error
		if !errors.As(err, &e) || e.Kind != c.want || e.Op != "place" || e.Provider != "vapi" {
			t.Errorf("%d %s: got %v, want %s", c.status, c.body, err, c.want)
			continue
		}
		if wait := e.RetryAfter == 7*time.Second; wait != (c.want == provider.KindRateLimited) {
			t.Errorf("%d %s: RetryAfter is %s", c.status, c.body, e.RetryAfter)
		}
		if f.Posts("") != posts+1 {
			t.Errorf("%d %s: %d POSTs", c.status, c.body, f.Posts("")-posts)
		}
	}
	time.Sleep(20 * time.Millisecond)
	if f.net.Rings("") != 0 {
		t.Errorf("%d phones rang", f.net.Rings(""))
	}
}

func TestPlaceBadNumber(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	for _, to := range []string{malform, "12345", "call me", "+1 415 555 0100", strings.Repeat("9", 41), "sip:nobody"} {
		c, err := p.Place(t.Context(), request("bad/1", to))
		if err != nil || c.ID != "" || c.Status != provider.StatusEnded || c.Outcome != provider.OutcomeInvalidNumber || c.Reason == "" || c.Key != "bad/1" || !c.NoSpeech {
			t.Errorf("%q: got %+v, %v", to, c, err)
		}
		if strings.Contains(c.Reason, to) {
			t.Errorf("%q: the reason repeats it: %q", to, c.Reason)
		}
	}
}

// What Vapi says of a callee that is no number, one by one.
func TestPlaceBadNumberWords(t *testing.T) {
	for _, said := range []string{
		`["customer.number must be a valid phone number in the E.164 format. Hot tip, you may be missing the country code (Eg. US: +1)."]`,
		`"customer.number must be a valid phone number in the E.164 format."`,
		`["customers.0.number must be a valid phone number in the E.164 format."]`,
		`["customer.number must be longer than or equal to 3 characters","customer.number must be a valid phone number in the E.164 format."]`,
		`["customer.number must be shorter than or equal to 40 characters"]`,
		`["customer.number must match /^\\+?[a-zA-Z0-9]+$/ regular expression"]`,
		`["customer.sipUri must be a valid SIP URI"]`,
		`"Invalid customer.number"`,
		`"The \"customer.number\" is not a valid phone number"`,
		`"Customer.Number Is Invalid"`,
	} {
		p, _ := answering(t, 400, `{"message":`+said+`,"error":"Bad Request","statusCode":400}`)
		c, err := p.Place(t.Context(), request("bad/1", answers))
		if err != nil || c.ID != "" || c.Outcome != provider.OutcomeInvalidNumber {
			t.Errorf("%s: got %+v, %v", said, c, err)
		}
	}
}

func TestPlaceRateLimitedByNumber(t *testing.T) {
	p := newPlatform(t).provider(t)
	if _, err := p.Place(t.Context(), request("limited/1", throttled)); !errors.Is(err, provider.ErrRateLimited) {
		t.Fatalf("got %v", err)
	}
	if _, err := p.Place(t.Context(), request("limited/1", throttled)); err != nil {
		t.Fatalf("the second send: %v", err)
	}
}

// A call put off by Vapi is live: it may still dial.
func TestPlaceScheduled(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	f.Inject(fakevapi.Fault{Kind: fakevapi.Schedule})
	c, err := p.Place(t.Context(), request("later/1", answers))
	if err != nil || c.Status != provider.StatusQueued || c.ID == "" || c.Outcome != "" {
		t.Fatalf("got %+v, %v", c, err)
	}
	if f.net.Rings("") != 0 || !f.Release(string(c.ID)) {
		t.Fatal("it was not put off")
	}
	if end := ended(t, p, c.ID); end.Outcome != provider.OutcomeCompleted {
		t.Errorf("got %+v", end)
	}
}

func TestPlaceBatchShape(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	f.Inject(fakevapi.Fault{Kind: fakevapi.ReplyAsBatch})
	c, err := p.Place(t.Context(), request("batch/1", answers))
	if err != nil || c.ID == "" || c.Key != "batch/1" {
		t.Errorf("got %+v, %v", c, err)
	}
	for body, want := range map[string]provider.Kind{
		`{"results":[],"errors":[{"customer":{"number":"abc"},"error":"customer.number must be a valid phone number in the E.164 format."}]}`: "",
		`{"results":[],"errors":[{"error":"Over Concurrency Limit"}]}`:                                                                        provider.KindRateLimited,
	} {
		f.Inject(fakevapi.Fault{Kind: fakevapi.Refuse, Status: 201, Body: body})
		c, err := p.Place(t.Context(), request("batch/2", answers))
		if provider.KindOf(err) != want || err == nil && c.Outcome != provider.OutcomeInvalidNumber {
			t.Errorf("%s: got %+v, %v", body, c, err)
		}
	}
}

// What is missing is said before anything is sent.
func TestPlaceIncomplete(t *testing.T) {
	f := newPlatform(t)
	for name, c := range map[string]struct {
		change func(*Config)
		req    func(*provider.Request)
	}{
		"key":       {req: func(r *provider.Request) { r.Key = "no-number" }},
		"To":        {req: func(r *provider.Request) { r.To = "" }},
		"JSON":      {req: func(r *provider.Request) { r.Data = json.RawMessage(`[1]`) }},
		"assistant": {change: func(c *Config) { c.AssistantID = "" }},
		"number":    {change: func(c *Config) { c.PhoneNumberID = "" }},
	} {
		req := request("incomplete/1", answers)
		if c.change == nil {
			c.change = func(*Config) {}
		}
		if c.req != nil {
			c.req(&req)
		}
		_, err := f.provider(t, c.change).Place(t.Context(), req)
		if !errors.Is(err, provider.ErrInvalidRequest) || f.Posts("") != 0 {
			t.Errorf("%s: got %v, %d POSTs", name, err, f.Posts(""))
		}
	}
}

func TestPlaceNothingSent(t *testing.T) {
	p := newProvider(t, func(c *Config) { c.BaseURL = "http://127.0.0.1:1" })
	if _, err := p.Place(t.Context(), request("a/1", answers)); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// posted returns the body and headers of the POST that req makes.
func posted(t *testing.T, req provider.Request, change ...func(*Config)) (map[string]any, *http.Request) {
	t.Helper()
	var body []byte
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got = r
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id":"019d2ad0-6eb1-7aac-9377-000000000001","status":"queued"}`))
	}))
	defer srv.Close()
	p := newProvider(t, append([]func(*Config){func(c *Config) { c.BaseURL = srv.URL + "/v1/" }}, change...)...)
	if _, err := p.Place(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m, got
}

func TestRequestBody(t *testing.T) {
	req := provider.Request{
		Key: "task-1/2", TaskID: "task-1", AgentID: "agent-9", To: answers, ToName: "Anna Muster",
		Instructions: "Be {{ kind }}.", RingTimeout: 2500 * time.Millisecond, MaxDuration: 90*time.Second + 1,
		Data: json.RawMessage(`{"contact_number":"+1","token":"canary","provider":"vapi","quality":"high","room":"r","user_id":"u",
			"document_id":"d","thread_id":"t","vapi_agent_id":" as-task ","contact_name":"Anna","big":9007199254740993,"nested":{"a":[1,null]}}`),
	}
	got, r := posted(t, req, func(c *Config) { c.WebhookURL, c.WebhookSecret = "http://127.0.0.1:9/hook?a=b", secret })
	want := map[string]any{
		"assistantId": "as-task", "phoneNumberId": "pn-1",
		"customer": map[string]any{"number": answers, "name": "Anna Muster"},
		"assistantOverrides": map[string]any{
			"variableValues": map[string]any{
				"contact_name": "Anna", "big": json.Number("9007199254740993"), "instructions": "Be {{ kind }}.",
				"nested": map[string]any{"a": []any{json.Number("1"), nil}},
			},
			"metadata":                map[string]any{"voice_key": "task-1/2", "voice_task_id": "task-1"},
			"maxDurationSeconds":      json.Number("91"),
			"transportConfigurations": []any{map[string]any{"provider": "twilio", "timeout": json.Number("3")}},
			"serverMessages":          []any{"status-update", "end-of-call-report"},
			"server": map[string]any{
				"url": "http://127.0.0.1:9/hook?a=b", "headers": map[string]any{"X-Vapi-Secret": secret},
				"backoffPlan": map[string]any{
					"type": "exponential", "maxRetries": json.Number("6"), "baseDelaySeconds": json.Number("2"),
					"excludedStatusCodes": []any{json.Number("400"), json.Number("401"), json.Number("403"), json.Number("404"), json.Number("405"), json.Number("413"), json.Number("422")},
				},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if r.URL.Path != "/v1/call" || r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Idempotency-Key") != "" {
		t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
}

func TestRequestChoices(t *testing.T) {
	base := request("t/1", answers)
	at := func(m map[string]any, path ...string) any {
		var v any = m
		for _, p := range path {
			v, _ = v.(map[string]any)[p]
		}
		return v
	}
	overridesOf := func(m map[string]any, name string) any { return at(m, "assistantOverrides", name) }

	req := base
	req.AgentID, req.From, req.To, req.MaxDuration, req.Data, req.ToName = "agent-9", "pn-2", "sip:bob@example.org", 0, nil, ""
	got, _ := posted(t, req, func(c *Config) { c.AssistantID = "" })
	if got["assistantId"] != "agent-9" || got["phoneNumberId"] != "pn-2" || !reflect.DeepEqual(got["customer"], map[string]any{"sipUri": "sip:bob@example.org"}) {
		t.Errorf("got %v", got)
	}
	if overridesOf(got, "maxDurationSeconds") != nil || overridesOf(got, "server") != nil || overridesOf(got, "serverMessages") != nil || overridesOf(got, "variableValues") != nil {
		t.Errorf("got %v", got)
	}
	for d, want := range map[time.Duration]string{time.Nanosecond: "10", 10 * time.Second: "10", 15 * time.Minute: "900", 100 * time.Hour: "43200"} {
		req := base
		req.MaxDuration = d
		if got, _ := posted(t, req); overridesOf(got, "maxDurationSeconds") != json.Number(want) {
			t.Errorf("%s: got %v, want %s", d, overridesOf(got, "maxDurationSeconds"), want)
		}
	}
	for name, want := range map[string]any{
		strings.Repeat("x", 40): strings.Repeat("x", 40), strings.Repeat("x", 41): strings.Repeat("x", 40),
		strings.Repeat("電", 41): strings.Repeat("電", 40), strings.Repeat("🔔", 21): strings.Repeat("🔔", 20),
		strings.Repeat("x", 39) + "🔔": strings.Repeat("x", 39), " Anna\xff ": "Anna", strings.Repeat("x", 39) + " y": strings.Repeat("x", 39),
	} {
		req := base
		req.ToName = name
		if got, _ := posted(t, req); at(got, "customer", "name") != want {
			t.Errorf("%q: got %q", name, at(got, "customer", "name"))
		}
	}
}

// Vapi's own answers, anonymised.
func TestPlaceSamples(t *testing.T) {
	for file, want := range map[string]struct {
		status  int
		kind    provider.Kind
		outcome provider.Outcome
		id      provider.CallID
	}{
		"call.create.201.json":            {201, "", "", "019d2ad0-6eb1-7aac-9377-000000000001"},
		"error.400.e164.json":             {400, "", provider.OutcomeInvalidNumber, ""},
		"error.400.unknown-property.json": {400, provider.KindInvalidRequest, "", ""},
		"error.400.wallet.json":           {400, provider.KindRejected, "", ""},
		"error.429.json":                  {429, provider.KindRateLimited, "", ""},
		"batch.201.json":                  {201, "", "", "019d2ad0-6eb1-7aac-9377-000000000002"},
	} {
		body := shared(t, "vapi/samples/"+file)
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(want.status)
			_, _ = w.Write(body)
		})
		c, err := newProvider(t, func(c *Config) { c.BaseURL = url }).Place(t.Context(), request("s/1", answers))
		if provider.KindOf(err) != want.kind || c.Outcome != want.outcome || c.ID != want.id {
			t.Errorf("%s: got %+v, %v", file, c, err)
		}
		if err == nil && c.Key != "s/1" || c.ID != "" && c.Status != provider.StatusQueued {
			t.Errorf("%s: got %+v", file, c)
		}
	}
}
