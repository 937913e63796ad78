package vapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakevapi"
	"github.com/superservices/voice/provider"
)

func TestEnd(t *testing.T) {
	f := newPlatform(t, func(c *fakevapi.Config) { c.Second, c.RingLimit = time.Second, time.Minute }) // none ends by itself
	p := f.provider(t)
	for _, number := range []string{endless, silent} {
		c, err := p.Place(t.Context(), request("end"+number+"/1", number))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "a ring", func() bool { return f.net.Rings(number) == 1 })
		if err := p.End(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		if end := ended(t, p, c.ID); end.Outcome != provider.OutcomeCancelled {
			t.Errorf("%s: got %+v", number, end)
		}
		if err := p.End(t.Context(), c.ID); err != nil {
			t.Errorf("End of a call that has ended: %v", err)
		}
	}
	if f.net.Live() != 0 {
		t.Errorf("%d legs live on", f.net.Live())
	}
	if err := p.End(t.Context(), "019d2ad0-6eb1-7aac-9377-0000000000ff"); err != nil {
		t.Errorf("End of an unknown call: %v", err)
	}
	for _, id := range []provider.CallID{"", "..", ".", "a/b", "a?b", "a#b", "a%2fb", `a\b`} {
		if err := p.End(t.Context(), id); !errors.Is(err, provider.ErrInvalidRequest) {
			t.Errorf("End(%q) = %v", id, err)
		}
	}
}

// A call that was put off is deleted; it must never ring.
func TestEndScheduled(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	f.Inject(fakevapi.Fault{Kind: fakevapi.Schedule})
	c, err := p.Place(t.Context(), request("later/1", answers))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.End(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if end := ended(t, p, c.ID); end.Outcome != provider.OutcomeCancelled || !end.NoSpeech {
		t.Errorf("got %+v", end)
	}
	if f.Release(string(c.ID)) {
		t.Error("it can still be dialled")
	}
}

// endsAt is a platform whose only call shows the given JSON; it counts what is
// sent besides GET.
func endsAt(t *testing.T, call func(base string) string, control http.HandlerFunc) (p *Provider, posts, deletes *int) {
	t.Helper()
	posts, deletes = new(int), new(int)
	var base string
	base = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			_, _ = w.Write([]byte(call(base)))
		case http.MethodDelete:
			*deletes++
		default:
			*posts++
			if r.Header.Get("Authorization") != "" {
				t.Error("the control URL got the account's token")
			}
			control(w, r)
		}
	})
	return newProvider(t, func(c *Config) { c.BaseURL = base }), posts, deletes
}

func TestEndWithout(t *testing.T) {
	for name, c := range map[string]struct {
		call           string
		want           error
		posts, deletes int
	}{
		"angle brackets":     {`{"id":"a","status":"in-progress","monitor":{"controlUrl":"<%s/control>"}}`, nil, 1, 0},
		"ringing":            {`{"id":"a","status":"ringing","monitor":{"controlUrl":"%s/control"}}`, nil, 1, 0},
		"unknown status":     {`{"id":"a","status":"dreaming","monitor":{"controlUrl":"%s/control"}}`, nil, 1, 0},
		"no control URL":     {`{"id":"a","status":"in-progress"}`, provider.ErrUnsupported, 0, 0},
		"no control URL yet": {`{"id":"a","status":"queued"}`, provider.ErrUnavailable, 0, 0},
		// DELETE erases the record of such a call, and is not known to stop it.
		"blocked, queued":    {`{"id":"a","status":"queued","subscriptionLimits":{"concurrencyBlocked":true}}`, provider.ErrUnavailable, 0, 0},
		"blocked, with URL":  {`{"id":"a","status":"queued","subscriptionLimits":{"concurrencyBlocked":true},"monitor":{"controlUrl":"%s/control"}}`, nil, 1, 0},
		"blocked, scheduled": {`{"id":"a","status":"scheduled","subscriptionLimits":{"concurrencyBlocked":true}}`, nil, 0, 1},
		"scheduled":          {`{"id":"a","status":"scheduled","monitor":{"controlUrl":"%s/control"}}`, nil, 0, 1},
		"ended":              {`{"id":"a","status":"ended","monitor":{"controlUrl":"%s/control"}}`, nil, 0, 0},
		"elsewhere":          {`{"id":"a","status":"ringing","monitor":{"controlUrl":"http://example.invalid/control"}}`, provider.ErrRejected, 0, 0},
		"not http":           {`{"id":"a","status":"ringing","monitor":{"controlUrl":"file:///etc/passwd"}}`, provider.ErrRejected, 0, 0},
		"another call":       {`{"id":"b","status":"ended"}`, provider.ErrUnavailable, 0, 0},
		"no JSON":            {`<html>`, provider.ErrUnavailable, 0, 0},
	} {
		p, posts, deletes := endsAt(t, func(base string) string {
			if strings.Contains(c.call, "%s") {
				return fmt.Sprintf(c.call, base)
			}
			return c.call
		}, func(http.ResponseWriter, *http.Request) {})
		err := p.End(t.Context(), "a")
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if *posts != c.posts || *deletes != c.deletes {
			t.Errorf("%s: %d POSTs and %d DELETEs", name, *posts, *deletes)
		}
	}
}

// The control URL closes with its call; only the call's own word counts.
func TestEndControlGone(t *testing.T) {
	for after, want := range map[string]error{"ended": nil, "in-progress": provider.ErrUnavailable} {
		gone := false
		p, _, _ := endsAt(t, func(base string) string {
			status := "in-progress"
			if gone {
				status = after
			}
			return fmt.Sprintf(`{"id":"a","status":%q,"monitor":{"controlUrl":"%s/canary-control"}}`, status, base)
		}, func(w http.ResponseWriter, _ *http.Request) {
			gone = true
			w.WriteHeader(http.StatusNotFound)
		})
		err := p.End(t.Context(), "a")
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", after, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error holds the control URL: %v", err)
		}
	}
}

func TestControlURL(t *testing.T) {
	public := newProvider(t)
	local := newProvider(t, func(c *Config) { c.BaseURL = "http://127.0.0.1:8080" })
	for _, c := range []struct {
		p    *Provider
		url  string
		want bool
	}{
		{public, "https://phone-call-websocket.aws-us-west-2-backend-production1.vapi.ai/x/control", true},
		{public, "<https://phone-call-websocket.vapi.ai/x/control>", true},
		{public, "https://api.vapi.ai/x/control", true},
		{public, "http://phone-call-websocket.vapi.ai/x/control", false},
		{public, "http://127.0.0.1/x", false},
		{public, "https://127.0.0.1/x", false},
		{public, "https://localhost/x", false},
		{public, "https://10.0.0.1/x", false},
		{public, "https://169.254.169.254/x", false},
		{public, "https://[fd00::1]/x", false},
		{public, "https://[::ffff:10.0.0.1]/x", false},
		{public, "https://0.0.0.0/x", false},
		{public, "https://user:pass@phone.vapi.ai/x", false},
		{public, "//phone.vapi.ai/x", false},
		{public, "", false},
		{local, "http://127.0.0.1:8080/x", true},
		{local, "http://localhost:9/x", true},
		{local, "http://10.0.0.1/x", false},
		{local, "https://phone.vapi.ai/x", true},
		{local, "ftp://127.0.0.1/x", false},
	} {
		if _, err := c.p.controlURL(c.url); (err == nil) != c.want {
			t.Errorf("%s at %s: %v, want %v", c.url, c.p.cfg.BaseURL, err, c.want)
		}
	}
}
