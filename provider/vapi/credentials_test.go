package vapi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func mac(h func() hash.Hash, key, timestamp, body string) string {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(timestamp + "." + body))
	return hex.EncodeToString(m.Sum(nil))
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

func TestHMACForgeries(t *testing.T) {
	const key, other = "canary-hmac-key", "canary-other-key"
	i := new(inbox)
	var log buffer
	h := webhooks(t, i, func(c *WebhookConfig) {
		c.Secret, c.HMAC, c.Logger = "", &HMAC{Secret: key}, slog.New(slog.NewTextHandler(&log, nil))
	})
	now := unix(time.Now())
	header := func(signature, timestamp string) http.Header {
		return http.Header{"X-Signature": {signature}, "X-Timestamp": {timestamp}}
	}
	good := mac(sha256.New, key, now, ringing)
	at := func(d time.Duration) http.Header {
		ts := unix(time.Now().Add(d))
		return header(mac(sha256.New, key, ts, ringing), ts)
	}
	forgeries := []struct {
		name, body string
		header     http.Header
	}{
		{"none", ringing, nil},
		{"empty", ringing, header("", now)},
		{"wrong", ringing, header(strings.Repeat("0", 64), now)},
		{"another key", ringing, header(mac(sha256.New, other, now, ringing), now)},
		{"right, in the wrong header", ringing, http.Header{"X-Vapi-Signature": {good}, "X-Timestamp": {now}}},
		{"the key itself", ringing, http.Header{"X-Vapi-Secret": {key}}},
		{"body changed by a byte", strings.Replace(ringing, "t/1", "t/2", 1), header(good, now)},
		{"body encoded again", strings.ReplaceAll(ringing, ":", ": "), header(good, now)},
		{"signature of another body", over, header(good, now)},
		{"two signatures", ringing, http.Header{"X-Signature": {good, good}, "X-Timestamp": {now}}},
		{"two times", ringing, http.Header{"X-Signature": {good}, "X-Timestamp": {now, now}}},
		{"odd digits", ringing, header(good[1:], now)},
		{"upper-case digits", ringing, header(strings.ToUpper(good), now)},
		{"not digits", ringing, header(strings.Repeat("z", 64), now)},
		{"a weaker algorithm", ringing, header(mac(sha512.New, key, now, ringing)[:40], now)},
		{"another algorithm", ringing, header(mac(sha512.New, key, now, ringing), now)},
		{"a prefix", ringing, header("sha256="+good, now)},
		{"no time", ringing, http.Header{"X-Signature": {good}}},
		{"time moved", ringing, header(good, unix(time.Now().Add(time.Second)))},
		{"time not a number", ringing, header(mac(sha256.New, key, "now", ringing), "now")},
		{"time signed", ringing, header(mac(sha256.New, key, "+"+now[1:], ringing), "+"+now[1:])},
		{"time too long", ringing, header(mac(sha256.New, key, now+"0", ringing), now+"0")},
		{"old", ringing, at(-6 * time.Minute)},
		{"a replay of yesterday's", ringing, at(-24 * time.Hour)},
		{"future", ringing, at(6 * time.Minute)},
	}
	for _, f := range forgeries {
		if code := post(h, f.body, f.header); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", f.name, code)
		}
	}
	if len(i.events) != 0 || len(i.notices) != len(forgeries) {
		t.Errorf("%d events, %d notices for %d forgeries", len(i.events), len(i.notices), len(forgeries))
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for _, line := range lines {
		if strings.Contains(line, "canary") || strings.Contains(line, good) || len(line) > 200 {
			t.Errorf("the log says %s", line)
		}
	}
	if lines[0] == "" || len(lines) > len(forgeries) { // at most one a second
		t.Errorf("%d lines for %d forgeries", len(lines), len(forgeries))
	}
	ms := millis(time.Now())
	for _, genuine := range []http.Header{header(good, now), at(-4 * time.Minute), header(mac(sha256.New, key, ms, ringing), ms)} {
		if code := post(h, ringing, genuine); code != http.StatusNoContent {
			t.Errorf("a genuine one: %d", code)
		}
	}
	if len(i.events) != 3 {
		t.Errorf("%d events", len(i.events))
	}
}

func TestHMACSettings(t *testing.T) {
	i := new(inbox)
	h := webhooks(t, i, func(c *WebhookConfig) {
		c.Secret = ""
		c.HMAC = &HMAC{Secret: "k", Header: "x-sig", TimestampHeader: "x-at", Prefix: "v1=", Algorithm: "sha512", Window: time.Hour}
	})
	ts := unix(time.Now().Add(-30 * time.Minute))
	if code := post(h, ringing, http.Header{"X-Sig": {"v1=" + mac(sha512.New, "k", ts, ringing)}, "X-At": {ts}}); code != 204 || len(i.events) != 1 {
		t.Errorf("%d, %d events", code, len(i.events))
	}
	for want, m := range map[string]HMAC{"Secret": {}, "Algorithm": {Secret: "k", Algorithm: "md5"}, "Window": {Secret: "k", Window: -1}} {
		if _, err := WebhookHandler(WebhookConfig{HMAC: &m}, i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	for _, v := range []any{HMAC{Secret: "canary"}, &HMAC{Secret: "canary"}, Bearer{Token: "canary"}, WebhookConfig{HMAC: &HMAC{Secret: "canary"}, Bearer: &Bearer{Token: "canary"}}} {
		if s := fmt.Sprintf("%v %+v %#v %s", v, v, v, v); strings.Contains(s, "canary") {
			t.Errorf("%T prints %s", v, s)
		}
	}
}

func TestBearer(t *testing.T) {
	i := new(inbox)
	h := webhooks(t, i, func(c *WebhookConfig) { c.Secret, c.Bearer = "", &Bearer{Token: "tok"} })
	for _, header := range []http.Header{
		nil, {"Authorization": {"tok"}}, {"Authorization": {"bearer tok"}}, {"Authorization": {"Bearer tok2"}}, {"Authorization": {"Bearer "}},
		{"Authorization": {"Bearer tok", "Bearer tok"}}, {"X-Vapi-Secret": {"tok"}},
	} {
		if code := post(h, ringing, header); code != 401 {
			t.Errorf("%v: %d", header, code)
		}
	}
	if code := post(h, ringing, http.Header{"Authorization": {"Bearer tok"}}); code != 204 || len(i.events) != 1 {
		t.Errorf("%d, %d events", code, len(i.events))
	}
	named := webhooks(t, i, func(c *WebhookConfig) { c.Secret, c.Bearer = "", &Bearer{Token: "tok", Header: "X-Token"} })
	if code := post(named, ringing, http.Header{"X-Token": {"tok"}}); code != 204 {
		t.Errorf("in a header of its own: %d", code)
	}
	bare := webhooks(t, i, func(c *WebhookConfig) { c.Secret, c.Bearer = "", &Bearer{Token: "tok", NoPrefix: true} })
	for value, want := range map[string]int{"tok": 204, "Bearer tok": 401, " tok": 401} {
		if code := post(bare, ringing, http.Header{"Authorization": {value}}); code != want {
			t.Errorf("without a prefix, %q: %d", value, code)
		}
	}
	if _, err := WebhookHandler(WebhookConfig{Bearer: &Bearer{Token: "tok", Prefix: "Token ", NoPrefix: true}}, i); err == nil || !strings.Contains(err.Error(), "NoPrefix") {
		t.Errorf("both: %v", err)
	}
	if _, err := WebhookHandler(WebhookConfig{Bearer: &Bearer{}}, i); err == nil || !strings.Contains(err.Error(), "Token") {
		t.Errorf("got %v", err)
	}
}

// Two accounts are two handlers; neither takes the other's webhooks.
func TestTwoAccounts(t *testing.T) {
	a, b := new(inbox), new(inbox)
	ha := webhooks(t, a, func(c *WebhookConfig) { c.Provider, c.Secret = "vapi-a", "secret-a" })
	hb := webhooks(t, b, func(c *WebhookConfig) { c.Provider, c.Secret = "vapi-b", "secret-b" })
	of := func(secret string) http.Header { return http.Header{"X-Vapi-Secret": {secret}} }
	if x, y := post(ha, ringing, of("secret-b")), post(hb, ringing, of("secret-a")); x != 401 || y != 401 {
		t.Errorf("crossed: %d, %d", x, y)
	}
	if x, y := post(ha, ringing, of("secret-a")), post(hb, ringing, of("secret-b")); x != 204 || y != 204 {
		t.Errorf("own: %d, %d", x, y)
	}
	if len(a.events) != 1 || len(b.events) != 1 || a.events[0].Provider != "vapi-a" || b.events[0].Provider != "vapi-b" {
		t.Errorf("a %+v, b %+v", a.events, b.events)
	}
}

func TestMaxAge(t *testing.T) {
	i := new(inbox)
	h := webhooks(t, i, func(c *WebhookConfig) { c.MaxAge = time.Hour })
	at := func(ms string) string { return strings.Replace(ringing, "1774539800000", ms, 1) }
	for body, want := range map[string]int{
		ringing: 401, at("0"): 401, at(millis(time.Now().Add(2 * time.Hour))): 401, at(millis(time.Now())): 204,
	} {
		if code := post(h, body, signed); code != want {
			t.Errorf("%s: %d", body, code)
		}
	}
	if len(i.events) != 1 {
		t.Errorf("%d events", len(i.events))
	}
}

// An event without a task is counted, young or old.
func TestStrayEvents(t *testing.T) {
	i := &inbox{err: provider.ErrUnknownCall}
	h := webhooks(t, i)
	young := strings.Replace(ringing, "1774539800000", millis(time.Now()), 1)
	if old, fresh := post(h, ringing, signed), post(h, young, signed); old != 204 || fresh != 503 {
		t.Errorf("%d, %d", old, fresh)
	}
	want := provider.Notice{Kind: provider.NoticeStrayEvent, Provider: "vapi", TaskID: "t", Key: "t/1", N: 1}
	if len(i.notices) != 2 || i.notices[0] != want {
		t.Errorf("got %+v", i.notices)
	}
}

// Secrets that webhooks were seen to carry go nowhere.
func TestWebhookSecretsStayOut(t *testing.T) {
	i := new(inbox)
	var log buffer
	h := webhooks(t, i, func(c *WebhookConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	body := `{"message":{"type":"end-of-call-report","timestamp":1774539800000,"endedReason":"brand-new Bearer canary-1","artifact":{"transcript":"AI: Hi","presignedMonoUrl":"https://x/?sig=canary-2"},
		"phoneNumber":{"number":"+14155550199","twilioAuthToken":"canary-3","twilioApiSecret":"canary-4"},
		"call":{"id":"c","monitor":{"controlUrl":"https://x/canary-5","listenUrl":"wss://canary-6"},"assistant":{"server":{"secret":"canary-7"}},
		"assistantOverrides":{"metadata":{"voice_key":"t/1"},"server":{"headers":{"X-Vapi-Secret":"canary-8"}}},"phoneNumber":{"twilioAuthToken":"canary-9"}}}}`
	if code := post(h, body, signed); code != 204 || len(i.events) != 1 {
		t.Fatalf("%d, %d events", code, len(i.events))
	}
	if all := fmt.Sprintf("%+v %s %s", i.events[0], i.events[0].Call.Raw, log.String()); strings.Contains(all, "canary") || i.events[0].Call.Transcript != "AI: Hi" {
		t.Errorf("got %s", all)
	}
	refused := webhooks(t, i, func(c *WebhookConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)); c.Secret = "x" })
	if code := post(refused, body, signed); code != 401 || strings.Contains(log.String(), "canary") {
		t.Errorf("%d: %s", code, log.String())
	}
}

// A body that trickles is cut off, and holds nothing.
func TestSlowBody(t *testing.T) {
	t.Parallel() // it takes the ten seconds that a sender has
	i := new(inbox)
	srv := httptest.NewServer(webhooks(t, i))
	defer srv.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	began := time.Now()
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Vapi-Secret: %s\r\nContent-Length: 100000\r\n\r\n{", secret); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // owned by stop, and by the connection's end
		for ctx.Err() == nil {
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	answer, _ := io.ReadAll(conn)
	if !bytes.Contains(answer, []byte("408")) && !bytes.Contains(answer, []byte("Connection: close")) && len(answer) > 0 {
		t.Errorf("got %s", answer)
	}
	if took := time.Since(began); took > 50*time.Second || len(i.events) != 0 {
		t.Errorf("took %s, %d events", took, len(i.events))
	}
	t.Logf("cut off after %s: %.40q", time.Since(began).Round(time.Second), answer)
}
