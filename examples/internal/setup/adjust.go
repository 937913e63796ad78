package setup

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
)

// Overrides of voicetask.Policy, as durations like "90s". They are these examples' own,
// for demos that cannot wait: a host sets the fields in code. Unset: the library's
// defaults.
const (
	EnvMaxCallDuration = "VOICE_MAX_CALL_DURATION" // Policy.MaxCallDuration, 15m
	EnvRingTimeout     = "VOICE_RING_TIMEOUT"      // Policy.RingTimeout, 45s
	EnvEventGrace      = "VOICE_EVENT_GRACE"       // Policy.EventGrace, 2m
	EnvRedialAfter     = "VOICE_REDIAL_AFTER"      // Redial.After of each outcome in DefaultRedial, a list: 10s,20s,40s,1m
)

// Adjust reads the overrides and returns what applies them, and what has notices logged.
func Adjust(logger *slog.Logger) (func(*voicetask.Config), error) {
	var override voicetask.Policy
	for _, v := range []struct {
		name string
		to   *time.Duration
	}{
		{EnvMaxCallDuration, &override.MaxCallDuration},
		{EnvRingTimeout, &override.RingTimeout},
		{EnvEventGrace, &override.EventGrace},
	} {
		all, err := durations(v.name)
		if err != nil {
			return nil, err
		}
		switch len(all) {
		case 0:
		case 1:
			*v.to = all[0]
		default:
			return nil, fmt.Errorf("%s: one duration is wanted, not %d", v.name, len(all))
		}
	}
	after, err := durations(EnvRedialAfter)
	if err != nil {
		return nil, err
	}
	if len(after) > 0 {
		override.Redial = voicetask.DefaultRedial()
		for outcome, redial := range override.Redial {
			redial.After = after
			override.Redial[outcome] = redial
		}
	}
	return func(cfg *voicetask.Config) {
		override.MaxDials, override.PollInterval = cfg.Policy.MaxDials, cfg.Policy.PollInterval
		cfg.Policy = override
		cfg.Observe = Observe(logger)
	}, nil
}

// durations reads a list of positive durations; an unset variable is an empty one.
func durations(name string) ([]time.Duration, error) {
	list := os.Getenv(name)
	if list == "" {
		return nil, nil
	}
	var all []time.Duration
	for text := range strings.SplitSeq(list, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("%s: %q is no duration above 0, such as 90s", name, text)
		}
		all = append(all, d)
	}
	return all, nil
}

// Observe returns a function that logs what is worth counting. A host counts it, and
// has provider.NoticeSecondCall wake somebody up.
func Observe(logger *slog.Logger) func(ctx context.Context, n provider.Notice) {
	return func(ctx context.Context, n provider.Notice) {
		logger.WarnContext(ctx, "notice", "kind", n.Kind, "provider", n.Provider, "task_id", n.TaskID, "key", n.Key, "n", max(n.N, 1))
	}
}
