package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/examples/internal/stopper"
)

func settings(t *testing.T) {
	t.Helper()
	t.Setenv("VOICE_DATABASE", filepath.Join(t.TempDir(), "voice.db"))
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	t.Setenv("VAPI_AUTH_TOKEN", "key")
	t.Setenv("VAPI_PHONE_NUMBER_ID", "") // it never dials
}

// It runs until it is told to stop, whether Temporal can be reached or not.
func TestRunStops(t *testing.T) {
	settings(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Setenv("VOICE_MAX_CALL_DURATION", "17m") // the workers' policy is the sweeper's
	out := &stopper.Log{At: "msg=sweeping ", Stop: func() { time.AfterFunc(100*time.Millisecond, cancel) }}
	if err := run(ctx, slog.New(slog.NewTextHandler(out, nil))); err != nil {
		t.Error(err)
	}
	if got := out.String(); strings.Count(got, "msg=sweeping ") != 1 || !strings.Contains(got, "platforms=[vapi]") || !strings.Contains(got, "longest_call=17m0s") {
		t.Errorf("no line at the start: %s", got)
	}
}

func TestRunNamesTheFault(t *testing.T) {
	settings(t)
	t.Setenv("VAPI_AUTH_TOKEN", "")
	if err := run(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "VAPI_AUTH_TOKEN") {
		t.Errorf("got %v, want VAPI_AUTH_TOKEN", err)
	}
	t.Setenv("VOICE_MAX_CALL_DURATION", "long")
	if err := run(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "VOICE_MAX_CALL_DURATION") {
		t.Errorf("got %v, want VOICE_MAX_CALL_DURATION", err)
	}
}
