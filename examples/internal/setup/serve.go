package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a Serve.
const (
	headerTime   = 5 * time.Second
	requestTime  = 30 * time.Second
	idleTime     = 2 * time.Minute
	shutdownTime = 10 * time.Second
)

// Serve serves handler on addr until ctx ends, then lets requests in hand finish for a
// bounded time.
func Serve(ctx context.Context, addr string, handler http.Handler, logger *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	server := &http.Server{
		Handler:           http.TimeoutHandler(handler, requestTime, ""), // a 503, which platforms repeat
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime + headerTime,
		IdleTimeout:       idleTime,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	logger.Info("serving HTTP", "addr", listener.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		return errors.Join(fmt.Errorf("serving HTTP: stopping: %w", err), server.Close())
	}
	return nil
}
