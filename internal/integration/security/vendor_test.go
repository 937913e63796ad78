package security

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/superservices/voice/internal/carrier/fakevapi"
)

// chatty stands between an adapter and the fake platform and makes the platform say
// more than it needs to: transcripts, credentials of carriers, control URLs, refusals
// that quote the number and the name, reasons that nobody has heard of.
type chatty struct {
	next   http.Handler
	known  func(number string) (canary, bool)
	mu     sync.Mutex
	random *rand.Rand
	met    map[string]bool // refusals, by number
}

func newChatty(next http.Handler, seed uint64, known func(string) (canary, bool)) *chatty {
	return &chatty{next: next, known: known, random: rand.New(rand.NewPCG(seed, 7)), met: map[string]bool{}}
}

func (p *chatty) quote(c canary) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.quote(p.random)
}

// first reports whether a number is met for the first time.
func (p *chatty) first(number string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.met[number]
	p.met[number] = true
	return !before
}

func (p *chatty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if c, ok := p.calleeOf(body); ok && r.Method == http.MethodPost && c.kind.refuse != 0 && (c.kind.always || p.first(c.number)) {
		if c.kind.accepted {
			p.next.ServeHTTP(httptest.NewRecorder(), r)
		}
		p.refuse(w, c)
		return
	}
	rec := httptest.NewRecorder()
	p.next.ServeHTTP(rec, r)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	answer := p.embellish(rec.Body.Bytes())
	w.Header().Del("Content-Length")
	w.WriteHeader(rec.Code)
	_, _ = w.Write(answer)
}

func (p *chatty) calleeOf(body []byte) (canary, bool) {
	var b struct {
		Customer struct{ Number, SIPURI string }
		To       string `json:"sip_call_to"`
		ToToo    string `json:"sipCallTo"`
	}
	if json.Unmarshal(body, &b) != nil {
		return canary{}, false
	}
	for _, number := range []string{b.Customer.Number, b.Customer.SIPURI, b.To, b.ToToo} {
		if c, ok := p.known(number); ok {
			return c, true
		}
	}
	return canary{}, false
}

// refuse answers in a shape that both platforms' clients read, quoting what it got.
func (p *chatty) refuse(w http.ResponseWriter, c canary) {
	said := p.quote(c)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(c.kind.refuse)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"message": []string{said, "customer.number must be valid: " + c.number}, "error": said, "statusCode": c.kind.refuse,
		"code": c.kind.twirp, "msg": said, "meta": map[string]string{"sip_status_code": "503", "sip_status": said, "trunk_password": c.secrets},
	})
}

// embellish adds to each call in an answer.
func (p *chatty) embellish(body []byte) []byte {
	var many []map[string]any
	if json.Unmarshal(body, &many) == nil {
		for _, call := range many {
			p.call(call)
		}
		return marshal(many, body)
	}
	var one map[string]any
	if json.Unmarshal(body, &one) != nil || one["customer"] == nil {
		return body
	}
	p.call(one)
	return marshal(one, body)
}

// message adds to a webhook's message.
func (p *chatty) message(body []byte) []byte {
	var envelope struct {
		Message map[string]any `json:"message"`
	}
	if json.Unmarshal(body, &envelope) != nil || envelope.Message == nil {
		return body
	}
	m := envelope.Message
	p.call(m)
	if call, ok := m["call"].(map[string]any); ok {
		p.call(call)
	}
	return marshal(envelope, body)
}

func marshal(v any, otherwise []byte) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return otherwise
	}
	return b
}

// call adds secrets where the platform was seen to send them, and words that were said.
func (p *chatty) call(call map[string]any) {
	customer, _ := call["customer"].(map[string]any)
	number, _ := customer["number"].(string)
	c, ok := p.known(number)
	if !ok {
		return
	}
	if monitor, ok := call["monitor"].(map[string]any); ok {
		monitor["listenUrl"] = "wss://listen.example/" + c.secrets
		monitor["controlUrl"] = fmt.Sprint(monitor["controlUrl"], "?k=", c.secrets)
	}
	call["phoneNumber"] = map[string]any{
		"number": fakevapi.CallerNumber, "twilioAuthToken": c.secrets, "twilioApiSecret": c.secrets, "twilioAccountSid": "AC" + c.secrets, "server": map[string]any{"secret": c.secrets},
	}
	call["phoneCallTransport"], call["serverUrlSecret"] = map[string]any{"vonageApiSecret": c.secrets}, c.secrets
	call["assistant"] = map[string]any{"name": c.words, "credentials": []any{map[string]any{"apiKey": c.secrets}}, "server": map[string]any{"headers": map[string]any{"Authorization": "Bearer " + c.secrets}}}
	call["transport"] = map[string]any{"provider": "twilio", "accountToken": c.secrets}
	if artifact, ok := call["artifact"].(map[string]any); ok && artifact["transcript"] != nil {
		artifact["transcript"] = "AI: Hello " + c.name + "\nUser: call me at " + c.number + ", " + c.words
		artifact["presignedMonoUrl"] = "https://storage.example/x?signature=" + c.secrets
		artifact["logUrl"] = "https://logs.example/" + c.secrets
		call["analysis"] = map[string]any{"summary": c.name + " said " + c.words}
	}
	if _, ended := call["endedReason"].(string); ended && c.kind.weird {
		call["endedReason"] = "the-callee " + p.quote(c) + "\r\nlevel=ERROR msg=forged\x1b[31m " + strings.Repeat("x", 500)
		call["endedMessage"] = p.quote(c)
	}
}

// webhooks passes on what the platform reports.
func (p *chatty) webhooks(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		body = p.message(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		handler.ServeHTTP(w, r)
	})
}
