package vendorhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func placer(t *testing.T, host *http.Client) *Placer {
	t.Helper()
	p, err := NewPlacer("acme", host)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPostSendsOnce(t *testing.T) {
	var got []*http.Request
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"a":1}` || r.ContentLength != 7 {
			t.Errorf("body %q, length %d", body, r.ContentLength)
		}
		got = append(got, r)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	h := http.Header{"Idempotency-Key": {"k"}, "Authorization": {"Bearer t"}}
	reply, err := placer(t, srv.Client()).Post(t.Context(), Send{URL: srv.URL, Header: h, Body: []byte(`{"a":1}`)})
	if err != nil || reply.Status != 200 {
		t.Fatalf("got %+v, %v", reply, err)
	}
	switch r := got[0]; {
	case len(got) != 1:
		t.Errorf("%d requests", len(got))
	case r.ProtoMajor != 1:
		t.Errorf("protocol %s: HTTP/2 sends again by itself", r.Proto)
	case r.Header.Get("Idempotency-Key") != "" || h.Get("Idempotency-Key") == "":
		t.Error("Idempotency-Key was sent, or taken from the caller's header")
	case !r.Close:
		t.Error("the connection was meant to live on")
	}
}

// A connection used before that closes unanswered is where Go's Transport sends
// a request a second time.
func TestPostNeverUsesAConnectionTwice(t *testing.T) {
	var posts, conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if posts.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	p := placer(t, nil)
	send := Send{URL: srv.URL, Header: http.Header{"Idempotency-Key": {"k"}}, Body: []byte("x")}
	if _, err := p.Post(t.Context(), send); err != nil {
		t.Fatal(err)
	}
	_, err := p.Post(t.Context(), send)
	if provider.KindOf(err) != provider.KindOutcomeUnknown {
		t.Errorf("got %v, want outcome_unknown", err)
	}
	if posts.Load() != 2 || conns.Load() != 2 {
		t.Errorf("%d POSTs on %d connections, want 2 on 2", posts.Load(), conns.Load())
	}
}

func TestPostFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var n atomic.Int32
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			http.Redirect(w, r, "/again", status)
		}))
		reply, err := placer(t, nil).Post(t.Context(), Send{URL: srv.URL, Body: []byte("x")})
		srv.Close()
		if err != nil || reply.Status != status || n.Load() != 1 {
			t.Errorf("%d: got %d, %v after %d requests", status, reply.Status, err, n.Load())
		}
	}
}

// heldUp is longer than a busy machine stands still. Where it is the limit of a send, the
// time itself is what is tested.
const heldUp = 4 * time.Second

// direct is a host's client without a proxy, whatever the environment says.
func direct() *http.Client { return &http.Client{Transport: &http.Transport{}} }

// silent accepts connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return ln.Addr().String()
}

func TestPostKnowsWhatWasNotSent(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	defer stranger.Close()
	stranger.Config.ErrorLog = nil
	const closed = "127.0.0.1:1" // one that was free a moment ago may be taken again
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	for name, c := range map[string]struct {
		ctx  context.Context
		send Send
		is   error
	}{
		"refused":           {send: Send{URL: "http://" + closed}},
		"no such host":      {send: Send{URL: "http://nowhere.invalid"}},
		"handshake stalls":  {send: Send{URL: "https://" + silent(t), Connect: time.Second}, is: errConnect},
		"handshake, ctx":    {send: Send{URL: "https://" + silent(t), Timeout: 50 * time.Millisecond}, is: context.DeadlineExceeded},
		"no TLS there":      {send: Send{URL: strings.Replace(plain.URL, "http:", "https:", 1)}},
		"unknown authority": {send: Send{URL: stranger.URL}},
		"ctx had ended":     {ctx: ended, send: Send{URL: plain.URL}, is: context.Canceled},
		"bad URL":           {send: Send{URL: "http://\x7f"}},
		"bad header":        {send: Send{URL: plain.URL, Header: http.Header{"Authorization": {"a\nb"}}}},
	} {
		ctx := c.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		c.send.Body = []byte("x")
		_, err := placer(t, direct()).Post(ctx, c.send)
		if !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("%s: got %v, want unavailable", name, err)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v does not match %v", name, err, c.is)
		}
	}
}

func TestPostDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leaves bool
		send   Send
		is     error
	}{
		"timeout":       {send: Send{Timeout: heldUp}, is: context.DeadlineExceeded},
		"caller leaves": {leaves: true, is: context.Canceled},
		// The connect budget is over long before the answer would come.
		"slow answer": {send: Send{Connect: heldUp, Timeout: heldUp + time.Second}, is: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var n atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				n.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				if c.leaves {
					cancel()
				}
				<-r.Context().Done()
			}))
			defer srv.Close()
			c.send.URL, c.send.Body = srv.URL, []byte("x")
			_, err := placer(t, nil).Post(ctx, c.send)
			if !errors.Is(err, provider.ErrOutcomeUnknown) || !errors.Is(err, c.is) || n.Load() != 1 {
				t.Errorf("got %v after %d requests", err, n.Load())
			}
		})
	}
}

func TestPostBody(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/short" {
			w.Header().Set("Content-Length", "100")
		}
		w.WriteHeader(201)
		_, _ = w.Write([]byte(strings.Repeat("a", 50)))
	}))
	defer srv.Close()
	for path, limit := range map[string]int64{"/short": 0, "/long": 49} {
		reply, err := placer(t, nil).Post(t.Context(), Send{URL: srv.URL + path, Body: []byte("x"), MaxBody: limit})
		if err != nil || reply.Status != 201 || reply.BodyErr == nil || len(reply.Body) > 50 {
			t.Errorf("%s: got %d, body error %v, %v", path, reply.Status, reply.BodyErr, err)
		}
	}
	reply, _ := placer(t, nil).Post(t.Context(), Send{URL: srv.URL, Body: []byte("x"), MaxBody: 50})
	if reply.BodyErr != nil || len(reply.Body) != 50 {
		t.Errorf("got %d bytes, %v", len(reply.Body), reply.BodyErr)
	}
}

func TestPostErrorsSayNoURL(t *testing.T) {
	_, err := placer(t, nil).Post(t.Context(), Send{URL: "http://127.0.0.1:1/secret-path?token=secret", Body: []byte("x")})
	var u *url.Error
	if strings.Contains(err.Error(), "secret") || errors.As(err, &u) {
		t.Errorf("%v", err)
	}
	p := placer(t, &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://user:secret@proxy"`)
	}}})
	if _, err = p.Post(t.Context(), Send{URL: "http://127.0.0.1:1/", Body: []byte("x")}); strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

type roundTripper struct{}

func (roundTripper) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no") }

func TestPlacerTakesProxyAndTLSOnly(t *testing.T) {
	if _, err := NewPlacer("acme", &http.Client{Transport: roundTripper{}}); err == nil || !strings.Contains(err.Error(), "roundTripper") {
		t.Errorf("a foreign RoundTripper was taken: %v", err)
	}
	if _, err := NewPlacer("acme", &http.Client{Transport: (*http.Transport)(nil)}); err == nil {
		t.Error("a nil *http.Transport was taken")
	}
	proxied := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied = true }))
	defer proxy.Close()
	at, _ := url.Parse(proxy.URL)
	host := &http.Transport{
		Proxy: http.ProxyURL(at),
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Error("the host's dialer was used")
			return nil, errors.New("no")
		},
		TLSClientConfig: &tls.Config{ServerName: "acme.example", MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}},
	}
	p := placer(t, &http.Client{Transport: host, Timeout: time.Nanosecond})
	if _, err := p.Post(t.Context(), Send{URL: "http://acme.example/", Body: []byte("x")}); err != nil || !proxied {
		t.Errorf("got %v, proxied %v", err, proxied)
	}
	own := p.client.Transport.(*http.Transport)
	if c := own.TLSClientConfig; c.ServerName != "acme.example" || c.MinVersion != tls.VersionTLS13 || c.NextProtos[0] != "http/1.1" {
		t.Errorf("TLS settings: %q %x %v", c.ServerName, c.MinVersion, c.NextProtos)
	}
	if host.TLSClientConfig.NextProtos[0] != "h2" {
		t.Error("the host's TLS settings were changed")
	}
}
