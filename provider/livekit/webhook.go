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

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// DefaultHoldBack is how long an event is put off that says less than Place will.
const DefaultHoldBack = 3 * time.Second

// WebhookConfig is what the receiver of a project's webhooks needs.
type WebhookConfig struct {
	// Provider is the name of the Provider these events belong to; default that of
	// Calls, else DefaultName. Two projects have two handlers, each with its own name.
	Provider string
	// APIKey and APISecret verify: webhooks are JWTs signed with them. The key is
	// the one in the server's webhook configuration. Required.
	APIKey    string
	APISecret string `json:"-"`
	// HoldBack is how long news of a call that nobody answered is put off, by
	// answering 503, which LiveKit repeats after 1, 3, 7 and 15 s. Webhooks carry no
	// SIP status and often overtake the answer that Place waits for, which does:
	// without a pause "busy" would sometimes be recorded as "declined". Default
	// DefaultHoldBack; negative: none, for agents that dial.
	HoldBack time.Duration
	// Calls, when set, is the Provider that places these calls: a call whose agent
	// has left is then ended by the webhook that says so, not when polling sees it.
	// Until Config.AgentGone is over that webhook is answered 503, so that LiveKit
	// sends it again (after 1, 3, 7 and 15 s in all). Its name is Provider, and the
	// default of that. May be nil.
	Calls *Provider
	// Observe takes notices: a forged webhook, a reason no rule knows, a second
	// participant under one key, an event that no task waits for. May be nil.
	Observe func(ctx context.Context, n provider.Notice)
	// Logger gets a line for what went wrong, for forgeries at most one a second.
	// Default: none.
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
	cfg, err := cfg.checked()
	switch {
	case err != nil:
		return nil, err
	case sink == nil:
		return nil, errors.New("livekit: WebhookHandler: sink is nil: events need somewhere to go, such as a *voicetask.Client")
	}
	h := &hook{provider: cfg.Provider, calls: cfg.Calls, holdBack: cfg.HoldBack, observe: cfg.Observe, log: cfg.Logger, verify: newVerifier(cfg.APIKey, cfg.APISecret)}
	return provider.WebhookHandler(h.parse, h.holding(sink)), nil
}

// checked returns c with its defaults, or an error that names the field.
func (c WebhookConfig) checked() (WebhookConfig, error) {
	if c.Provider == "" {
		c.Provider = DefaultName
		if c.Calls != nil {
			c.Provider = c.Calls.Name()
		}
	}
	if c.HoldBack == 0 {
		c.HoldBack = DefaultHoldBack
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, provider.Notice) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, f := range []field{{name: "APIKey", value: c.APIKey}, {name: "APISecret", value: c.APISecret}} {
		if f.value == "" {
			return c, fmt.Errorf("livekit: WebhookHandler: WebhookConfig.%s is required: it verifies the sender", f.name)
		}
		if err := checkToken(f.value); err != nil {
			return c, fmt.Errorf("livekit: WebhookHandler: WebhookConfig.%s: %w", f.name, err)
		}
	}
	if !validName.MatchString(c.Provider) {
		return c, fmt.Errorf("livekit: WebhookHandler: WebhookConfig.Provider is %q: set it to the Config.Name of the Provider that places these calls", c.Provider)
	}
	if c.Calls != nil && c.Calls.Name() != c.Provider {
		return c, fmt.Errorf("livekit: WebhookHandler: WebhookConfig.Provider is %q, but Calls is %q: leave Provider empty, or give each project its own handler", c.Provider, c.Calls.Name())
	}
	return c, nil
}

type hook struct {
	provider string
	holdBack time.Duration
	calls    *Provider
	observe  func(ctx context.Context, n provider.Notice)
	log      *slog.Logger
	verify   verifier
	left     departures

	forgeries vendorhttp.Seldom // what is logged of them
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
	h.forgeries.Log(func(n int) {
		h.log.WarnContext(ctx, "livekit: a webhook was not authentic", "provider", h.provider, "error", why, "n", n)
	})
	return provider.ErrBadSignature
}

var errTooEarly = errors.New("livekit: Place may know better")

// holding refuses young news of an unanswered call; the platform then sends it
// again, when Place has long said how the call ended.
func (h *hook) holding(sink provider.EventSink) provider.EventSink {
	return provider.EventSinkFunc(func(ctx context.Context, e provider.Event) error {
		c := e.Call
		if c.Reason == codeAgentLeft && c.Status == "" {
			return h.agentGone(ctx, sink, e)
		}
		firm := c.Reason == ResultEvent // nobody sends it again
		if !firm && c.Status == provider.StatusEnded && c.Outcome != provider.OutcomeCompleted && c.AnsweredAt.IsZero() {
			// At is in whole seconds. A clock that is further off holds nothing back.
			if age := time.Since(e.At); age < h.holdBack && age > -h.holdBack {
				return errTooEarly
			}
		}
		return h.pass(ctx, sink, e)
	})
}

func (h *hook) pass(ctx context.Context, sink provider.EventSink, e provider.Event) error {
	err := sink.Deliver(ctx, e)
	if errors.Is(err, provider.ErrUnknownCall) {
		taskID, _, _ := provider.SplitKey(e.Key)
		h.observe(ctx, provider.Notice{Kind: provider.NoticeStrayEvent, Provider: h.provider, TaskID: taskID, Key: e.Key, N: 1})
	}
	return err
}
