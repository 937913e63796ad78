package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/kafkasrc"
)

const envHealthAddr = "VOICE_HEALTH_ADDR"

// serveHealth answers GET /healthz on VOICE_HEALTH_ADDR: 200 while the consumer is in its
// group, else 503, with its Stats as JSON. Without the variable it does nothing.
func serveHealth(ctx context.Context, stats func() kafkasrc.Stats, logger *slog.Logger) error {
	addr := os.Getenv(envHealthAddr)
	if addr == "" {
		return nil
	}
	return setup.Serve(ctx, addr, health(stats), logger)
}

func health(stats func() kafkasrc.Stats) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		s := stats()
		w.Header().Set("Content-Type", "application/json")
		if !s.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(s) // the client is gone: nothing to do
	})
	return mux
}
