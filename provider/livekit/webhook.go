package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/superservices/voice/provider"
)

// DefaultHoldBack is how long an event is put off that says less than Place will.
const DefaultHoldBack = 3 * time.Second

// WebhookConfig is what the receiver of a project's webhooks needs.
type WebhookConfig struct {
	// Provider is the name of the Provider these events belong to; default
	// DefaultName.
	Provider string
	// APIKey and APISecret verify: webhooks are JWTs signed with them. The key is
	// the one in the server's webhook configuration. Required.
	APIKey    string
	APISecret string `json:"-"`
	// HoldBack is how long news of a call that nobody answered is put off, by
	// answering 503, which LiveKit repeats after 1, 3 and 7 s. Webhooks carry no
	// SIP status and often overtake the answer that Place waits for, which does:
	// without a pause "busy" would sometimes be recorded as "declined". Default
	// DefaultHoldBack; negative: none, for agents that dial.
	HoldBack time.Duration
	// Calls, when set, is the Provider that places these calls: a call whose agent
	// has left is then ended at once, not when polling sees it. May be nil.
	Calls *Provider
	// Observe takes notices: a forged webhook, a reason no rule knows, a second
	// participant under one key, an event that no task waits for. May be nil.
	Observe func(ctx context.Context, n provider.Notice)
	// Logger default: none.
	Logger *slog.Logger
}

// String leaves out the secrets.
func (c WebhookConfig) String() string {
	return fmt.Sprintf("livekit.WebhookConfig{Provider: %q}", c.Provider)
}

// Format writes c without its secrets, whatever the verb.
func (c WebhookConfig) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.String()) }

// MarshalJSON writes c without its secrets.
func (c WebhookConfig) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// LogValue leaves out the secrets.
func (c WebhookConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// WebhookHandler verifies, decodes and hands the events of this package's calls to
// sink. It answers as provider.WebhookHandler does, and also 503 to what is held
// back (WebhookConfig.HoldBack). Events of other rooms and participants are 204.
func WebhookHandler(cfg WebhookConfig, sink provider.EventSink) (http.Handler, error) {
	if cfg.Provider == "" {
		cfg.Provider = DefaultName
	}
	if cfg.HoldBack == 0 {
		cfg.HoldBack = DefaultHoldBack
	}
	if cfg.Observe == nil {
		cfg.Observe = func(context.Context, provider.Notice) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.APIKey == "" || cfg.APISecret == "":
		return nil, errors.New("livekit: WebhookHandler: WebhookConfig.APIKey and APISecret are required: they verify the sender")
	case sink == nil:
		return nil, errors.New("livekit: WebhookHandler: sink is nil")
	}
	h := &hook{provider: cfg.Provider, calls: cfg.Calls, holdBack: cfg.HoldBack, observe: cfg.Observe, log: cfg.Logger, verify: newVerifier(cfg.APIKey, cfg.APISecret)}
	return provider.WebhookHandler(h.parse, h.holding(sink)), nil
}

type hook struct {
	provider string
	holdBack time.Duration
	calls    *Provider
	observe  func(ctx context.Context, n provider.Notice)
	log      *slog.Logger
	verify   verifier
}

func (h *hook) parse(r *http.Request) ([]provider.Event, error) {
	checkBody, err := h.verify(r.Header)
	if err != nil {
		return nil, h.forged(r.Context(), err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("livekit: webhook: reading the body: %w", err)
	}
	if err := checkBody(body); err != nil {
		return nil, h.forged(r.Context(), err)
	}
	return h.events(r.Context(), body)
}

func (h *hook) forged(ctx context.Context, why error) error {
	h.observe(ctx, provider.Notice{Kind: provider.NoticeForgedWebhook, Provider: h.provider, N: 1})
	h.log.WarnContext(ctx, "livekit: a webhook was not authentic", "error", why)
	return provider.ErrBadSignature
}

var errTooEarly = errors.New("livekit: Place may know better")

// holding refuses young news of an unanswered call; the platform then sends it
// again, when Place has long said how the call ended.
func (h *hook) holding(sink provider.EventSink) provider.EventSink {
	return provider.EventSinkFunc(func(ctx context.Context, e provider.Event) error {
		c := e.Call
		firm := c.Reason == ResultEvent || c.Reason == codeAgentLeft // nobody sends, or sees, these again
		if !firm && c.Status == provider.StatusEnded && c.Outcome != provider.OutcomeCompleted && c.AnsweredAt.IsZero() {
			// At is in whole seconds. A clock that is further off holds nothing back.
			if age := time.Since(e.At); age < h.holdBack && age > -h.holdBack {
				return errTooEarly
			}
		}
		err := sink.Deliver(ctx, e)
		if errors.Is(err, provider.ErrUnknownCall) {
			taskID, _, _ := provider.SplitKey(e.Key)
			h.observe(ctx, provider.Notice{Kind: provider.NoticeStrayEvent, Provider: h.provider, TaskID: taskID, Key: e.Key, N: 1})
		}
		return err
	})
}
