package vendorhttp

import (
	"context"
	"net/http"

	"github.com/superservices/voice/provider"
)

// Reader sends requests that may be repeated: looking at calls, ending them. It
// is safe for concurrent use.
type Reader struct {
	provider string
	client   http.Client
}

// NewReader returns a Reader for the provider of that name over host, the host's
// client, or over one of its own if it is nil; where the host set no Timeout it is
// 30 s. It follows no redirects either way: they would carry credentials to another
// host.
func NewReader(providerName string, host *http.Client) *Reader {
	r := &Reader{provider: providerName, client: http.Client{Timeout: DefaultTimeout}}
	if host != nil {
		r.client = *host
		r.client.Timeout = positive(host.Timeout, DefaultTimeout)
	}
	r.client.CheckRedirect = noRedirect
	return r
}

// Request is one request of a Reader.
type Request struct {
	Op          string // for the error: "get", "end", "find", "list"
	Method, URL string
	Header      http.Header
	Body        []byte
	MaxBody     int64 // 0 = 1 MiB
}

// Do sends q. Without an error there was an answer of whatever status. An error
// is a *provider.Error, KindUnavailable for a GET and for whatever was not sent,
// else KindOutcomeUnknown.
func (r *Reader) Do(ctx context.Context, q Request) (Reply, error) {
	resp, err := r.Open(ctx, q)
	if err != nil {
		return Reply{}, err
	}
	return readReply(resp, q.MaxBody), nil
}

// Open is Do for a body that is read as it comes. The caller bounds and closes it;
// q.MaxBody is not used.
func (r *Reader) Open(ctx context.Context, q Request) (*http.Response, error) {
	req, err := newRequest(ctx, q.Method, q.URL, q.Header, q.Body)
	if err != nil {
		return nil, &provider.Error{Provider: r.provider, Op: q.Op, Kind: provider.KindInvalidRequest, Err: err}
	}
	resp, err := r.client.Do(req)
	if err != nil {
		kind := provider.KindUnavailable
		if q.Method != http.MethodGet {
			kind = provider.KindFromTransport(err)
		}
		return nil, &provider.Error{Provider: r.provider, Op: q.Op, Kind: kind, Err: hide(err)}
	}
	return resp, nil
}

// KindOfRead classifies the status of an answer to a read, where nothing is at
// stake but the reading: what is no refusal is KindUnavailable. It is "" for 2xx.
func KindOfRead(status int) provider.Kind {
	if status >= 200 && status <= 299 {
		return ""
	}
	if kind := provider.KindFromHTTP(status); kind != provider.KindOutcomeUnknown {
		return kind
	}
	return provider.KindUnavailable
}
