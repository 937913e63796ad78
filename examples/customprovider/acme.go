// Package customprovider is a host's own provider: all it takes to dial through a
// platform that the library does not know, here an HTTP API by the name of acme. It
// shows Place, Get, End and Name, and which answer proves what.
//
// Three habits keep a phone from ringing twice:
//
//   - One Place is one POST: no retries, no redirects, and no connection that was used
//     before, nor HTTP/2, over which Go would by itself send some requests again.
//   - A failure says by its kind whether a phone may have rung. provider.KindFromHTTP and
//     KindFromTransport know which answers prove that none did.
//   - What cannot be read counts as "it may have".
//
// acme is a plain platform: its calls are polled, since Acme is no provider.Describer with
// webhooks to promise, and a call whose answer was lost cannot be looked up by its key,
// since Acme is no provider.Finder. Such a dial ends "unknown" and is not repeated. A
// platform that can do more says so with those interfaces; see package provider.
//
// A worker takes it like any other: provider.NewRegistry(customprovider.New(url, token)).
// Its conformance test runs the library's suite against a fake of the platform:
//
//	go test -v ./customprovider
//
// which ends with what this platform cannot be put through, and PASS.
package customprovider

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/superservices/voice/provider"
)

// begin: provider

// Acme dials through acme's HTTP API. It is safe for concurrent use.
type Acme struct {
	base, token string
	client      http.Client
}

// New returns a provider for the account that token opens.
func New(base, token string) *Acme {
	return &Acme{base, token, http.Client{
		Timeout: 30 * time.Second,
		// TLS settings of one's own, even empty ones, switch HTTP/2 off.
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{}},
		// A redirect is an answer that proves nothing.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Name is kept in the rows: it never changes.
func (a *Acme) Name() string { return "acme" }

// Place dials once. acme is told the limits too, so that no call outlives us for ever.
func (a *Acme) Place(ctx context.Context, r provider.Request) (provider.Call, error) {
	body, _ := json.Marshal(map[string]any{"ref": r.Key, "to": r.To, "agent": r.AgentID, // cannot fail
		"ring_seconds": r.RingTimeout.Seconds(), "max_seconds": r.MaxDuration.Seconds()})
	return a.do(ctx, "place", http.MethodPost, "", bytes.NewReader(body))
}

// Get asks how the call stands.
func (a *Acme) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	return a.do(ctx, "get", http.MethodGet, id, http.NoBody)
}

// End hangs up. A call that acme does not know, or knows no more, is over.
func (a *Acme) End(ctx context.Context, id provider.CallID) error {
	if _, err := a.do(ctx, "end", http.MethodDelete, id, http.NoBody); !errors.Is(err, provider.ErrNotFound) {
		return err
	}
	return nil
}

// do sends one request, once. Its errors hold no number: they are logged.
func (a *Acme) do(ctx context.Context, op, method string, id provider.CallID, body io.Reader) (provider.Call, error) {
	fail := func(kind provider.Kind, err error) (provider.Call, error) {
		return provider.Call{}, &provider.Error{Provider: a.Name(), Op: op, Kind: kind, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/calls/"+url.PathEscape(string(id)), body)
	if err != nil {
		return fail(provider.KindInvalidRequest, err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.client.Do(req)
	if err != nil {
		return fail(provider.KindFromTransport(err), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(provider.KindFromHTTP(resp.StatusCode), errors.New(resp.Status))
	}
	var c struct {
		ID, Ref, State, Result         string // State has the words of provider.Status
		CreatedAt, AnsweredAt, EndedAt time.Time
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&c); err != nil || c.ID == "" {
		return fail(provider.KindOutcomeUnknown, err)
	}
	call := provider.Call{ID: provider.CallID(c.ID), Key: c.Ref, Status: provider.Status(c.State), Reason: c.Result,
		CreatedAt: c.CreatedAt.UTC(), AnsweredAt: c.AnsweredAt.UTC(), EndedAt: c.EndedAt.UTC()}
	if call.Status == provider.StatusEnded {
		call.Outcome = cmp.Or(outcomes[c.Result], provider.OutcomeUnknown)
	}
	return call, nil
}

// outcomes are acme's results. One that is not here is unknown: guessing could ring again.
var outcomes = map[string]provider.Outcome{"talked": provider.OutcomeCompleted, "machine": provider.OutcomeVoicemail,
	"silence": provider.OutcomeNoAnswer, "engaged": provider.OutcomeBusy, "hung_up": provider.OutcomeCancelled,
	"bad_number": provider.OutcomeInvalidNumber}

// end: provider
