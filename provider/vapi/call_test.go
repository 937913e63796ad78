package vapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func callOf(t *testing.T, body string) provider.Call {
	t.Helper()
	w, err := decodeCall([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := w.call()
	return c
}

func TestCall(t *testing.T) {
	got := callOf(t, `{"id":"c1","type":"outboundPhoneCall","status":"ended","endedReason":"customer-ended-call",
		"createdAt":"2026-03-26T15:43:16.145Z","startedAt":"2026-03-26T16:43:30+01:00","endedAt":"2026-03-26T15:45:00.000Z",
		"cost":0.12,"analysis":{"summary":"Sum."},"artifact":{"transcript":"AI: Hi\nUser: Hello","recordingUrl":"https://r/x.wav"},
		"phoneNumber":{"number":"+14155550199"},"assistantOverrides":{"metadata":{"voice_key":"task/3"}}}`)
	want := provider.Call{
		ID: "c1", Key: "task/3", Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted, Reason: "customer-ended-call", From: "+14155550199",
		CreatedAt:  time.Date(2026, 3, 26, 15, 43, 16, 145e6, time.UTC),
		AnsweredAt: time.Date(2026, 3, 26, 15, 43, 30, 0, time.UTC), EndedAt: time.Date(2026, 3, 26, 15, 45, 0, 0, time.UTC),
		Transcript: "AI: Hi\nUser: Hello", Summary: "Sum.", RecordingURL: "https://r/x.wav", CostUSD: 0.12,
	}
	raw := got.Raw
	got.Raw = nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !json.Valid(raw) || !strings.Contains(string(raw), `"recordingUrl":"https://r/x.wav"`) {
		t.Errorf("Raw is %s", raw)
	}
}

func TestCallStatus(t *testing.T) {
	for status, want := range map[string]provider.Status{
		"scheduled": provider.StatusQueued, "queued": provider.StatusQueued, "ringing": provider.StatusRinging,
		"in-progress": provider.StatusInProgress, "forwarding": provider.StatusInProgress, "ended": provider.StatusEnded,
		"not-found": provider.StatusQueued, "deletion-failed": provider.StatusQueued, "failed": provider.StatusQueued, "": provider.StatusQueued,
	} {
		c := callOf(t, `{"id":"c","endedReason":"customer-busy","status":"`+status+`"}`)
		if c.Status != want || (c.Outcome != "") != (want == provider.StatusEnded) {
			t.Errorf("%q: got %s %s, want %s", status, c.Status, c.Outcome, want)
		}
	}
}

// Vapi's types drift: one odd field does not hide the rest.
func TestCallOddFields(t *testing.T) {
	c := callOf(t, `{"id":"c","status":"ended","endedReason":"customer-busy","cost":"a lot","createdAt":7,"startedAt":"2026-03-26T15:43:30",
		"artifact":{"messages":{"a":1},"transcript":["x"]},"analysis":"none","assistantOverrides":{"metadata":{"voice_key":"t/1"}},"customer":[],"monitor":3}`)
	if c.Outcome != provider.OutcomeBusy || c.Key != "t/1" || !c.AnsweredAt.IsZero() || !c.CreatedAt.IsZero() || c.CostUSD != 0 {
		t.Errorf("got %+v", c)
	}
	for _, body := range []string{``, `null`, `[]`, `"c"`, `{}`, `{"id":7}`, `{"id":""}`, `{"id":"c"`, `<html>`} {
		if w, err := decodeCall([]byte(body)); err == nil {
			t.Errorf("%s: got %+v", body, w)
		}
	}
}

// A time that JSON cannot hold, in UTC, is none: it would keep the whole call from being
// written.
func TestTimesBeyondJSON(t *testing.T) {
	for _, at := range []string{"9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "10000-01-01T00:00:00Z"} {
		c := callOf(t, `{"id":"c","status":"ended","endedReason":"customer-busy","createdAt":"`+at+`","startedAt":"`+at+`","endedAt":"`+at+`"}`)
		if b, err := json.Marshal(c); err != nil || c.Raw == nil || !c.EndedAt.IsZero() {
			t.Errorf("%s: %s, %v, raw %s", at, b, err, c.Raw)
		}
	}
	if c := callOf(t, `{"id":"c","endedAt":"9999-12-31T23:59:59Z"}`); c.EndedAt.IsZero() {
		t.Error("the last second that JSON can hold was dropped")
	}
}

func TestKeyOfForeignCalls(t *testing.T) {
	for _, metadata := range []string{`{}`, `null`, `7`, `{"voice_key":7}`, `{"voice_key":"nonsense"}`, `{"voice_key":"a/0"}`, `{"voice_key":null}`, `{"Voice_Key":"a/1"}`} {
		if c := callOf(t, `{"id":"c","status":"queued","assistantOverrides":{"metadata":`+metadata+`}}`); c.Key != "" {
			t.Errorf("%s: got the key %q", metadata, c.Key)
		}
	}
}

func TestRecording(t *testing.T) {
	for artifact, want := range map[string]string{
		`{"recordingUrl":"a","stereoRecordingUrl":"b"}`:                                       "a",
		`{"recording":{"mono":{"combinedUrl":"c"},"stereoUrl":"d"},"stereoRecordingUrl":"b"}`: "c",
		`{"recording":{"stereoUrl":"d"}}`:                                                     "d",
		`{"presignedMonoUrl":"e"}`:                                                            "",
	} {
		if c := callOf(t, `{"id":"c","artifact":`+artifact+`}`); c.RecordingURL != want {
			t.Errorf("%s: got %q, want %q", artifact, c.RecordingURL, want)
		}
	}
}

func TestNoSpeech(t *testing.T) {
	const (
		fault = `"endedReason":"call.in-progress.error-vapifault-worker-died"`
		brief = `,"startedAt":"2026-03-26T15:43:30Z","endedAt":"2026-03-26T15:43:40Z"`
		long  = `,"startedAt":"2026-03-26T15:43:30Z","endedAt":"2026-03-26T15:53:30Z"`
		quiet = `,"artifact":{"messages":[{"role":"system","message":"Be."},{"role":"bot","message":"Hi"},{"role":"user","message":" "}]}`
		loud  = `,"artifact":{"messages":[{"role":"bot","message":"Hi"},{"role":"user","message":"Hello"}]}`
	)
	for fields, want := range map[string]bool{
		fault + brief + quiet:                         true,
		fault + brief + loud:                          false,
		fault + long + quiet:                          false, // the last words may be lost with the worker
		fault + brief:                                 false, // nothing tells
		fault + brief + `,"artifact":{"messages":[]}`: false,
		fault + brief + `,"artifact":{"messages":[{"role":"bot","message":"Hi"}],"transcript":"AI: Hi\nUser: Yes"}`: false,
		fault + `,"endedAt":"2026-03-26T15:43:40Z"`:                                                                 true, // never connected
		fault: false,
		`"endedReason":"customer-did-not-answer"`:                                      true,
		`"endedReason":"customer-busy"` + brief + loud:                                 false,
		`"endedReason":"call.start.error-vapifault-get-org"`:                           true,
		`"endedReason":"twilio-failed-to-connect-call"`:                                true,
		`"endedReason":"call.in-progress.error-providerfault-outbound-sip-503-x"`:      true,
		`"endedReason":"silence-timed-out"` + long + quiet:                             true,
		`"endedReason":"customer-ended-call"` + long + loud:                            false,
		`"endedReason":"something-new"` + long + quiet:                                 false,
		`"endedReason":"pipeline-error-openai-401-unauthorized"` + long + quiet:        false,
		`"endedReason":"pipeline-error-openai-429-rate-limit-reached"` + brief + quiet: true,
	} {
		if c := callOf(t, `{"id":"c","status":"ended",`+fields+`}`); c.NoSpeech != want {
			t.Errorf("%s: got %v, want %v", fields, c.NoSpeech, want)
		}
	}
	if callOf(t, `{"id":"c","status":"in-progress"`+quiet+`}`).NoSpeech {
		t.Error("a call that goes on cannot be certain to stay silent")
	}
}

// full is a Call object with a secret wherever one was seen.
const full = `{"id":"c","status":"in-progress","type":"outboundPhoneCall","customer":{"number":"+14155550100","sipUri":""},
	"monitor":{"listenUrl":"wss://x/canary-listen","controlUrl":"https://x/canary-control"},
	"phoneNumber":{"number":"+14155550199","twilioAuthToken":"canary-twilio","twilioApiSecret":"canary-api"},
	"transport":{"provider":"twilio","callSid":"CA1","callToken":"canary-call-token"},
	"assistant":{"model":{"apiKey":"canary-model"}},"squad":{"x":"canary-squad"},
	"assistantOverrides":{"metadata":{"voice_key":"t/1"},"variableValues":{"context":"x"},"server":{"secret":"canary-server","headers":{"X-Vapi-Secret":"canary-header"}},"credentials":[{"token":"canary-credential"}]},
	"artifact":{"recordingUrl":"https://r/x","presignedMonoUrl":"https://r/x?canary-presigned","logUrl":"https://r/canary-log","pcapUrl":"https://r/canary-pcap"},
	"credentialIds":["canary-id"],"webCallUrl":"https://canary-web"}`

func TestRawHoldsNoSecrets(t *testing.T) {
	c := callOf(t, full)
	for _, s := range []string{string(c.Raw), fmt.Sprintf("%+v", c)} {
		if strings.Contains(s, "canary") {
			t.Errorf("a secret: %s", s)
		}
	}
	for _, want := range []string{"voice_key", `"context":"x"`, "CA1", "+14155550100", "https://r/x"} {
		if !strings.Contains(string(c.Raw), want) {
			t.Errorf("Raw is without %s: %s", want, c.Raw)
		}
	}
	// The control URL was read all the same.
	if w, err := decodeCall([]byte(full)); err != nil || w.Monitor.ControlURL == "" {
		t.Errorf("got %v, %v", w, err)
	}
}
