package livekit

import (
	"encoding/json"
	"testing"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// A signed body may still be anything: no panic, a known answer, whole events.
func FuzzWebhook(f *testing.F) {
	f.Add(`{"event":"participant_left","room":{"name":"r"},"participant":{"kind":"SIP","attributes":{"voice.key":"t/1"},"disconnectReason":"USER_REJECTED"},"id":"EV","createdAt":"1700000000"}`)
	f.Add(`{"event":"egress_ended","egressInfo":{"roomName":"voice-t-1-0123456789abcdef0123","status":"EGRESS_COMPLETE","fileResults":[{"location":"https://x"}]}}`)
	f.Add(`{"event":"voice.result","result":{"key":"t/1","room_name":"r","outcome":"voicemail"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		var got []provider.Event
		h := receiver(t, WebhookConfig{HoldBack: -1}, func(e provider.Event) error { got = append(got, e); return nil })
		if code := post(h, signed(body), body); code != 204 && code != 400 {
			t.Errorf("%q: %d", body, code)
		}
		for _, e := range got {
			if e.Call.ID == "" || (e.Call.Status == provider.StatusEnded) != (e.Call.Outcome != "") {
				t.Errorf("%q: %+v", body, e)
			}
		}
	})
}

// Whatever is answered to the dial: a verdict says one thing, and only LiveKit's own
// words or its 401 prove that nobody was rung.
func FuzzDialAnswer(f *testing.F) {
	f.Add(429, `{"code":"resource_exhausted","meta":{"sip_status_code":"486"}}`)
	f.Add(408, `{"code":"canceled"}`)
	f.Add(502, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		reply := vendorhttp.Reply{Status: status, Body: []byte(body)}
		for _, v := range []verdict{judge(reply), judgeRoom(reply, false), judgeRoom(reply, true)} {
			said := 0
			for _, is := range []bool{v.outcome != "", v.kind != "", v.cancelled} {
				if is {
					said++
				}
			}
			if said != 1 {
				t.Errorf("%d %q: %+v", status, body, v)
			}
		}
		v := judge(reply)
		if _, ours := twirpErrorOf(reply.Body); v.kind.NotPlaced() && !ours && status != 401 {
			t.Errorf("%d %q: %+v from somebody else's words", status, body, v)
		}
	})
}

// A list of participants, in either spelling and however broken.
func FuzzParticipants(f *testing.F) {
	f.Add(`[{"identity":"phone-1","kind":"SIP","attributes":{"sip.callStatus":"active","voice.key":"t/1"},"joinedAt":"1"}]`)
	f.Add(`[{"kind":"AGENT","metadata":"{\"voice.transcript\":[{\"role\":\"user\",\"content\":[\"hi\"]}]}"}]`)
	f.Fuzz(func(t *testing.T, body string) {
		var ps []participant
		if json.Unmarshal([]byte(body), &ps) != nil {
			return
		}
		for _, p := range ps {
			c := snapshot(ref{"r", "phone-1"}, p)
			report(&c, ps, &room{Metadata: p.Metadata})
			if c.Status == "" || c.ID == "" {
				t.Errorf("%q: %+v", body, c)
			}
			_ = endOf(string(p.DisconnectReason), p.answered())
		}
		if out := raw(nil, ps...); len(ps) > 0 && !json.Valid(out) {
			t.Errorf("%q: raw is %q", body, out)
		}
	})
}
