package vendorhttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/provider"
)

// Defaults of a Send.
const (
	// DefaultConnect bounds what happens before a request can leave: name
	// resolution, dialling, the proxy, the TLS handshake. The dial fence wants a
	// request to leave within seconds of its entry in the ledger, and giving up
	// before that is certain: nothing was sent.
	DefaultConnect = 10 * time.Second
	DefaultTimeout = 30 * time.Second
	DefaultMaxBody = 1 << 20
)

// errConnect is the cause of giving up before a connection was there.
var errConnect = errors.New("no connection in time")

// Placer sends the requests that may make a phone ring. It is safe for
// concurrent use and opens nothing until used.
type Placer struct {
	provider string
	client   *http.Client
}

// NewPlacer returns a Placer for the provider of that name. host is the host's
// client and may be nil; its Transport must be nil or an *http.Transport.
func NewPlacer(providerName string, host *http.Client) (*Placer, error) {
	t, err := placeTransport(host)
	if err != nil {
		return nil, err
	}
	return &Placer{provider: providerName, client: &http.Client{Transport: t, CheckRedirect: noRedirect}}, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// placeTransport builds a Transport of our own from the proxy and TLS settings of
// the host's. Dialers are not taken: one that keeps connections, or dials again by
// itself, is what this type is there to avoid.
func placeTransport(host *http.Client) (*http.Transport, error) {
	from, err := transportOf(host)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                  from.Proxy,
		ProxyConnectHeader:     from.ProxyConnectHeader.Clone(),
		GetProxyConnectHeader:  from.GetProxyConnectHeader,
		OnProxyConnectResponse: from.OnProxyConnectResponse,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    from.TLSHandshakeTimeout,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // not nil: no HTTP/2
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if from.TLSClientConfig != nil {
		t.TLSClientConfig = from.TLSClientConfig.Clone()
	}
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	return t, nil
}

func transportOf(host *http.Client) (*http.Transport, error) {
	var rt http.RoundTripper
	if host != nil {
		rt = host.Transport
	}
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	switch {
	case ok && t != nil:
		return t, nil
	case host == nil || host.Transport == nil: // the host replaced http.DefaultTransport
		return &http.Transport{Proxy: http.ProxyFromEnvironment}, nil
	}
	return nil, fmt.Errorf("its Transport is a %T: use an *http.Transport or leave it nil, since a dial needs a Transport that is known never to send a request twice", rt)
}

// Send is one POST.
type Send struct {
	URL    string
	Header http.Header // sent as it is, without Idempotency-Key
	Body   []byte
	// Connect bounds the time until a connection is there, Timeout the whole
	// exchange, MaxBody the answer's body; 0 = the defaults.
	Connect, Timeout time.Duration
	MaxBody          int64
}

// Reply is an answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	// BodyErr says that Body is not the whole body: it broke off or was too
	// long. The status is known all the same.
	BodyErr error
}

// Post sends s once. Without an error there was an answer, of whatever status: a
// redirect is one too. An error is a *provider.Error for the operation "place":
// KindUnavailable if no connection for the request was ever there, so that
// nothing can have been written, else KindOutcomeUnknown.
func (p *Placer) Post(ctx context.Context, s Send) (Reply, error) {
	if ctx.Err() != nil {
		return Reply{}, p.failed(context.Cause(ctx), false)
	}
	ctx, stop := context.WithTimeout(ctx, positive(s.Timeout, DefaultTimeout))
	defer stop()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)

	// Any of these proves that bytes may have left. That none of them happened
	// proves that none did: a Transport hands over a connection before it writes.
	var left atomic.Bool
	timer := time.AfterFunc(positive(s.Connect, DefaultConnect), func() {
		if !left.Load() {
			giveUp(errConnect)
		}
	})
	defer timer.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { left.Store(true) },
		WroteHeaders: func() { left.Store(true) },
		WroteRequest: func(httptrace.WroteRequestInfo) {
			left.Store(true)
			_ = fault.Point(ctx, fault.PlaceSent)
		},
		GotFirstResponseByte: func() { _ = fault.Point(ctx, fault.PlaceAccepted) },
	})

	req, err := newRequest(ctx, http.MethodPost, s.URL, s.Header, s.Body)
	if err != nil {
		return Reply{}, p.failed(err, false)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Reply{}, p.failed(err, left.Load())
	}
	return readReply(resp, s.MaxBody), nil
}

func (p *Placer) failed(err error, left bool) error {
	kind := provider.KindUnavailable
	if left {
		kind = provider.KindOutcomeUnknown
	}
	return &provider.Error{Provider: p.provider, Op: "place", Kind: kind, Err: hide(err)}
}

// newRequest makes a request whose body can be read once only.
func newRequest(ctx context.Context, method, url string, h http.Header, body []byte) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = io.NopCloser(bytes.NewReader(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return nil, errors.New("cannot make the request: bad URL") // err quotes the URL
	}
	if body != nil {
		req.ContentLength = int64(len(body))
	}
	req.GetBody = nil
	if h != nil {
		req.Header = h.Clone()
	}
	req.Header.Del("Idempotency-Key")
	req.Header.Del("X-Idempotency-Key") // Go's Transport knows both names
	return req, nil
}

func readReply(resp *http.Response, limit int64) Reply {
	defer func() { _ = resp.Body.Close() }()
	limit = positive(limit, DefaultMaxBody)
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		body, err = body[:limit], errors.New("the answer's body is too long")
	}
	r := Reply{Status: resp.StatusCode, Header: resp.Header, Body: body}
	if err != nil {
		r.BodyErr = hide(err)
	}
	return r
}

func positive[T time.Duration | int64](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}
