package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/numberzone"
)

// runDirect is run without Temporal: the Submitter is a *voicetask.Direct, whose own Run
// joins the group, and whoever would configure a worker configures it.
func runDirect(ctx context.Context, logger *slog.Logger) error {
	cfg, closeRows, err := directConfig(ctx, logger)
	if err != nil {
		return err
	}
	defer closeRows()
	direct, err := voicetask.NewDirect(cfg)
	if err != nil {
		return err
	}
	intake, err := kafkasrc.ConfigFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	intake.Submitter, intake.Logger = direct, logger
	consumer, err := kafkasrc.NewConsumer(intake)
	if err != nil {
		return err
	}
	webhooks, err := setup.Webhooks(direct, logger)
	addr := os.Getenv(setup.EnvWebhookAddr)
	if err != nil && addr != "" {
		return err
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return direct.Run(ctx) })
	g.Go(func() error { return consumer.Run(ctx) })
	g.Go(func() error { return serveHealth(ctx, consumer.Stats, logger) })
	if addr != "" {
		g.Go(func() error { return setup.Serve(ctx, addr, webhooks, logger) })
	}
	return g.Wait()
}

// directConfig is what examples/worker gives to RegisterWorker.
func directConfig(ctx context.Context, logger *slog.Logger) (voicetask.Config, func(), error) {
	cfg, _, err := voicetask.ConfigFromEnv(os.Getenv)
	platforms, wrongPlatform := setup.Platforms(logger)
	adjust, wrongOverride := setup.Adjust(logger)
	if err := errors.Join(err, wrongPlatform, wrongOverride); err != nil {
		return cfg, nil, err
	}
	if cfg.Providers, err = provider.NewRegistry(platforms...); err != nil {
		return cfg, nil, err
	}
	if cfg.Hours != nil {
		cfg.Hours.Zones = numberzone.Zones
	}
	cfg.Logger = logger
	adjust(&cfg)
	rows, closeRows, err := setup.Rows(ctx)
	cfg.Store = rows
	return cfg, closeRows, err
}
