package voicetask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Config is what the activities need. Workers of one task queue should share it.
// The zero value of a field is its default; functions must be safe for concurrent
// use.
type Config struct {
	// Providers are the platforms to dial through. Required.
	Providers *provider.Registry
	// Store keeps the rows and the fence's ledger. Required.
	Store store.Store
	// DefaultProvider is used when the task names none; AGENT_PROVIDER.
	DefaultProvider string
	Policy          Policy
	// PolicyFor is per campaign or tenant; nil = Policy. An error is retried.
	PolicyFor func(ctx context.Context, t Task) (Policy, error)
	// ProviderFor names the provider; nil or "" = Registry.Select. An error is retried.
	ProviderFor func(ctx context.Context, t Task) (string, error)
	// Failover names the providers that may make a dial which the chosen one
	// certainly did not place, in order: each is the next send of that dial, under
	// the same key, of which there are three in all. A dial that may have been
	// placed stays where it is. An error is retried; a name that is not registered ends
	// the task as one that no provider fits. nil = none.
	Failover func(ctx context.Context, t Task) ([]string, error)
	// Breaker keeps dials from accounts that fail many times in a row, as this worker
	// process sees it; they go to the next of Failover, or wait. nil = none.
	Breaker *Breaker
	// Prepare has the last word on a Request: agent lookup, caller number. An error
	// is retried, unless it wraps ErrInvalidTask: that ends the task config_error.
	Prepare func(ctx context.Context, t Task, req *provider.Request) error
	// Hours are the calling hours; nil = none. ConfigFromEnv sets them as the
	// variables say.
	Hours *Hours
	// Gates are asked in order right before each dial, after Hours.
	Gates []Gate
	// Limits maps a scope to live calls at most. Not served yet: it must be nil.
	Limits func(t Task, prov string) map[string]int
	// Enabled is the kill switch, asked when a dial is judged and again right before
	// it is sent: false keeps every phone from ringing, and lets calls that are up go
	// on. It must answer from memory, and a panic counts as false. nil = true.
	Enabled func() bool
	// AllowVolatile lets NewDirect work on a store that is not Durable.
	AllowVolatile bool
	// Swept tells that a Sweeper runs for this store: calls of a provider.Lister are
	// then followed by its listing, and no workflow polls for itself. The deadline of a
	// call holds all the same.
	Swept bool
	// Observe takes what is worth counting; it must not block. nil = none.
	Observe func(ctx context.Context, n provider.Notice)
	// Wrap decorates the activities; nil = none.
	Wrap func(Activity) Activity
	// Logger logs conditions, never numbers or payloads; nil = none.
	Logger *slog.Logger
	// Now defaults to time.Now; test kits set it.
	Now func() time.Time
}

// withDefaults fills what may be nil.
func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, provider.Notice) {}
	}
	if c.Logger == nil {
		c.Logger = discardLogger()
	}
	if c.Enabled == nil {
		c.Enabled = func() bool { return true }
	}
	return c
}

func discardLogger() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// warn logs what is allowed and yet may end many a task, the first ones unseen. A host may
// have an account only to follow old calls, or a Provider of its own that adds what is missing.
func (c Config) warn() {
	number := provider.Choice{Default: c.DefaultProvider, Number: "a number"}
	if _, err := c.Providers.Select(number); err != nil && c.ProviderFor == nil {
		c.Logger.Warn("a task that names neither provider nor room ends config_error: set Config.DefaultProvider (AGENT_PROVIDER)",
			"registered", c.Providers.Names())
	}
	for _, name := range c.Providers.Names() {
		if p, _ := c.Providers.Lookup(name); c.Prepare == nil && provider.TraitsOf(p).NeedsFrom {
			c.Logger.Warn("a provider has no number to call from, so that its tasks end config_error: give it one (VAPI_PHONE_NUMBER_ID for Vapi), or set Request.From in Config.Prepare",
				"provider", name)
		}
	}
}

// check reports what cannot work, by field and remedy.
func (c Config) check() error {
	switch {
	case c.Providers == nil:
		return errors.New("voicetask: Config.Providers is nil: set it to provider.NewRegistry(...)")
	case c.Store == nil:
		return errors.New("voicetask: Config.Store is nil: set it to a sqlstore.Store, or a store.Memory in tests")
	case c.Limits != nil:
		return errors.New("voicetask: Config.Limits is not served yet: leave it nil and bound calls with a Gate")
	}
	if c.DefaultProvider != "" {
		if _, ok := c.Providers.Lookup(c.DefaultProvider); !ok {
			return fmt.Errorf("voicetask: Config.DefaultProvider %q is not registered: use one of %v", c.DefaultProvider, c.Providers.Names())
		}
	}
	if err := c.Policy.check(); err != nil {
		return fmt.Errorf("voicetask: Config.Policy.%w", err)
	}
	for _, name := range c.Providers.Names() {
		p, _ := c.Providers.Lookup(name)
		traits := provider.TraitsOf(p)
		if err := c.Policy.resolved(traits).fits(traits); err != nil {
			return fmt.Errorf("voicetask: Config.Policy does not fit provider %q: %w", name, err)
		}
	}
	if c.Hours != nil {
		if err := c.Hours.check(); err != nil {
			return fmt.Errorf("voicetask: Config.Hours: %w", err)
		}
	}
	for i, g := range c.Gates {
		if g == nil {
			return fmt.Errorf("voicetask: Config.Gates[%d] is nil: leave it out", i)
		}
	}
	if c.Breaker != nil {
		if err := c.Breaker.check(); err != nil {
			return fmt.Errorf("voicetask: Config.Breaker.%w", err)
		}
	}
	return nil
}

func durable(s store.Store) bool {
	d, ok := s.(store.Durability)
	return !ok || d.Durable()
}
