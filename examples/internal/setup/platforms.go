package setup

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
	"github.com/superservices/voice/provider/vapi"
)

// The variables that choose platforms and their webhooks. Each platform's package
// reads the others of its own.
const (
	EnvVapi        = "VAPI_AUTH_TOKEN"    // set: there is a provider "vapi"
	EnvLiveKit     = "LIVEKIT_URL"        // set: there is a provider "livekit"
	EnvWebhookAddr = "VOICE_WEBHOOK_ADDR" // where this process serves webhooks, as ":8080"; unset: it does not
	EnvWebhookURL  = "VOICE_WEBHOOK_URL"  // the same as the platforms see it, as "https://voice.example.org"
	envVapiSecret  = "VAPI_WEBHOOK_SECRET"
)

// Where the webhooks are, below VOICE_WEBHOOK_URL.
const (
	PathVapi    = "/webhooks/vapi"
	PathLiveKit = "/webhooks/livekit"
)

// Platforms returns the providers that the variables name.
//
// With VOICE_WEBHOOK_URL set, each Vapi call asks for its reports there, and LiveKit,
// which has the address in its own configuration, is trusted to send them: polling then
// starts only after a silence.
func Platforms(logger *slog.Logger) ([]provider.Provider, error) {
	var (
		all   []provider.Provider
		wrong []error
	)
	for _, platform := range []struct {
		variable string
		open     func(*slog.Logger) (provider.Provider, error)
	}{{EnvVapi, vapiFromEnv}, {EnvLiveKit, livekitFromEnv}} {
		if os.Getenv(platform.variable) == "" {
			continue
		}
		p, err := platform.open(logger)
		all, wrong = append(all, p), append(wrong, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no platform to call through: set %s or %s", EnvVapi, EnvLiveKit)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return all, nil
}

func livekitFromEnv(logger *slog.Logger) (provider.Provider, error) {
	cfg, err := livekit.ConfigFromEnv(os.Getenv)
	if err != nil {
		return nil, err
	}
	cfg.Webhooks, cfg.Logger = os.Getenv(EnvWebhookURL) != "", logger
	return livekit.New(cfg)
}

func vapiFromEnv(logger *slog.Logger) (provider.Provider, error) {
	cfg, err := vapi.ConfigFromEnv(os.Getenv)
	if err != nil {
		return nil, err
	}
	if base := os.Getenv(EnvWebhookURL); base != "" {
		if cfg.WebhookURL, err = url.JoinPath(base, PathVapi); err != nil {
			return nil, fmt.Errorf("%s: it is no URL", EnvWebhookURL)
		}
		if cfg.WebhookSecret == "" {
			return nil, noSecret(EnvWebhookURL)
		}
	}
	cfg.Logger = logger
	return vapi.New(cfg)
}

// Webhooks returns the handlers of the platforms that the variables name; they hand
// verified events to sink.
func Webhooks(sink provider.EventSink, logger *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	if os.Getenv(EnvVapi) != "" {
		secret := os.Getenv(envVapiSecret)
		if secret == "" {
			return nil, noSecret(EnvWebhookAddr)
		}
		h, err := vapi.WebhookHandler(vapi.WebhookConfig{Secret: secret, Observe: Observe(logger), Logger: logger}, sink)
		if err != nil {
			return nil, err
		}
		mux.Handle(PathVapi, h)
	}
	if os.Getenv(EnvLiveKit) != "" {
		cfg, err := livekit.ConfigFromEnv(os.Getenv)
		if err != nil {
			return nil, err
		}
		h, err := livekit.WebhookHandler(livekit.WebhookConfig{
			APIKey: cfg.APIKey, APISecret: cfg.APISecret, Observe: Observe(logger), Logger: logger,
		}, sink)
		if err != nil {
			return nil, err
		}
		mux.Handle(PathLiveKit, h)
	}
	return mux, nil
}

func noSecret(with string) error {
	return fmt.Errorf("%s is required with %s: it proves that a webhook is Vapi's", envVapiSecret, with)
}
