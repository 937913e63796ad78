package main

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/voicetask"
)

// What is wrong is told by the name of the variable or the field, before anything is dialled.
func TestRunNamesTheFault(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, want string }{
		"no platform":   {"VAPI_AUTH_TOKEN", "", "VAPI_AUTH_TOKEN"},
		"hours":         {"BUSINESS_HOURS_START", "23h", "BUSINESS_HOURS_START"},
		"provider":      {"AGENT_PROVIDER", "acme", "Config.DefaultProvider"},
		"override":      {"VOICE_MAX_CALL_DURATION", "15", "VOICE_MAX_CALL_DURATION"},
		"ring too long": {"VOICE_RING_TIMEOUT", "20m", "RingTimeout"},
		"webhooks":      {"VOICE_WEBHOOK_ADDR", "127.0.0.1:0", "VAPI_WEBHOOK_SECRET"},
		"database":      {"VOICE_DATABASE", "nowhere/voice.db", "VOICE_DATABASE"},
		"Temporal":      {"TEMPORAL_ADDRESS", "127.0.0.1:1", "starting the worker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VOICE_DATABASE", filepath.Join(t.TempDir(), "voice.db"))
			t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
			t.Setenv("VAPI_AUTH_TOKEN", "key")
			t.Setenv("VAPI_PHONE_NUMBER_ID", "number")
			t.Setenv(c.variable, c.value)
			err := run(t.Context(), slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestDrainTime(t *testing.T) {
	if got := drainTime(voicetask.Policy{}); got != time.Minute {
		t.Errorf("got %v, want a minute", got)
	}
	if got := drainTime(voicetask.Policy{RingTimeout: 5 * time.Second}); got != 20*time.Second {
		t.Errorf("got %v, want 20s", got)
	}
}
