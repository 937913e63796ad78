package livekit

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
)

// A date that JSON cannot hold would keep a call from being stored, for ever.
func TestDatesBeyondWriting(t *testing.T) {
	for _, seconds := range []string{"253402300800", "9223372036854775807", "-62167219201", "-9223372036854775808"} {
		body := `{"event":"participant_left","room":{"name":"r","creationTime":"` + seconds + `","metadata":"{\"voice_key\":\"t/1\"}"},` +
			`"participant":{"kind":"SIP","joinedAt":` + seconds + `,"attributes":{"voice.key":"t/1","sip.callStatus":"hangup","lk.sip.answerTime":"` + seconds + `000"},"disconnectReason":"CLIENT_INITIATED"},"id":"EV_1","createdAt":"` + seconds + `"}`
		var got []provider.Event
		h := receiver(t, WebhookConfig{}, func(e provider.Event) error { got = append(got, e); return nil })
		if code := post(h, signed(body), body); code != 204 || len(got) != 1 || got[0].Call.Outcome != provider.OutcomeCompleted {
			t.Fatalf("%s: %d, %+v", seconds, code, got)
		}
		if _, err := json.Marshal(got[0]); err != nil {
			t.Errorf("%s: %v", seconds, err)
		}
	}
	var last wireTime
	if err := json.Unmarshal([]byte("253402300799"), &last); err != nil || last.Year() != 9999 {
		t.Errorf("the last date of all is %v, %v", last, err)
	}
	if p := (participant{Attributes: map[string]string{attrAnswered: "1795435210000"}}); p.answerTime().Year() != 2026 {
		t.Errorf("answered %v", p.answerTime())
	}
}

// A hook of the host's that panics costs its own work, not the process.
func TestHooksThatPanic(t *testing.T) {
	w := newWorld(t, worldConfig{pace: untilPickUp})
	req := request("t/1")
	asked := make(chan struct{}, 1)
	req.OnPlaced = func(provider.Call) error {
		asked <- struct{}{}
		w.net.PickUp()
		panic("+15550100099")
	}
	if c := w.place(t, req); c.Status != provider.StatusInProgress {
		t.Errorf("got %+v", c)
	}
	if len(asked) != 1 {
		t.Error("OnPlaced was not called: nothing was tested")
	}
	w.onlyOneDial(t, 1)

	w = newWorld(t, worldConfig{cfg: Config{SIP: func(context.Context, provider.Request) (SIPOptions, error) { panic("+15550100099") }}})
	_, err := w.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindInvalidRequest)
	if err == nil || strings.Contains(err.Error(), "0100099") || w.net.Rings("") != 0 {
		t.Errorf("got %v, %d rings", err, w.net.Rings(""))
	}
}
