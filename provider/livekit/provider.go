package livekit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// visibilityLag is how long a dial may take to show: LiveKit's SIP service has 5 s
// to join the room.
const visibilityLag = 10 * time.Second

// Provider implements provider.Provider, Finder and Describer. It is no Lister:
// the platform keeps no history. It is safe for concurrent use.
type Provider struct {
	name   string
	cfg    Config // without APISecret
	api    client
	placer *vendorhttp.Placer
	log    *slog.Logger

	answers answers
	gap     time.Duration // between two looks into a room while Place waits
	margin  time.Duration // that Place waits beyond the ring limit
}

var (
	_ provider.Provider  = (*Provider)(nil)
	_ provider.Finder    = (*Provider)(nil)
	_ provider.Describer = (*Provider)(nil)
)

// New checks cfg. It opens nothing.
func New(cfg Config) (*Provider, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	base, err := baseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("livekit: Config.URL: %w", err)
	}
	placer, err := vendorhttp.NewPlacer(cfg.Name, cfg.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("livekit: Config.HTTPClient: %w", err)
	}
	p := &Provider{
		name: cfg.Name, placer: placer, log: cfg.Logger,
		api: client{
			provider: cfg.Name, base: base.String(), sign: newSigner(cfg.APIKey, cfg.APISecret),
			reader: vendorhttp.NewReader(cfg.Name, cfg.HTTPClient),
		},
		gap: 200 * time.Millisecond, margin: answerMargin,
	}
	cfg.APISecret = ""
	p.cfg = cfg
	return p, nil
}

// Name is the Config's, or DefaultName.
func (p *Provider) Name() string { return p.name }

// Traits says that a dial shows within seconds after the wait for the agent and, with
// Config.Webhooks, that events come. Place is not Blocking: it returns at the answer.
func (p *Provider) Traits() provider.Traits {
	setup := p.setupTime()
	return provider.Traits{Events: p.cfg.Webhooks, VisibilityLag: visibilityLag + setup, SetupTime: setup}
}

// setupTime is how long Place may wait before it dials.
func (p *Provider) setupTime() time.Duration {
	if p.cfg.AgentName == "" || p.cfg.AgentDials {
		return 0
	}
	return p.cfg.AgentWait
}

// End deletes the call's room: the callee is hung up on, or stops ringing, and the
// agent leaves. A room that is gone is no error.
func (p *Provider) End(ctx context.Context, id provider.CallID) error {
	r, ok := parseID(id)
	if !ok {
		return nil // not one of ours: there is nothing to end
	}
	return p.api.delete(ctx, "end", r.room)
}

// String leaves out the secrets.
func (p *Provider) String() string { return fmt.Sprintf("livekit.Provider(%q)", p.name) }

// Format writes p without its secrets, whatever the verb.
func (p *Provider) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, p.String()) }
