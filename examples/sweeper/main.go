// Command sweeper is what cleans up behind a fleet of workers: it starts the workflow of
// a task that nobody follows any more again, clears up dials that ended unknown when the
// platform tells late, and follows the live calls of a platform that can list them with
// one request for all. It never dials.
//
// Run one beside the workers, or two to be safe: they do not get into each other's way. A
// host may as well call Sweeper.Run in its worker's process.
//
//	temporal server start-dev
//	export VAPI_AUTH_TOKEN=...
//	go run ./sweeper
//
// It logs "sweeping", with the platforms that it asks and the longest call that it lets be,
// and then only what is worth counting ("notice") and what fails: it is silent while all is
// well.
//
// Its variables are those of examples/worker, and should be the same, VOICE_DATABASE and
// VOICE_MAX_CALL_DURATION above all: it hangs up what is up beyond the policy's limits. It
// needs the platforms' keys, since it asks them what became of calls, and no
// VAPI_PHONE_NUMBER_ID. Workers whose calls it follows have Config.Swept set.
package main

import (
	"cmp"
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
	platforms, noPlatform := setup.Platforms(logger)
	adjust, wrong := setup.Adjust(logger)
	if err := errors.Join(noPlatform, wrong); err != nil {
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
	adjust(&cfg) // the workers' policy, and notices that are logged
	service.Store, service.Logger, service.Observe = rows, logger, cfg.Observe
	tasks, err := voicetask.NewClient(temporal, service)
	if err != nil {
		return err
	}
	sweeper, err := voicetask.NewSweeper(cfg, tasks)
	if err != nil {
		return err
	}
	logger.Info("sweeping", "platforms", registry.Names(), "task_queue", service.TaskQueue,
		"longest_call", cmp.Or(cfg.Policy.MaxCallDuration, voicetask.DefaultMaxCallDuration))
	return sweeper.Run(ctx)
	// end: sweeper
}
