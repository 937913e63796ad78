package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func settings(t *testing.T) {
	t.Helper()
	t.Setenv("VOICE_DATABASE", filepath.Join(t.TempDir(), "voice.db"))
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	t.Setenv("VAPI_AUTH_TOKEN", "key")
	t.Setenv("VAPI_PHONE_NUMBER_ID", "number")
}

// It runs until it is told to stop, whether Temporal can be reached or not.
func TestRunStops(t *testing.T) {
	settings(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := run(ctx, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestRunNamesTheFault(t *testing.T) {
	settings(t)
	t.Setenv("VAPI_AUTH_TOKEN", "")
	if err := run(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "VAPI_AUTH_TOKEN") {
		t.Errorf("got %v, want VAPI_AUTH_TOKEN", err)
	}
}
