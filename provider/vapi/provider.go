package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// visibilityLag is how long a call may be missing from Vapi's list. Vapi promises
// nothing; its own gateway was seen to read "not found" for calls just made.
const visibilityLag = 3 * time.Minute

// lateDetails is how long the analysis of a call was seen to lag behind its end.
const lateDetails = 30 * time.Second

// maxCallBody bounds one call's object, transcript and messages included.
const maxCallBody = 16 << 20

// Provider places calls on one Vapi account. It implements provider.Provider,
// provider.Finder, provider.Lister and provider.Describer, and is safe for
// concurrent use.
type Provider struct {
	cfg    Config
	base   *url.URL
	placer *vendorhttp.Placer
	reader *vendorhttp.Reader
	log    *slog.Logger

	unmapped unmapped
	deleted  deleted
}

var (
	_ provider.Provider  = (*Provider)(nil)
	_ provider.Finder    = (*Provider)(nil)
	_ provider.Lister    = (*Provider)(nil)
	_ provider.Describer = (*Provider)(nil)
)

// New checks cfg; it connects to nothing. Its error names the field that is wrong.
func New(cfg Config) (*Provider, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	base, err := vendorhttp.ParseURL(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("vapi: Config.BaseURL: %w", err)
	}
	placer, err := vendorhttp.NewPlacer(cfg.Name, cfg.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("vapi: Config.HTTPClient: %w", err)
	}
	if cfg.WebhookSecret != "" && cfg.WebhookURL == "" {
		cfg.Logger.Info("vapi: Config.WebhookSecret (VAPI_WEBHOOK_SECRET) is not used: set Config.WebhookURL, or calls are polled", "provider", cfg.Name)
	}
	return &Provider{
		cfg: cfg, base: base, placer: placer, log: cfg.Logger,
		reader: vendorhttp.NewReader(cfg.Name, cfg.HTTPClient),
	}, nil
}

// Name returns Config.Name.
func (p *Provider) Name() string { return p.cfg.Name }

// Traits says whether calls report to the host's webhooks, that a call may be missing
// from Vapi's list for three minutes, and its summary from the call for half a minute,
// and whether there is a number to call from.
func (p *Provider) Traits() provider.Traits {
	return provider.Traits{
		Events: p.cfg.WebhookURL != "", VisibilityLag: visibilityLag, LateDetails: lateDetails,
		NeedsFrom: p.cfg.PhoneNumberID == "" && len(p.cfg.PhoneNumberIDs) == 0,
	}
}

// Format writes p without its secrets, whatever the verb.
func (p *Provider) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "vapi.Provider(%s)", p.cfg.Name)
}

// Get returns the call as it stands now. Transcript, summary and cost may come
// some seconds after its end.
func (p *Provider) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	w, err := p.get(ctx, "get", id)
	if errors.Is(err, provider.ErrNotFound) {
		if c, ok := p.deleted.get(id); ok {
			return c, nil
		}
	}
	if err != nil {
		return provider.Call{}, err
	}
	return p.call(ctx, w), nil
}

func (p *Provider) get(ctx context.Context, op string, id provider.CallID) (*wireCall, error) {
	at, err := p.callURL(op, id)
	if err != nil {
		return nil, err
	}
	reply, err := p.reader.Do(ctx, vendorhttp.Request{Op: op, Method: http.MethodGet, URL: at, Header: p.header(), MaxBody: maxCallBody})
	if err != nil {
		return nil, err
	}
	if err := p.readError(op, reply); err != nil {
		return nil, err
	}
	w, err := decodeCall(reply.Body)
	switch {
	case err != nil:
		return nil, p.fail(op, provider.KindUnavailable, reply.Status, err)
	case w.ID != string(id):
		return nil, p.fail(op, provider.KindUnavailable, reply.Status, errors.New("the answer is about another call"))
	}
	return w, nil
}

// readError is nil for a whole answer of 2xx to a read.
func (p *Provider) readError(op string, reply vendorhttp.Reply) error {
	kind := vendorhttp.KindOfRead(reply.Status)
	switch {
	case kind == "" && reply.BodyErr != nil:
		return p.fail(op, provider.KindUnavailable, reply.Status, reply.BodyErr)
	case kind == "":
		return nil
	}
	err := p.fail(op, kind, reply.Status, p.words(reply.Body))
	if kind == provider.KindRateLimited {
		err.RetryAfter = vendorhttp.RetryAfter(reply.Header, time.Now())
	}
	return err
}

func (p *Provider) fail(op string, kind provider.Kind, status int, cause error) *provider.Error {
	e := &provider.Error{Provider: p.cfg.Name, Op: op, Kind: kind, Err: cause}
	if status != 0 {
		e.Code = strconv.Itoa(status)
	}
	return e
}

// words is what Vapi says in the body of a refusal, fit for an error.
func (p *Provider) words(body []byte, private ...string) error {
	said, ok := decodeRefusal(body)
	if !ok {
		return errors.New("the answer is not in Vapi's JSON")
	}
	if len(said) == 0 {
		return errors.New("no reason was given")
	}
	return errors.New(vendorhttp.Scrub(strings.Join(said, "; "), append(private, p.cfg.AuthToken, p.cfg.WebhookSecret)...))
}

func (p *Provider) header() http.Header {
	return http.Header{"Authorization": {"Bearer " + p.cfg.AuthToken}, "Accept": {"application/json"}}
}

func (p *Provider) url(path string, query url.Values) string {
	u := *p.base
	u.Path, u.RawPath = u.Path+path, ""
	u.RawQuery = query.Encode()
	return u.String()
}

func (p *Provider) callURL(op string, id provider.CallID) (string, error) {
	if s := string(id); s == "" || strings.ContainsAny(s, "/?#%\\ ") || strings.Trim(s, ".") == "" {
		return "", p.fail(op, provider.KindInvalidRequest, 0, errors.New("this cannot be the id of a Vapi call"))
	}
	return p.url("/call/"+string(id), nil), nil
}

// decode fills v from an object of Vapi's. A field of another type than expected
// is left out instead of failing the whole: Vapi's types drift.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) && typed.Field != "" {
		return nil
	}
	if err != nil {
		return errors.New("it is not in Vapi's JSON") // err may quote the body
	}
	return nil
}
