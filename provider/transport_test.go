package provider_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
)

// TestKindFromTransport takes errors from a real http.Client: only what fails before
// a request can be written proves that nothing was sent.
func TestKindFromTransport(t *testing.T) {
	const slow = "silence, to a client in no hurry" // it is given as long as a machine may stand still
	assert.Empty(t, provider.KindFromTransport(nil))
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	plain := httptest.NewServer(ok)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(ok)
	secure.Config.ErrorLog = discard()
	secure.StartTLS()
	t.Cleanup(secure.Close)
	trusting := func(edit func(c *tls.Config)) *http.Client {
		c := secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		edit(c)
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
	}
	for _, tt := range []struct {
		name   string
		url    string
		client *http.Client
		want   provider.Kind
	}{
		{"nobody listens", "http://" + nobody, nil, provider.KindUnavailable},
		{"no such host", "http://nobody.invalid", nil, provider.KindUnavailable},
		{"no proxy listens", plain.URL, via("http://" + nobody), provider.KindUnavailable},
		{"no SOCKS proxy listens", plain.URL, via("socks5://" + nobody), provider.KindUnavailable},
		{"the SOCKS proxy refuses", plain.URL, via("socks5://" + serve(t, refuseSOCKS)), provider.KindUnavailable},
		{"unknown authority", secure.URL, &http.Client{Transport: &http.Transport{}}, provider.KindUnavailable},
		{"another host's certificate", secure.URL, trusting(func(c *tls.Config) { c.ServerName = "other.test" }), provider.KindUnavailable},
		// net/http says the same of a record that begins with "HTTP/" after the request.
		{"no TLS but HTTP there", strings.Replace(plain.URL, "http:", "https:", 1), nil, provider.KindOutcomeUnknown},
		{"no TLS and no HTTP there", "https://" + serve(t, greet("220 mail.example ESMTP\r\n")), nil, provider.KindUnavailable},
		{"no answer", "http://" + serve(t, readThen(nil)), nil, provider.KindOutcomeUnknown},
		{"reset after the write", "http://" + serve(t, readThen(reset)), nil, provider.KindOutcomeUnknown},
		{"not HTTP", "http://" + serve(t, readThen(write("nonsense\r\n\r\n"))), nil, provider.KindOutcomeUnknown},
		// The one limit begins after the write, the other before the connection.
		{"silence", "http://" + serve(t, readThen(wait)), &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond}}, provider.KindOutcomeUnknown},
		{slow, "http://" + serve(t, readThen(wait)), &http.Client{Transport: &http.Transport{}, Timeout: 4 * time.Second}, provider.KindOutcomeUnknown},
		{"certificate wanted", demanding(t), trusting(func(*tls.Config) {}), provider.KindOutcomeUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == slow {
				t.Parallel()
			}
			client := tt.client
			if client == nil {
				client = &http.Client{Transport: &http.Transport{}}
			}
			resp, err := post(t.Context(), client, tt.url)
			if err == nil {
				resp.Body.Close()
			}
			require.Error(t, err)
			assert.Equal(t, tt.want, provider.KindFromTransport(err), "%T %v", err, err)
			assert.Equal(t, tt.want, provider.KindFromTransport(&provider.Error{Err: err}), "wrapped")
		})
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := post(ctx, http.DefaultClient, plain.URL)
	assert.Equal(t, provider.KindOutcomeUnknown, provider.KindFromTransport(err), "a context says nothing of what was written")
	assert.Equal(t, provider.KindOutcomeUnknown, provider.KindFromTransport(io.ErrUnexpectedEOF))
}

// TestKindFromTransportGarbageAfterTheWrite: a TLS record error is a proof only
// while the connection is being made.
func TestKindFromTransportGarbageAfterTheWrite(t *testing.T) {
	for name, garbage := range map[string]string{
		"a record too long":            "\x17\x03\x03\xff\xff",
		"a record of no known version": "\x17\x09\x09\x00\x01x",
	} {
		t.Run(name, func(t *testing.T) {
			secure := httptest.NewTLSServer(nil) // for its certificate
			t.Cleanup(secure.Close)
			got := make(chan bool, 1)
			addr := serve(t, func(conn net.Conn) {
				_, err := http.ReadRequest(bufio.NewReader(tls.Server(conn, secure.TLS)))
				got <- err == nil
				_, _ = io.WriteString(conn, garbage)
				wait(conn)
			})
			client := secure.Client()
			client.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS12
			_, err := post(t.Context(), client, "https://"+addr)
			require.Error(t, err)
			require.True(t, <-got, "the request went out")
			assert.Equal(t, provider.KindOutcomeUnknown, provider.KindFromTransport(err), "%T %v", err, err)
		})
	}
}

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func post(ctx context.Context, client *http.Client, to string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(`{"to":"+15550001111"}`))
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

func via(proxy string) *http.Client {
	u, err := url.Parse(proxy)
	if err != nil {
		panic(err)
	}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}
}

// nobody is an address where nobody listens. One that was free a moment ago may be taken
// again, by another test.
const nobody = "127.0.0.1:1"

// serve hands every connection to conduct, and closes it after.
func serve(t *testing.T, conduct func(conn net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conduct(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func greet(text string) func(conn net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		wait(conn)
	}
}

// refuseSOCKS is a SOCKS5 proxy that may not connect to anything.
func refuseSOCKS(conn net.Conn) {
	greeting := make([]byte, 3) // version 5, one method, no authentication
	_, _ = io.ReadFull(conn, greeting)
	_, _ = conn.Write([]byte{5, 0})
	request := make([]byte, 10) // connect to an IPv4 address
	_, _ = io.ReadFull(conn, request)
	_, _ = conn.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0})
}

// readThen takes the whole request before it goes on.
func readThen(then func(conn net.Conn)) func(conn net.Conn) {
	return func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if then != nil {
			then(conn)
		}
	}
}

func write(text string) func(conn net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// reset makes Close send a reset.
func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

// wait keeps the connection until the other side closes it.
func wait(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// demanding is the URL of a server that wants a client certificate: with TLS 1.3 its
// alert may come after the request.
func demanding(t *testing.T) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.Config.ErrorLog = discard()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}
