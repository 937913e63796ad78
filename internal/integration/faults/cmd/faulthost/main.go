// Command faulthost is the host whose processes the fault harness breaks: it composes
// the library as any host does, with short times, and with the fault points compiled in
// (-tags voice_faults). Its argument is a parts.HostConfig as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "faulthost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if !fault.Armed {
		return errors.New("built without -tags voice_faults: its fault points are not there")
	}
	if len(os.Args) != 2 {
		return errors.New("want one argument, the configuration")
	}
	h := &host{log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if err := json.Unmarshal([]byte(os.Args[1]), &h.cfg); err != nil {
		return err
	}
	h.log = h.log.With("process", h.cfg.Name, "pid", os.Getpid())
	switch h.cfg.Role {
	case parts.RoleMigrate:
		return h.migrate(ctx)
	case parts.RoleWorker:
		return h.work(ctx)
	case parts.RoleConsumer:
		return h.consume(ctx)
	}
	return fmt.Errorf("role %q", h.cfg.Role)
}

// host is one process.
type host struct {
	cfg parts.HostConfig
	log *slog.Logger
}

// duration reads a field of the configuration; empty is zero.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if text != "" && err != nil {
		panic(err) // the harness wrote it
	}
	return d
}

// now is the process's clock.
func (h *host) now() time.Time { return time.Now().Add(duration(h.cfg.Skew)) }
