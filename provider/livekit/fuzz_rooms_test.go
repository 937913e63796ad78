package livekit

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// canned answers every request alike.
type canned struct {
	status int
	body   string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Status: http.StatusText(c.status), Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Retry-After": {"3"}}, Body: io.NopCloser(strings.NewReader(c.body)), ContentLength: -1,
	}, nil
}

// platformOf is a Provider whose every look is answered so.
func platformOf(t *testing.T, c canned) *Provider {
	t.Helper()
	cfg := valid()
	cfg.GoneAfter, cfg.AgentGone, cfg.AgentName, cfg.AgentWait = time.Nanosecond, time.Nanosecond, "agent", time.Nanosecond
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.api.reader = vendorhttp.NewReader("livekit", &http.Client{Transport: c})
	return p
}

// Whatever LiveKit, or something in its place, answers to CreateRoom, ListRooms,
// ListParticipants and DeleteRoom: no panic, an error with a kind that is not the
// dial's, nothing of a foreign message in it, and calls that can be written down.
func FuzzRoomAnswers(f *testing.F) {
	const metadata = `"metadata":"{\"voice_key\":\"t/1\",\"voice_answered_at\":\"2026-11-23T10:00:00Z\"}"`
	room := derivedRoom("t/1")
	f.Add(200, `{"name":"`+room+`","sid":"RM_1","creation_time":"1700000000",`+metadata+`}`)
	f.Add(200, `{"rooms":[{"name":"`+room+`","creation_time":"253402300800",`+metadata+`}]}`)
	f.Add(200, `{"participants":[{"identity":"`+identityFor("t/1")+`","kind":"SIP","joined_at":"1","attributes":{"sip.callStatus":"active","voice.key":"t/1"}},{"kind":"AGENT","state":"ACTIVE"}],"rooms":[{"name":"`+room+`",`+metadata+`}]}`)
	f.Add(200, `{"participants":[{"identity":"`+identityFor("t/1")+`","kind":"SIP","attributes":{"sip.callStatus":"hangup"}}]}`)
	f.Add(404, `{"code":"not_found","msg":"canary-message","meta":{"k":"v"}}`)
	f.Add(429, `{"code":"resource_exhausted","msg":"canary-message"}`)
	f.Add(412, `{"code":"failed_precondition","msg":{"canary-message":1}}`)
	f.Add(502, `<html>canary-message`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return // net/http gives no others as an answer
		}
		p := platformOf(t, canned{status, body})
		r := ref{room: room, identity: identityFor("t/1")}
		check := func(op string, err error) {
			var e *provider.Error
			switch {
			case err == nil:
				return
			case !errors.As(err, &e) || e.Op != op || !e.Kind.NotPlaced():
				t.Errorf("%s: %#v", op, err)
			case strings.Contains(err.Error(), "canary-message"):
				t.Errorf("%s repeats what it was told: %v", op, err)
			}
		}
		writable := func(c provider.Call) {
			if _, err := json.Marshal(c); err != nil {
				t.Errorf("%q: %v", body, err)
			}
			if (c.Status == provider.StatusEnded) != (c.Outcome != "") {
				t.Errorf("%q: %+v", body, c)
			}
		}
		made, err := p.createRoom(t.Context(), dial{ref: r, key: "t/1"})
		check("place", err)
		if err == nil && p.notInUse(made, "t/1") == nil {
			_ = made.dataOf(r)
		}
		if _, err := p.ready(t.Context(), r); !errors.Is(err, &provider.Error{Kind: provider.KindOutcomeUnknown, Code: codeCalleePresent}) {
			check("place", err)
		}
		c, err := p.Get(t.Context(), r.id())
		check("get", err)
		writable(c)
		c, err = p.Find(t.Context(), "t/1", time.Time{})
		check("find", err)
		writable(c)
		err = p.End(t.Context(), r.id())
		check("end", err)
		if e, ours := twirpErrorOf([]byte(body)); err == nil && status != 200 && (!ours || e.Code != codeNotFound) {
			t.Errorf("%d %q counts as ended", status, body)
		}
	})
}

// What LiveKit says beside its code is never kept, and a code that it does not have
// is not LiveKit's.
func FuzzTwirpError(f *testing.F) {
	f.Add([]byte(`{"code":"unavailable","msg":"twirp error unknown: no response from servers"}`))
	f.Add([]byte(`{"code":"resource_exhausted","msg":"INVITE failed: sip status: 486","meta":{"sip_status_code":"486"}}`))
	f.Add([]byte(`{"code":"not_found","msg":7,"meta":{"a":"b"}}`))
	f.Add([]byte(`{"code":"unavailable","meta":{"a":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, ok := twirpErrorOf(body)
		if !ok {
			if e.Code != "" || len(e.Meta) > 0 || e.invited || e.nobodyTook {
				t.Errorf("%q: %+v", body, e)
			}
			return
		}
		if kindOfCode[e.Code] == "" || !json.Valid(body) {
			t.Errorf("%q: %+v", body, e)
		}
		// What proves that nobody was rung: a code on the list, and no word of an INVITE.
		v := judge(vendorhttp.Reply{Status: 400, Body: body})
		if v.kind.NotPlaced() && (e.invited || e.Code == "resource_exhausted" || e.Code == "permission_denied" || e.Code == "unavailable" && !e.nobodyTook) {
			t.Errorf("%q: %+v", body, v)
		}
	})
}
