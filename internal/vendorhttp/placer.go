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
	"net/url"
	"strings"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/provider"
)

// Defaults of a Send.
const (
	// DefaultConnect is the send budget: how long after Post was called the first
	// byte of the request may be written. Name resolution, dialling (two lost SYNs
	// fit in), the proxy and the TLS handshake come before it. The dial fence wants
	// a request to leave within seconds of its entry in the ledger, and giving up
	// before that is certain: nothing was sent.
	DefaultConnect = 5 * time.Second
	DefaultTimeout = 30 * time.Second
	DefaultMaxBody = 1 << 20
)

// errConnect is the cause of giving up before the request was written.
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
// the host's. Nothing that carries a request is taken: no dialer (one that keeps
// connections, or sends again by itself, is what this type is there to avoid), no
// registered protocol, and of the client neither Jar nor Timeout nor CheckRedirect.
func placeTransport(host *http.Client) (*http.Transport, error) {
	from, err := transportOf(host)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                  shown(from.Proxy),
		DialContext:            dial,
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
	t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
	return t, nil
}

// shown lets the host's function see a copy of the request: it chooses the proxy and
// changes nothing.
func shown(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if proxy == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		seen := r.Clone(r.Context())
		seen.Body = http.NoBody
		return proxy(seen)
	}
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
	// Connect bounds the time until the first byte of the request is written,
	// Timeout the whole exchange, MaxBody the answer's body; 0 = the defaults.
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
// KindUnavailable if nothing of the request was written, nor will be, else
// KindOutcomeUnknown.
func (p *Placer) Post(ctx context.Context, s Send) (Reply, error) {
	d := &departure{start: time.Now(), budget: positive(s.Connect, DefaultConnect)}
	if ctx.Err() != nil {
		return Reply{}, p.failed(context.Cause(ctx), d)
	}
	ctx, stop := context.WithTimeout(ctx, positive(s.Timeout, DefaultTimeout))
	defer stop()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	timer := time.AfterFunc(d.budget, func() {
		if d.state.Load() != left {
			giveUp(errConnect)
		}
	})
	defer timer.Stop()
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, departureKey{}, d), &httptrace.ClientTrace{
		// A Transport hands over a connection, its handshakes done, before it writes.
		GotConn:      func(httptrace.GotConnInfo) { d.handed.Store(true) },
		WroteRequest: func(httptrace.WroteRequestInfo) { _ = fault.Point(ctx, fault.PlaceSent) },
		GotFirstResponseByte: func() {
			d.answered()
			_ = fault.Point(ctx, fault.PlaceAccepted)
		},
	})

	req, err := newRequest(ctx, http.MethodPost, s.URL, s.Header, s.Body)
	if err != nil {
		return Reply{}, p.failed(err, d)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Reply{}, p.failed(err, d)
	}
	return readReply(resp, s.MaxBody), nil
}

func (p *Placer) failed(err error, d *departure) error {
	kind := provider.KindOutcomeUnknown
	if d.notSent() {
		kind = provider.KindUnavailable
	}
	return &provider.Error{Provider: p.provider, Op: "place", Kind: kind, Err: hide(err)}
}

// newRequest makes a request whose body can be read once only.
func newRequest(ctx context.Context, method, to string, h http.Header, body []byte) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = io.NopCloser(bytes.NewReader(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, to, r)
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
	for name := range req.Header {
		// Go's Transport takes a request with either for one that it may send again.
		if strings.EqualFold(name, "Idempotency-Key") || strings.EqualFold(name, "X-Idempotency-Key") {
			delete(req.Header, name)
		}
	}
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
