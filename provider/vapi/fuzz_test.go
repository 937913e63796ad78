package vapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// Whatever Vapi, or something before it, answers to a dial: it is a call with an id,
// an end, or an error, and an error that proves "not placed" comes only with 4xx.
func FuzzPlaceAnswer(f *testing.F) {
	f.Add(201, `{"id":"c","status":"queued"}`)
	f.Add(400, `{"message":["customer.number must be a valid phone number in the E.164 format."],"statusCode":400}`)
	f.Add(502, `<html>`)
	p, err := New(Config{AuthToken: token, PhoneNumberID: "pn-1", AssistantID: "as-1"})
	if err != nil {
		f.Fatal(err)
	}
	req := request("t/1", answers)
	f.Fuzz(func(t *testing.T, status int, body string) {
		var c provider.Call
		var err error
		reply := vendorhttp.Reply{Status: status, Header: http.Header{"Retry-After": {body[:min(len(body), 8)]}}, Body: []byte(body)}
		if status >= 200 && status <= 299 {
			c, err = p.accepted(t.Context(), req, createCall{}, reply)
		} else {
			c, err = p.refused(req, readRefusal(status, reply.Body), reply)
		}
		kind := provider.KindOf(err)
		switch {
		case err == nil && c.ID == "" && c.Outcome != provider.OutcomeInvalidNumber:
			t.Errorf("%d %q: a live call without an id: %+v", status, body, c)
		case err == nil && (c.Status == provider.StatusEnded) != (c.Outcome != ""):
			t.Errorf("%d %q: %s with outcome %q", status, body, c.Status, c.Outcome)
		case kind.NotPlaced() && status >= 300 && (status < 400 || status > 499):
			t.Errorf("%d %q: %s", status, body, kind)
		case kind.NotPlaced() && status >= 200 && status <= 299 && !strings.Contains(body, "rror"):
			t.Errorf("%d %q: accepted, and yet %s", status, body, kind)
		}
		if err != nil && (strings.Contains(err.Error(), answers) || strings.ContainsAny(err.Error(), "\n\r\x1b")) {
			t.Errorf("the error says %q", err)
		}
	})
}

// An error body, whatever it says: only Vapi's own words about the callee's number make
// it a bad one, and what is not in Vapi's JSON proves nothing beyond what a status says
// that stands before the API.
func FuzzErrorBody(f *testing.F) {
	f.Add(400, `{"message":["customer.number must be a valid phone number in the E.164 format."],"error":"Bad Request","statusCode":400}`)
	f.Add(400, `{"message":"Your Wallet Balance is -0.09","statusCode":400}`)
	f.Add(429, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		r := readRefusal(status, []byte(body))
		said, ok := decodeRefusal([]byte(body))
		door := status == 401 || status == 403 || status == 429
		switch {
		case r.badNumber == (r.kind != ""):
			t.Errorf("%d %q: %+v", status, body, r)
		case r.badNumber && (!ok || door || status < 400 || status > 499):
			t.Errorf("%d %q: a bad number", status, body)
		case r.kind.NotPlaced() && (status < 400 || status > 499 || !ok && !door):
			t.Errorf("%d %q: %s", status, body, r.kind)
		}
		for _, s := range said {
			lower := strings.ToLower(s)
			if r.badNumber && (!strings.Contains(lower, "customer") || strings.Contains(lower, "concurren") || strings.Contains(lower, "wallet")) {
				t.Errorf("%d %q: a bad number, by %q", status, body, s)
			}
		}
		p := &Provider{cfg: Config{AuthToken: token, WebhookSecret: secret}}
		if text := p.words([]byte(body), answers).Error(); strings.Contains(text, answers) || strings.ContainsAny(text, "\n\r\x1b") || len(text) > 400 {
			t.Errorf("%q says %q", body, text)
		}
	})
}

// A call's object, however it drifts: no panic, and what leaves is valid JSON.
func FuzzCallAnswer(f *testing.F) {
	f.Add(`{"id":"c","status":"ended","endedReason":"customer-busy","artifact":{"messages":[{"role":"user","message":"hi"}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w, err := decodeCall([]byte(body))
		if err != nil {
			return
		}
		c, _ := w.call()
		if c.ID == "" || c.Status == "" || (c.Status == provider.StatusEnded) != (c.Outcome != "") || !json.Valid(c.Raw) {
			t.Errorf("%q: %+v, raw %s", body, c, c.Raw)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Errorf("%q: no row can hold it: %v", body, err)
		}
	})
}

// A list, whole or cut off: what was read of it has ids.
func FuzzListAnswer(f *testing.F) {
	f.Add(`[{"id":"a","createdAt":"2026-03-26T15:43:16.145Z"},{"id":"b"}]`)
	f.Add(`[{"id":"a"},{"id":`)
	f.Fuzz(func(t *testing.T, body string) {
		page, whole, err := decodePage(strings.NewReader(body))
		if whole == (err != nil) {
			t.Errorf("%q: whole %v, %v", body, whole, err)
		}
		for _, w := range page {
			if w.ID == "" {
				t.Errorf("%q: a call without an id", body)
			}
		}
	})
}
