package fakevapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	typeStatusUpdate    = "status-update"
	typeEndOfCallReport = "end-of-call-report"

	maxOutbox = 100
)

// report puts a message into c's outbox and sees that it is sent, one after the
// other. s.mu is held.
func (s *Server) report(c *call, typ string) {
	o := &c.body.Overrides
	if o.Server == nil || s.hooks.Drop || o.ServerMessages != nil && !slices.Contains(o.ServerMessages, typ) {
		return
	}
	select {
	case <-s.closed:
		return
	default:
	}
	body, err := json.Marshal(map[string]any{"message": c.message(typ)})
	if err != nil {
		return
	}
	copies := 1
	if s.hooks.Duplicate {
		copies = 2
	}
	for range copies {
		if len(c.outbox) < maxOutbox {
			c.outbox = append(c.outbox, body)
		}
	}
	if !c.sending {
		c.sending = true
		s.busy.Add(1)
		go s.deliver(c)
	}
}

func (c *call) message(typ string) map[string]any { // Server.mu is held
	m := map[string]any{
		"type": typ, "timestamp": time.Now().UnixMilli(), "call": c.view(false), "customer": c.customer(),
		"assistant": map[string]any{"name": "caller"},
		"phoneNumber": map[string]any{
			"provider": "twilio", "number": CallerNumber, "twilioAccountSid": "AC00000000000000000000000000000000",
			"twilioAuthToken": SecretAuthToken, "twilioApiSecret": SecretAPISecret,
		},
	}
	if typ == typeStatusUpdate {
		m["status"], m["artifact"] = c.status, map[string]any{"messages": []any{}}
		if c.status == statusEnded {
			m["endedReason"] = c.endedReason
		}
		return m
	}
	m["endedReason"], m["endedAt"] = c.endedReason, stamp(c.endedAt)
	m["artifact"], m["analysis"], m["cost"] = c.artifact(), c.analysis(), c.cost()
	if !c.startedAt.IsZero() {
		m["startedAt"] = stamp(c.startedAt)
	}
	return m
}

// deliver empties the outbox of c.
func (s *Server) deliver(c *call) {
	defer s.busy.Done()
	for {
		s.mu.Lock()
		if len(c.outbox) == 0 {
			c.sending = false
			s.mu.Unlock()
			return
		}
		body := c.outbox[0]
		c.outbox = c.outbox[1:]
		s.mu.Unlock()
		s.post(c.body.Overrides.Server, body)
	}
}

// post sends body once, and again only by the server's backoffPlan.
func (s *Server) post(to *server, body []byte) {
	for retry := 0; ; retry++ {
		status := s.postOnce(to, body)
		plan := to.Backoff
		if status >= 200 && status <= 299 || plan == nil || retry >= plan.MaxRetries || slices.Contains(plan.Excluded, status) {
			return
		}
		pause := s.seconds(plan.BaseDelay)
		if plan.Type == "exponential" {
			pause <<= retry
		}
		select {
		case <-s.closed:
			return
		case <-time.After(pause):
		}
	}
}

func (s *Server) postOnce(to *server, body []byte) (status int) {
	req, err := http.NewRequest(http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range to.Headers {
		req.Header.Set(name, value)
	}
	if to.Secret != "" {
		req.Header.Set("X-Vapi-Secret", to.Secret)
	}
	resp, err := s.cfg.Webhooks.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode
}
