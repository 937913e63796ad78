package vapi

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/superservices/voice/provider"
)

// wireMessage is what we take of a message. The call within is partial, and the
// message's own fields are newer.
type wireMessage struct {
	Type        string          `json:"type"`
	Timestamp   float64         `json:"timestamp"` // Unix milliseconds
	Status      string          `json:"status"`
	EndedReason string          `json:"endedReason"`
	StartedAt   wireTime        `json:"startedAt"`
	EndedAt     wireTime        `json:"endedAt"`
	Cost        float64         `json:"cost"`
	Costs       json.RawMessage `json:"costs"`
	Analysis    *wireAnalysis   `json:"analysis"`
	Artifact    *wireArtifact   `json:"artifact"`
	PhoneNumber struct {
		Number string `json:"number"`
	} `json:"phoneNumber"`
	Call wireCall `json:"call"`
}

// decodeMessage returns nil for a message that is of no interest.
func decodeMessage(body []byte) (e *provider.Event, mapped bool, err error) {
	var envelope struct {
		Message *wireMessage `json:"message"`
	}
	if err := decode(body, &envelope); err != nil || envelope.Message == nil || envelope.Message.Type == "" {
		return nil, false, errors.New("vapi: webhook: the body is no message of Vapi's")
	}
	m := envelope.Message
	w := m.snapshot()
	if w == nil || statuses[w.Status] == "" || !w.outbound() || w.ID == "" && w.key() == "" {
		return nil, true, nil
	}
	w.toldAt = m.at()
	c, mapped := w.call()
	// The message comes as the thing happens, so its own time will do.
	switch {
	case c.Status == provider.StatusInProgress && c.AnsweredAt.IsZero():
		c.AnsweredAt = m.at()
	case c.Status == provider.StatusEnded && c.EndedAt.IsZero():
		c.EndedAt = m.at()
	}
	return &provider.Event{ID: m.id(w), Key: c.Key, Call: c, At: m.at()}, mapped, nil
}

// snapshot is the call as the message tells it, nil for other types of messages.
func (m *wireMessage) snapshot() *wireCall {
	w := &m.Call
	switch m.Type {
	case typeStatusUpdate:
		w.partial, w.Status = true, m.Status
	case typeEndOfCallReport:
		w.Status = "ended"
	default:
		return nil
	}
	if m.EndedReason != "" {
		w.EndedReason = m.EndedReason
	}
	if !m.StartedAt.IsZero() {
		w.StartedAt = m.StartedAt
	}
	if !m.EndedAt.IsZero() {
		w.EndedAt = m.EndedAt
	}
	if m.Cost != 0 {
		w.Cost = m.Cost
	}
	if m.Costs != nil {
		w.Costs = m.Costs
	}
	if m.Analysis != nil {
		w.Analysis = *m.Analysis
	}
	if m.Artifact != nil {
		w.Artifact = *m.Artifact
	}
	if m.PhoneNumber.Number != "" {
		w.PhoneNumber.Number = m.PhoneNumber.Number
	}
	return w
}

// id names what the message says, since Vapi gives its messages no id and sends a
// report again with other bytes in it.
func (m *wireMessage) id(w *wireCall) string {
	switch {
	case w.ID == "":
		return ""
	case m.Type == typeEndOfCallReport:
		return w.ID + ":" + m.Type
	}
	return w.ID + ":" + m.Type + ":" + w.Status
}

func (m *wireMessage) at() time.Time {
	const year9999 = 253402300799e3
	if !(m.Timestamp > 0 && m.Timestamp < year9999) {
		return time.Time{}
	}
	return time.UnixMilli(int64(m.Timestamp)).UTC()
}
