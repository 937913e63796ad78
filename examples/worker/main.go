// Command worker is a host's worker: the process that carries tasks out. It shows which
// parts a host composes, and in which order; what lies between the marks is all that the
// library asks for.
//
// It dials through Vapi if VAPI_AUTH_TOKEN is set, and through LiveKit if LIVEKIT_URL
// is, keeps its rows in SQLite, and calls only at hours that are decent in every zone in
// which the callee's number may be. Run as many of them as you like on one machine, and
// stop them when you like: ctrl-C and SIGTERM hand over what waits and let a dial in flight
// finish (up to 75 s, or 85 s with LiveKit: give it that long before you kill it), and a worker that is killed
// loses no call and dials none again.
//
//	temporal server start-dev
//	export VAPI_AUTH_TOKEN=... VAPI_PHONE_NUMBER_ID=...
//	go run ./worker
//
// It logs "Started Worker" and waits for tasks; examples/consumer submits them.
//
// # Variables
//
// Those of the contract, which the library's ConfigFromEnv functions read: VOICE_TASK_QUEUE,
// AGENT_PROVIDER, MAX_CALL_RETRIES, OUTGOING_CALLS_ENABLED, CALL_STATUS_POLL_INTERVAL,
// ENABLE_BUSINESS_HOURS_CHECK, BUSINESS_HOURS_START and _END, VAPI_..., LIVEKIT_...,
// AGENT_NAME; and Temporal's own, TEMPORAL_ADDRESS and so on.
//
// This program's own:
//
//	VOICE_DATABASE           the SQLite file; voice.db
//	VOICE_WEBHOOK_ADDR       serve the platforms' webhooks there, as :8080; unset: do not
//	VOICE_WEBHOOK_URL        the same as the platforms see it, as https://voice.example.org:
//	                         Vapi is told to report to /webhooks/vapi below it (and
//	                         VAPI_WEBHOOK_SECRET is then required); have LiveKit report to
//	                         /webhooks/livekit
//	VOICE_PAYLOAD_KEY        encrypt what goes to Temporal, see examples/codec
//	VOICE_MAX_CALL_DURATION  override the policy: 15m
//	VOICE_RING_TIMEOUT       45s
//	VOICE_EVENT_GRACE        2m, the silence before polling starts where webhooks are expected
//	VOICE_REDIAL_AFTER       10s,20s,40s,1m, the waits before dials after a fault
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/numberzone"
)

func main() { setup.Main("worker", run) }

// run opens what the variables name, then works and serves webhooks until ctx ends.
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

	g, ctx := errgroup.WithContext(ctx)
	if addr := os.Getenv(setup.EnvWebhookAddr); addr != "" {
		handler, err := webhooks(temporal, rows, logger)
		if err != nil {
			return err
		}
		g.Go(func() error { return setup.Serve(ctx, addr, handler, logger) })
	}
	g.Go(func() error { return work(ctx, temporal, rows, platforms, adjust, logger) })
	return g.Wait()
}

// work is the worker itself. platforms are the providers to dial through, rows is the
// store, and adjust is this example's own: it sets what a host sets in cfg by itself.
func work(ctx context.Context, temporal client.Client, rows store.Store, platforms []provider.Provider,
	adjust func(*voicetask.Config), logger *slog.Logger,
) error {
	// begin: worker
	cfg, service, err := voicetask.ConfigFromEnv(os.Getenv)
	registry, noPlatform := provider.NewRegistry(platforms...)
	if err := errors.Join(err, noPlatform); err != nil {
		return err
	}
	cfg.Providers, cfg.Store, cfg.Logger = registry, rows, logger
	if cfg.Hours != nil {
		cfg.Hours.Zones = numberzone.Zones // wherever the callee's number may be
	}
	adjust(&cfg)
	w := worker.New(temporal, service.TaskQueue, worker.Options{WorkerStopTimeout: cfg.DrainTime()})
	if err := voicetask.RegisterWorker(w, cfg); err != nil {
		return err
	}
	return voicetask.RunWorker(ctx, w)
	// end: worker
}

// webhooks hands the platforms' reports to the tasks' rows and workflows. They may as well be
// served by a service of its own: it needs a Temporal client and the store.
func webhooks(temporal client.Client, rows store.Store, logger *slog.Logger) (http.Handler, error) {
	tasks, err := voicetask.NewClient(temporal, voicetask.ClientConfig{Store: rows, Observe: setup.Observe(logger), Logger: logger})
	if err != nil {
		return nil, err
	}
	return setup.Webhooks(tasks, logger)
}
