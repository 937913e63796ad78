package main

import (
	"context"
	"strings"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// consume is the intake.
func (h *host) consume(ctx context.Context) error {
	rows, closeRows, err := h.rows()
	if err != nil {
		return err
	}
	defer closeRows()
	temporal, err := h.temporal(loseAnswers)
	if err != nil {
		return err
	}
	defer temporal.Close()
	tasks, err := voicetask.NewClient(temporal, voicetask.ClientConfig{TaskQueue: h.cfg.Queue, Store: rows, Logger: h.log})
	if err != nil {
		return err
	}
	cfg := kafkasrc.Config{
		Brokers: strings.Split(h.cfg.Brokers, ","), Submitter: tasks, Topic: h.cfg.Topic, Group: h.cfg.Group, NoBulk: true,
		GroupProtocol: h.cfg.Protocol, InFlight: h.cfg.InFlight, Logger: h.log,
		Librdkafka: map[string]any{"topic.metadata.refresh.interval.ms": 1000, "auto.commit.interval.ms": 200, "reconnect.backoff.max.ms": 1000},
	}
	for name, value := range map[string]string{"session.timeout.ms": h.cfg.Session, "max.poll.interval.ms": h.cfg.MaxPoll} {
		if value != "" {
			cfg.Librdkafka[name] = value
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	if h.cfg.FallbackAfter != "" {
		direct, err := h.direct()
		if err != nil {
			return err
		}
		cfg.Fallback, cfg.FallbackAfter = direct, duration(h.cfg.FallbackAfter)
		g.Go(func() error { return direct.Run(ctx) })
	}
	consumer, err := kafkasrc.NewConsumer(cfg)
	if err != nil {
		return err
	}
	g.Go(func() error { return consumer.Run(ctx) })
	return g.Wait()
}

// direct carries tasks out in this process while Temporal is away.
func (h *host) direct() (*voicetask.Direct, error) {
	rows, _, err := h.rows()
	if err != nil {
		return nil, err
	}
	cfg, err := h.config(h.fenced(rows))
	if err != nil {
		return nil, err
	}
	return voicetask.NewDirect(cfg)
}

// loseAnswers puts a fault point where no code of the library runs: the server has
// started the workflow, and its answer is on the way.
func loseAnswers(o *client.Options) {
	lose := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := call(ctx, method, req, reply, cc, opts...)
		if err != nil || !strings.HasSuffix(method, "/StartWorkflowExecution") {
			return err
		}
		if fault.Point(ctx, fault.SubmitSent) != nil {
			return status.Error(codes.Unavailable, "the answer was lost")
		}
		return nil
	}
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(lose))
}
