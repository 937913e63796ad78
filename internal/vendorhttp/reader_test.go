package vendorhttp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func TestReaderFollowsNoRedirect(t *testing.T) {
	followed := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed = true
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer srv.Close()
	for _, host := range []*http.Client{nil, {}, {CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}} {
		reply, err := NewReader("acme", host).Do(t.Context(), Request{Op: "get", Method: http.MethodGet, URL: srv.URL})
		if err != nil || reply.Status != http.StatusFound || followed {
			t.Errorf("got %d, %v, followed %v", reply.Status, err, followed)
		}
	}
}

func TestReaderErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer srv.Close()
	r := NewReader("acme", nil)
	for name, c := range map[string]struct {
		method, url string
		want        error
	}{
		"get lost":     {http.MethodGet, srv.URL, provider.ErrUnavailable},
		"post lost":    {http.MethodPost, srv.URL, provider.ErrOutcomeUnknown},
		"post refused": {http.MethodPost, "http://127.0.0.1:1/secret", provider.ErrUnavailable},
		"bad URL":      {http.MethodGet, "http://\x7f/secret", provider.ErrInvalidRequest},
	} {
		_, err := r.Do(t.Context(), Request{Op: "end", Method: c.method, URL: c.url})
		var e *provider.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Op != "end" || e.Provider != "acme" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestKindOfRead(t *testing.T) {
	for status, want := range map[int]provider.Kind{
		200: "", 204: "", 301: provider.KindUnavailable, 400: provider.KindInvalidRequest, 401: provider.KindUnauthenticated,
		404: provider.KindNotFound, 408: provider.KindUnavailable, 429: provider.KindRateLimited, 502: provider.KindUnavailable,
	} {
		if got := KindOfRead(status); got != want {
			t.Errorf("%d: got %q, want %q", status, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after, reset string
		want         time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"-5", "", 0}, {"2", "", 2 * time.Second}, {" 1.5 ", "", 1500 * time.Millisecond},
		{"86400", "", time.Hour}, {"1e300", "", time.Hour}, {"Inf", "", time.Hour}, {"NaN", "", 0}, {"soon", "", 0},
		{"99999999999999999999", "", time.Hour},
		{"Mon, 23 Nov 2026 12:00:30 GMT", "", 30 * time.Second}, {"Mon, 23 Nov 2026 11:00:00 GMT", "", 0},
		{"Tue, 23 Nov 2027 12:00:00 GMT", "", time.Hour},
		{"", "7", 7 * time.Second}, {"", "1795435210", 10 * time.Second}, {"", "1795435210000", 10 * time.Second},
		{"3", "7", 3 * time.Second},
	} {
		h := http.Header{}
		h.Set("Retry-After", c.after)
		h.Set("X-RateLimit-Reset", c.reset)
		if got := RetryAfter(h, now); got != c.want {
			t.Errorf("Retry-After %q, X-RateLimit-Reset %q: got %v, want %v", c.after, c.reset, got, c.want)
		}
	}
}

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, 400":                      "plain text, 400",
		"call +14155550100 now":                "call [number] now",
		"call +1 (415) 555-0100.":              "call [number].",
		"from 4155550100":                      "from [number]",
		"dial tcp 127.0.0.1:8080: refused":     "dial tcp 127.0.0.1:8080: refused",
		"see https://u:p@x.example/a?k=1 ok":   "see [url] ok",
		"to sip:bob@example.org":               "to [url]",
		"Authorization: Bearer abc.def":        "Authorization: [credential]",
		"line\r\nbreak\x1b[31m \u202egnp.exe":  "line  break [31m  gnp.exe",
		"hello Anna Muster":                    "hello [private]",
		strings.Repeat("ä", 200):               strings.Repeat("ä", 150) + "...",
		"bad \xff byte":                        "bad ? byte",
		"wss://phone.example/0190/listen gone": "[url] gone",
	} {
		if got := Scrub(in, "Anna Muster", "", "l"); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestParseURL(t *testing.T) {
	for raw, loopback := range map[string]bool{
		"https://api.vapi.ai": false, "https://api.vapi.ai/v1/": false, "http://localhost:1": true,
		"http://127.0.0.1": true, "http://[::1]:80": true, "http://127.1.2.3": true, "https://localhost.evil.example": false,
	} {
		u, err := ParseURL(raw)
		if err != nil || IsLoopback(u) != loopback || strings.HasSuffix(u.String(), "/") {
			t.Errorf("%s: got %v, %v", raw, u, err)
		}
	}
	for _, raw := range []string{"", "api.vapi.ai", "ftp://x", "https://", "https://u:secret@x", "https://x?secret", "https://x#secret", "secret\x7f", "https://:443"} {
		if u, err := ParseURL(raw); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, %v", raw, u, err)
		}
	}
}
