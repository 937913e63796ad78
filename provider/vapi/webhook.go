package vapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

const (
	secretHeader = "X-Vapi-Secret"

	typeStatusUpdate    = "status-update"
	typeEndOfCallReport = "end-of-call-report"
)

// WebhookConfig configures WebhookHandler. It needs no account secrets beyond
// those that verify.
type WebhookConfig struct {
	// Provider is the Config.Name of the Provider these events belong to: each of two
	// accounts has a handler, and a URL, of its own. Default DefaultName.
	Provider string
	// Secret is what X-Vapi-Secret must hold (VAPI_WEBHOOK_SECRET), compared in
	// constant time. One of Secret, Bearer, HMAC and Verify is required; of several
	// all must agree.
	Secret string
	// Bearer is for a credential of Vapi's that sends a token.
	Bearer *Bearer
	// HMAC is for a credential of Vapi's that signs the body. It alone proves that a
	// body is whole and new.
	HMAC *HMAC
	// Verify is for whatever else webhooks carry (OAuth, a gateway's own signature):
	// it gets the headers and the body as it came, and an error of
	// its refuses the request. It must compare in constant time and be safe for
	// concurrent use.
	Verify func(h http.Header, body []byte) error
	// MaxAge, when set, refuses a message that says of itself to be older than
	// that, or as far in the future. It is for accounts with a secret or a token
	// only, which do not sign the time; an old message does no harm besides, since
	// the end of a call is final. Choose it longer than queues in between may hold
	// a request. Default: none.
	MaxAge time.Duration
	// Observe, when set, is told of what is worth counting: forged webhooks,
	// reasons for an end that no rule knows, and events that no task waits for. It
	// must not block.
	Observe func(ctx context.Context, n provider.Notice)
	// Logger gets a line for these, forgeries at most one a second. Default: none.
	Logger *slog.Logger
}

// Format writes c without its secret, whatever the verb.
func (c WebhookConfig) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "vapi.WebhookConfig{Provider:%q Secret:%s}", c.Provider, redacted(c.Secret))
}

// MarshalJSON writes c without its secret.
func (c WebhookConfig) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// LogValue is c without its secret.
func (c WebhookConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// WebhookHandler serves the reports that Vapi sends to Config.WebhookURL. It
// verifies the raw request, decodes it and hands events to sink; it answers as
// provider.WebhookHandler does. Messages other than status updates and
// end-of-call reports, and those about calls that are not outbound, are taken and
// dropped.
func WebhookHandler(cfg WebhookConfig, sink provider.EventSink) (http.Handler, error) {
	if cfg.Provider == "" {
		cfg.Provider = DefaultName
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case sink == nil:
		return nil, errors.New("vapi: WebhookHandler: sink is nil: pass a *voicetask.Client or another provider.EventSink")
	case !validName.MatchString(cfg.Provider):
		return nil, fmt.Errorf("vapi: WebhookConfig.Provider is %q: set it to the Name of the Provider that places the calls", cfg.Provider)
	case cfg.Secret == "" && cfg.Verify == nil && cfg.Bearer == nil && cfg.HMAC == nil:
		return nil, errors.New("vapi: WebhookConfig: set Secret (VAPI_WEBHOOK_SECRET), Bearer, HMAC or Verify: anybody could end calls in your books otherwise")
	case cfg.MaxAge < 0:
		return nil, errors.New("vapi: WebhookConfig.MaxAge must not be negative: leave it zero for no limit")
	}
	if cfg.Secret != "" {
		if err := checkToken(cfg.Secret); err != nil {
			return nil, fmt.Errorf("vapi: WebhookConfig.Secret: %w", err)
		}
	}
	h := &webhook{cfg: cfg}
	var err error
	if h.bearer, err = cfg.Bearer.checked(); err != nil {
		return nil, fmt.Errorf("vapi: WebhookConfig.Bearer: %w", err)
	}
	if h.hmac, err = cfg.HMAC.checked(); err != nil {
		return nil, fmt.Errorf("vapi: WebhookConfig.HMAC: %w", err)
	}
	return provider.WebhookHandler(h.parse, h.counting(sink)), nil
}

type webhook struct {
	cfg    WebhookConfig
	bearer *Bearer // checked copies; nil: not used
	hmac   *HMAC

	forgeries vendorhttp.Seldom // what is logged of them
}

// counting tells of events that the sink has no task for.
func (h *webhook) counting(sink provider.EventSink) provider.EventSink {
	return provider.EventSinkFunc(func(ctx context.Context, e provider.Event) error {
		err := sink.Deliver(ctx, e)
		if errors.Is(err, provider.ErrUnknownCall) {
			taskID, _, _ := provider.SplitKey(e.Key)
			h.observe(ctx, provider.Notice{Kind: provider.NoticeStrayEvent, Provider: e.Provider, TaskID: taskID, Key: e.Key, N: 1})
		}
		return err
	})
}

func (h *webhook) parse(r *http.Request) ([]provider.Event, error) {
	body, err := h.verified(r)
	if err != nil {
		return nil, err
	}
	e, mapped, err := decodeMessage(body)
	if err != nil || e == nil {
		return nil, err
	}
	if h.cfg.MaxAge > 0 && time.Since(e.At).Abs() > h.cfg.MaxAge {
		return nil, h.forged(r.Context())
	}
	e.Provider = h.cfg.Provider
	if !mapped {
		taskID, _, _ := provider.SplitKey(e.Key)
		h.cfg.Logger.Warn("vapi: no rule for endedReason", "provider", e.Provider, "call_id", e.Call.ID, "reason", e.Call.Reason)
		h.observe(r.Context(), provider.Notice{Kind: provider.NoticeUnmappedReason, Provider: e.Provider, TaskID: taskID, Key: e.Key, N: 1})
	}
	return []provider.Event{*e}, nil
}

// verified returns the body of an authentic request. The headers are looked at
// first: who lacks what they must hold gets no body read.
func (h *webhook) verified(r *http.Request) ([]byte, error) {
	known := (h.cfg.Secret == "" || sameSecret(r.Header.Values(secretHeader), h.cfg.Secret)) &&
		(h.bearer == nil || h.bearer.verify(r.Header)) &&
		(h.hmac == nil || h.hmac.plausible(r.Header, time.Now()))
	if !known {
		return nil, h.forged(r.Context())
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("vapi: webhook: reading the body: %w", err)
	}
	if h.hmac != nil && !h.hmac.verify(r.Header, body) || h.cfg.Verify != nil && h.cfg.Verify(r.Header.Clone(), body) != nil {
		return nil, h.forged(r.Context())
	}
	return body, nil
}

func (h *webhook) forged(ctx context.Context) error {
	h.forgeries.Log(func(n int) {
		h.cfg.Logger.WarnContext(ctx, "vapi: a webhook failed verification", "provider", h.cfg.Provider, "n", n)
	})
	h.observe(ctx, provider.Notice{Kind: provider.NoticeForgedWebhook, Provider: h.cfg.Provider, N: 1})
	return provider.ErrBadSignature
}

func (h *webhook) observe(ctx context.Context, n provider.Notice) {
	if h.cfg.Observe != nil {
		h.cfg.Observe(ctx, n)
	}
}

// sameSecret compares hashes, so that the time taken says nothing about the
// secret, its length included. Two headers are one too many.
func sameSecret(got []string, want string) bool {
	if len(got) != 1 {
		return false
	}
	a, b := sha256.Sum256([]byte(got[0])), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
