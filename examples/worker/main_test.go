package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong is told by the name of the variable or the field, in the error or the log, before
// anything is dialled.
func TestRunNamesTheFault(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, want string }{
		"no platform":   {"VAPI_AUTH_TOKEN", "", "VAPI_AUTH_TOKEN"},
		"no number":     {"VAPI_PHONE_NUMBER_ID", "", "VAPI_PHONE_NUMBER_ID"},
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
			var said bytes.Buffer
			err := run(t.Context(), slog.New(slog.NewTextHandler(&said, nil)))
			if err == nil || !strings.Contains(said.String()+err.Error(), c.want) {
				t.Errorf("got %v, want %s; logged:\n%s", err, c.want, said.String())
			}
		})
	}
}
