package fakevapi

import (
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

// Statuses of the API.
const (
	statusScheduled  = "scheduled"
	statusQueued     = "queued"
	statusRinging    = "ringing"
	statusInProgress = "in-progress"
	statusEnded      = "ended"
)

// call is one call. Its fields are guarded by Server.mu; body does not change.
type call struct {
	id, key, secret string
	body            createBody
	overrides       json.RawMessage // as sent
	base            string          // of its control URL

	leg         *carrier.Leg // nil while it is scheduled
	status      string
	endedReason string
	forced      string // by Finish
	analysed    bool
	hiddenUntil time.Time
	createdAt   time.Time
	updatedAt   time.Time
	startedAt   time.Time
	endedAt     time.Time

	outbox  [][]byte
	sending bool
}

func newCall(b createBody, key string, raw []byte, base string) *call {
	now := time.Now().UTC()
	c := &call{
		id: newID(now), key: key, secret: rand.Text(), body: b, base: base,
		status: statusQueued, createdAt: now, updatedAt: now,
	}
	c.overrides = object(raw)["assistantOverrides"]
	return c
}

// dial starts the leg of c.
func (s *Server) dial(c *call) {
	number := c.body.Customer.Number
	if number == "" {
		number = c.body.Customer.SIPURI
	}
	d := carrier.Dial{Number: number, Platform: "vapi", Call: c.id, Key: c.key, RingLimit: s.cfg.RingLimit, MaxDuration: 600 * s.cfg.Second}
	if t := c.body.Overrides.Transports; len(t) > 0 && t[0].Timeout != nil {
		d.RingLimit = s.seconds(*t[0].Timeout)
	}
	if m := c.body.Overrides.MaxDurationSeconds; m != nil {
		d.MaxDuration = s.seconds(*m)
	}
	d.Changed = func(l *carrier.Leg) { s.changed(c, l.Snapshot()) }
	leg := s.cfg.Network.Dial(d)
	s.mu.Lock()
	c.leg = leg
	s.mu.Unlock()
}

func (s *Server) seconds(n float64) time.Duration {
	return time.Duration(n * float64(s.cfg.Second))
}

// schedule puts c off until Release.
func (s *Server) schedule(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.status = statusScheduled
	s.report(c, typeStatusUpdate)
}

// Release dials a scheduled call, as the API does when a line is free. It reports
// false if there is no such call.
func (s *Server) Release(id string) bool {
	s.mu.Lock()
	c := s.calls[id]
	if c == nil || c.status != statusScheduled {
		s.mu.Unlock()
		return false
	}
	c.status = statusQueued
	s.mu.Unlock()
	s.dial(c)
	return true
}

// changed follows the leg. Snapshots may come late or out of order, so nothing
// moves backwards.
func (s *Server) changed(c *call, leg carrier.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.status == statusEnded {
		return
	}
	if !leg.AnsweredAt.IsZero() && c.startedAt.IsZero() {
		c.startedAt = leg.AnsweredAt
	}
	switch leg.State {
	case carrier.StateRinging:
		s.step(c, statusRinging)
	case carrier.StateActive:
		s.step(c, statusInProgress)
	case carrier.StateEnded:
		reason := c.forced
		if reason == "" {
			reason = reasonFor(leg)
		}
		s.end(c, reason, leg.EndedAt)
	}
}

func (s *Server) step(c *call, status string) { // s.mu is held
	if rank[status] <= rank[c.status] {
		return
	}
	c.status, c.updatedAt = status, time.Now().UTC()
	s.report(c, typeStatusUpdate)
}

var rank = map[string]int{statusScheduled: 0, statusQueued: 1, statusRinging: 2, statusInProgress: 3, statusEnded: 4}

func (s *Server) end(c *call, reason string, at time.Time) { // s.mu is held
	c.status, c.endedReason, c.endedAt, c.updatedAt = statusEnded, reason, at.UTC(), time.Now().UTC()
	switch reason { // Finish may contradict what happened on the network
	case "customer-ended-call":
		if c.startedAt.IsZero() {
			c.startedAt = c.endedAt
		}
	case "customer-did-not-answer", "customer-busy", "twilio-reported-customer-misdialed":
		c.startedAt = time.Time{}
	}
	s.report(c, typeStatusUpdate)
	analyse := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		c.analysed, c.updatedAt = true, time.Now().UTC()
		s.report(c, typeEndOfCallReport)
	}
	if s.cfg.AnalysisLag <= 0 {
		go analyse() // s.mu is held
		return
	}
	time.AfterFunc(s.cfg.AnalysisLag, analyse)
}

// reasonFor is the API's word for how a leg ended. It has none for a declined
// call: mobile networks report that as busy, and so it is here.
func reasonFor(leg carrier.Snapshot) string {
	switch leg.Cause {
	case carrier.CauseCallee:
		if leg.Machine {
			return "voicemail"
		}
		return "customer-ended-call"
	case carrier.CauseCaller:
		return "manually-canceled"
	case carrier.CauseLimit:
		return "exceeded-max-duration"
	case carrier.CauseBusy, carrier.CauseDeclined:
		return "customer-busy"
	case carrier.CauseNoAnswer:
		return "customer-did-not-answer"
	case carrier.CauseBadNumber:
		return "twilio-reported-customer-misdialed"
	}
	return "call.in-progress.error-providerfault-outbound-sip-503-service-unavailable"
}
