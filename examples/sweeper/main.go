// Command sweeper is what cleans up behind a fleet of workers: it starts the workflow of
// a task that nobody follows any more again, clears up dials that ended unknown when the
// platform tells late, and follows the live calls of a platform that can list them with
// one request for all. It never dials.
//
// Run one beside the workers, or two to be safe: they do not get into each other's way. A
// host may as well call Sweeper.Run in its worker's process.
//
//	go run ./sweeper
//
// Its variables are those of examples/worker; both must name the same database. Workers
// whose calls it follows have Config.Swept set.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
)

func main() { setup.Main("sweeper", run) }

func run(ctx context.Context, logger *slog.Logger) error {
	platforms, err := setup.Platforms(logger)
	if err != nil {
		return err
	}
	temporal, err := setup.Temporal(logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	rows, closeRows, err := setup.Rows(ctx)
	if err != nil {
		return err
	}
	defer closeRows()

	// begin: sweeper
	cfg, service, err := voicetask.ConfigFromEnv(os.Getenv)
	registry, noPlatform := provider.NewRegistry(platforms...)
	if err := errors.Join(err, noPlatform); err != nil {
		return err
	}
	cfg.Providers, cfg.Store, cfg.Logger = registry, rows, logger
	service.Store, service.Logger = rows, logger
	tasks, err := voicetask.NewClient(temporal, service)
	if err != nil {
		return err
	}
	sweeper, err := voicetask.NewSweeper(cfg, tasks)
	if err != nil {
		return err
	}
	return sweeper.Run(ctx)
	// end: sweeper
}
