package vendorhttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

// rawServer speaks HTTP by hand and counts the requests it has read whole, so that
// nothing a library does on its own escapes the count.
type rawServer struct {
	url string

	mu       sync.Mutex
	requests []*http.Request
	conns    int
}

// newRawServer lets answer have each request; it reports whether the connection
// lives on. n counts from 1.
func newRawServer(t *testing.T, answer func(n int, conn net.Conn) bool) *rawServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	s := &rawServer{url: "http://" + ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			go s.serve(conn, answer)
		}
	}()
	return s
}

func (s *rawServer) serve(conn net.Conn, answer func(n int, conn net.Conn) bool) {
	defer func() { _ = conn.Close() }()
	for in := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, r)
		n := len(s.requests)
		s.mu.Unlock()
		if !answer(n, conn) {
			return
		}
	}
}

func (s *rawServer) seen() ([]*http.Request, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.conns
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// firstOnly answers the first request and keeps its connection; any other is read,
// and the connection closed without an answer.
func firstOnly(n int, conn net.Conn) bool {
	if n == 1 {
		_, _ = io.WriteString(conn, ok)
	}
	return n == 1
}

var tempting = http.Header{"Idempotency-Key": {"k"}, "x-idempotency-key": {"k"}, "idempotency-key": {"k"}}

// A connection that was used before closes without an answer: there Go's own client
// sends a POST twice, which is seen first, and a Placer does not.
func TestRawServerCountsPosts(t *testing.T) {
	bare := &http.Client{Transport: &http.Transport{}}
	defer bare.CloseIdleConnections()
	for tries, reused := 0, false; !reused; tries++ {
		// It uses a connection again, unless its own goroutines were held up just then.
		if tries == 100 {
			t.Fatal("a bare client never used a connection again: nothing is seen of what tempts it")
		}
		s := newRawServer(t, firstOnly)
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { reused = reused || i.Reused },
		})
		for range 2 {
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader("x"))
			req.Header.Set("Idempotency-Key", "k")
			if resp, err := bare.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
		if got, _ := s.seen(); reused && len(got) != 3 {
			t.Fatalf("a bare client sent %d requests for 2: the server does not tempt", len(got))
		}
	}

	s := newRawServer(t, firstOnly)
	p := placer(t, bare)
	send := Send{URL: s.url, Header: tempting, Body: []byte("x")}
	if reply, err := p.Post(t.Context(), send); err != nil || reply.Status != 200 {
		t.Fatalf("got %+v, %v", reply, err)
	}
	if _, err := p.Post(t.Context(), send); !errors.Is(err, provider.ErrOutcomeUnknown) {
		t.Errorf("got %v, want outcome_unknown", err)
	}
	got, conns := s.seen()
	if len(got) != 2 || conns != 2 {
		t.Errorf("%d POSTs on %d connections, want 2 on 2", len(got), conns)
	}
	for _, r := range got {
		for name := range r.Header {
			if strings.Contains(strings.ToLower(name), "idempotency") {
				t.Errorf("the header %s was sent", name)
			}
		}
	}
}

// Go's own client follows these with the same body, which is seen first.
func TestRawServerRedirects(t *testing.T) {
	for _, status := range []string{"307 Temporary Redirect", "308 Permanent Redirect"} {
		answer := func(n int, conn net.Conn) bool {
			if n == 1 {
				_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
			} else {
				_, _ = io.WriteString(conn, ok)
			}
			return true
		}
		s := newRawServer(t, answer)
		bare := &http.Client{Transport: &http.Transport{}}
		resp, err := bare.Post(s.url, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		bare.CloseIdleConnections()
		if got, _ := s.seen(); len(got) != 2 {
			t.Fatalf("%s: a bare client sent %d requests: the server does not tempt", status, len(got))
		}
		s = newRawServer(t, answer)
		reply, err := placer(t, bare).Post(t.Context(), Send{URL: s.url, Body: []byte("x")})
		if got, _ := s.seen(); err != nil || reply.Status/100 != 3 || len(got) != 1 {
			t.Errorf("%s: got %d, %v after %d requests, want the redirect after one", status, reply.Status, err, len(got))
		}
	}
}

// undoing is a client of a host that undoes, by every door it has, what a Placer
// promises.
func undoing(t *testing.T) *http.Client {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	rt := &http.Transport{
		MaxIdleConnsPerHost: 100,
		ForceAttemptHTTP2:   true,
		Proxy: func(r *http.Request) (*url.URL, error) { // may change what it is shown
			r.Header.Set("Idempotency-Key", "k")
			r.Header.Set("X-Idempotency-Key", "k")
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
			r.Close = false
			r.URL.Path = "/elsewhere"
			return nil, nil
		},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Error("the host's dialer was used")
			return nil, errors.New("no")
		},
	}
	rt.RegisterProtocol("http", foreignProtocol{t})
	return &http.Client{
		Transport: rt, Jar: jar, Timeout: time.Nanosecond,
		CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
	}
}

type foreignProtocol struct{ t *testing.T }

func (f foreignProtocol) RoundTrip(*http.Request) (*http.Response, error) {
	f.t.Error("the host's protocol was used")
	return nil, errors.New("no")
}

func TestHostCannotUndoIt(t *testing.T) {
	s := newRawServer(t, func(n int, conn net.Conn) bool {
		if n == 1 {
			_, _ = io.WriteString(conn, "HTTP/1.1 308 Permanent Redirect\r\nLocation: /again\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
		}
		return n == 1
	})
	p := placer(t, undoing(t))
	send := Send{URL: s.url + "/call", Body: []byte("x")}
	if reply, err := p.Post(t.Context(), send); err != nil || reply.Status != 308 {
		t.Errorf("got %+v, %v", reply, err)
	}
	if _, err := p.Post(t.Context(), send); !errors.Is(err, provider.ErrOutcomeUnknown) {
		t.Errorf("got %v, want outcome_unknown", err)
	}
	got, conns := s.seen()
	if len(got) != 2 || conns != 2 {
		t.Fatalf("%d POSTs on %d connections, want 2 on 2", len(got), conns)
	}
	for _, r := range got {
		if r.URL.Path != "/call" || r.Header.Get("Cookie") != "" || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != "" || !r.Close {
			t.Errorf("sent %s with %v", r.URL.Path, r.Header)
		}
	}
}

// A process that is held up with its connection in hand sends nothing any more: the
// caller's trace holds it where a freeze would.
func TestHeldUpBeforeTheWrite(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, func(_ int, conn net.Conn) bool {
		_, _ = io.WriteString(conn, ok)
		return true
	})
	held, hold := 0, heldUp+time.Second/2
	holding := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { held++; time.Sleep(hold) },
	})
	_, err := placer(t, nil).Post(holding, Send{URL: s.url, Body: []byte("x"), Connect: heldUp})
	if !errors.Is(err, provider.ErrUnavailable) || held != 1 {
		t.Errorf("got %v, want unavailable; held %d times", err, held)
	}
	hold = time.Second / 2
	if _, err := placer(t, nil).Post(holding, Send{URL: s.url, Body: []byte("x"), Connect: time.Minute}); err != nil {
		t.Errorf("with time enough: %v", err)
	}
	if got, conns := s.seen(); len(got) != 1 || conns != 2 {
		t.Errorf("%d requests on %d connections, want only the one that was in time", len(got), conns)
	}
}

// What was told to be certain stays so: a writer that comes later is refused.
func TestDepartureMovesOnce(t *testing.T) {
	fresh := func(age time.Duration) *departure {
		return &departure{start: time.Now().Add(-age), budget: time.Minute}
	}
	if d := fresh(0); !d.leave() || d.notSent() || !d.leave() {
		t.Error("in time: it may leave, and is not certain from then on")
	}
	if d := fresh(0); !d.notSent() || d.leave() || !d.notSent() {
		t.Error("given up: it may not leave any more")
	}
	if d := fresh(time.Hour); d.leave() || !d.notSent() {
		t.Error("late: it may not leave, and that is certain")
	}
	asleep := fresh(0)
	asleep.start = asleep.start.Round(0).Add(-time.Hour) // by the wall clock only
	if asleep.leave() {
		t.Error("late by the wall clock: it may not leave")
	}
	for range 200 { // whoever comes first, both agree
		d := fresh(0)
		var wrote, certain bool
		var wg sync.WaitGroup
		wg.Go(func() { wrote = d.leave() })
		wg.Go(func() { certain = d.notSent() })
		wg.Wait()
		if wrote == certain {
			t.Fatalf("written %v and certainly not sent %v", wrote, certain)
		}
	}
}

// Given up, a connection is reset: what was not delivered never will be. Answered, it
// closes in peace.
func TestAbandonedConnectionIsReset(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		reset        bool
	}{{"no answer", "", true}, {"an answer", ok, false}} {
		ctx, giveUp := context.WithCancel(t.Context())
		defer giveUp()
		ended := make(chan error, 1)
		s := newRawServer(t, func(_ int, conn net.Conn) bool {
			if c.reset {
				giveUp()
			}
			_, _ = io.WriteString(conn, c.answer)
			_, err := conn.Read(make([]byte, 1))
			ended <- err
			return false
		})
		_, err := placer(t, nil).Post(ctx, Send{URL: s.url, Body: []byte("x")})
		if (err != nil) != c.reset {
			t.Errorf("%s: got %v", c.name, err)
		}
		select {
		case err := <-ended:
			if errors.Is(err, syscall.ECONNRESET) != c.reset {
				t.Errorf("%s: the platform's connection ended with %v, reset wanted: %v", c.name, err, c.reset)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: the connection is still open", c.name)
		}
	}
}

// An answer that never stops does not fill memory, nor hold the caller past its time.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	endless := func(head, more string) func(int, net.Conn) bool {
		return func(_ int, conn net.Conn) bool {
			_, err := io.WriteString(conn, head)
			for err == nil {
				var n int
				n, err = io.WriteString(conn, more)
				sent.Add(int64(n))
			}
			return false
		}
	}
	chunk := strings.Repeat("a", 1<<12)
	s := newRawServer(t, endless("HTTP/1.1 201 Created\r\n\r\n", chunk))
	reply, err := placer(t, nil).Post(t.Context(), Send{URL: s.url, Body: []byte("x"), MaxBody: 1 << 16})
	if err != nil || reply.Status != 201 || len(reply.Body) != 1<<16 || reply.BodyErr == nil {
		t.Errorf("endless body: got %d, %d bytes, %v, %v", reply.Status, len(reply.Body), reply.BodyErr, err)
	}
	s = newRawServer(t, endless("HTTP/1.1 201 Created\r\n", "X-Header: "+chunk+"\r\n"))
	if _, err := placer(t, nil).Post(t.Context(), Send{URL: s.url, Body: []byte("x")}); !errors.Is(err, provider.ErrOutcomeUnknown) {
		t.Errorf("endless headers: got %v, want outcome_unknown", err)
	}
	s = newRawServer(t, func(_ int, conn net.Conn) bool {
		_, err := io.WriteString(conn, "HTTP/1.1 201 Created\r\n\r\n{")
		for err == nil {
			time.Sleep(20 * time.Millisecond)
			_, err = io.WriteString(conn, " ")
		}
		return false
	})
	reply, err = placer(t, nil).Post(t.Context(), Send{URL: s.url, Body: []byte("x"), Timeout: heldUp})
	if err != nil || reply.Status != 201 || !errors.Is(reply.BodyErr, context.DeadlineExceeded) {
		t.Errorf("trickling body: got %d, %v, %v", reply.Status, reply.BodyErr, err)
	}
	if sent.Load() == 0 {
		t.Error("nothing endless was sent")
	}
}

// The connection itself refuses: handshakes pass before it is handed over, a request
// only in time.
func TestGatedConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		age    time.Duration
		handed bool
		want   error
	}{
		{"handshake", 0, false, nil}, {"request", 0, true, nil}, {"late request", time.Hour, true, errLate},
	} {
		near, far := net.Pipe()
		d := &departure{start: time.Now().Add(-c.age), budget: time.Minute}
		d.handed.Store(c.handed)
		arrived := make(chan int, 1)
		go func() {
			n, _ := far.Read(make([]byte, 8))
			arrived <- n
		}()
		_, err := (&gated{Conn: near, departure: d}).Write([]byte("x"))
		_ = near.Close()
		if n := <-arrived; !errors.Is(err, c.want) || (n == 0) != (c.want != nil) {
			t.Errorf("%s: got %v, and %d bytes arrived", c.name, err, n)
		}
		if certain := d.notSent(); certain != (c.want != nil || !c.handed) {
			t.Errorf("%s: certainly not sent: %v", c.name, certain)
		}
	}
}
