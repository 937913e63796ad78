package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/examples/internal/stopper"
	"github.com/superservices/voice/kafkasrc"
)

var quiet = slog.New(slog.DiscardHandler)

func TestHealth(t *testing.T) {
	for ready, want := range map[bool]int{false: http.StatusServiceUnavailable, true: http.StatusOK} {
		w := httptest.NewRecorder()
		h := health(func() kafkasrc.Stats { return kafkasrc.Stats{Ready: ready, Received: 7} })
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		var stats kafkasrc.Stats
		if err := json.Unmarshal(w.Body.Bytes(), &stats); err != nil || w.Code != want || stats.Received != 7 {
			t.Errorf("ready %v: got %d, %s, %v", ready, w.Code, w.Body, err)
		}
	}
}

// What is wrong is told by the variable's name.
func TestRunNamesTheVariable(t *testing.T) {
	for name, c := range map[string]struct {
		run      func(ctx context.Context, logger *slog.Logger) error
		variable string
		value    string
		want     string
	}{
		"brokers":            {run, "KAFKA_BOOTSTRAP_SERVERS", "a,,b", "KAFKA_BOOTSTRAP_SERVERS"},
		"topic":              {run, "AGENT_OUTBOUND_REQUEST_TOPIC", "a b", "AGENT_OUTBOUND_REQUEST_TOPIC"},
		"payload key":        {run, "VOICE_PAYLOAD_KEY", "short", "VOICE_PAYLOAD_KEY"},
		"direct, no account": {runDirect, "VAPI_AUTH_TOKEN", "", "VAPI_AUTH_TOKEN"},
		"direct, policy":     {runDirect, "VOICE_RING_TIMEOUT", "soon", "VOICE_RING_TIMEOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VOICE_DATABASE", filepath.Join(t.TempDir(), "voice.db"))
			t.Setenv("VAPI_AUTH_TOKEN", "key")
			t.Setenv(c.variable, c.value)
			err := c.run(t.Context(), quiet)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Both modes stop when told to, though brokers and Temporal are away.
func TestRunStops(t *testing.T) {
	for name, run := range map[string]func(ctx context.Context, logger *slog.Logger) error{"temporal": run, "direct": runDirect} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VOICE_DATABASE", filepath.Join(t.TempDir(), "voice.db"))
			t.Setenv("VAPI_AUTH_TOKEN", "key")
			t.Setenv("VAPI_PHONE_NUMBER_ID", "number")
			t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
			t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out := &stopper.Log{At: "the brokers cannot be reached", Stop: cancel}
			if err := run(ctx, slog.New(slog.NewTextHandler(out, nil))); err != nil {
				t.Errorf("got %v, want nil after a stop", err)
			}
			if !strings.Contains(out.String(), out.At) {
				t.Errorf("it never ran: %s", out)
			}
		})
	}
}
