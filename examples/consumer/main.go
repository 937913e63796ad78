// Command consumer is a host's intake from Kafka: it submits each message of the topic as
// a task, which a worker (examples/worker) then carries out. What lies between the marks is
// all that the library asks for.
//
//	temporal server start-dev
//	go run ./consumer
//	echo '{"task_id":"t1","agent_id":"agent-1","data":{"contact_number":"+14155550100"}}' |
//		kcat -P -b localhost:9092 -t agent_outbound_requests
//
// A message is committed after its task was accepted, a malformed one goes to the topic
// agent_outbound_requests_dlq (examples/replay brings it back), and while Temporal is away
// messages wait. ctrl-C and SIGTERM stop it when what is in hand is settled. There is
// nothing to see but "stopped", unless something goes wrong.
//
// With -direct it needs neither Temporal nor a worker: it carries the tasks out itself
// ("legacy mode"), behind the same rows and with the worker's variables.
//
// # Variables
//
// KAFKA_BOOTSTRAP_SERVERS, AGENT_OUTBOUND_REQUEST_TOPIC, AGENT_OUTBOUND_REQUEST_GROUP,
// VOICE_TASK_QUEUE, Temporal's own (TEMPORAL_ADDRESS and so on), VOICE_DATABASE (the worker's
// file) and VOICE_PAYLOAD_KEY (the worker's keys). VOICE_HEALTH_ADDR, as :8081, serves GET
// /healthz: 200 while the consumer is in its group, with its numbers as JSON. For brokers that demand
// TLS or a login set Config.Librdkafka here, where ConfigFromEnv has returned.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/examples/internal/setup"
	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

func main() {
	direct := flag.Bool("direct", false, "carry the tasks out here, without Temporal")
	flag.Parse()
	if *direct {
		setup.Main("consumer", runDirect)
		return
	}
	setup.Main("consumer", run)
}

// run opens what the variables name, then submits messages until ctx ends.
func run(ctx context.Context, logger *slog.Logger) error {
	_, service, err := voicetask.ConfigFromEnv(os.Getenv)
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
	service.Store, service.Observe, service.Logger = rows, setup.Observe(logger), logger

	g, ctx := errgroup.WithContext(ctx)
	// begin: consumer
	cfg, err := kafkasrc.ConfigFromEnv(os.Getenv)
	tasks, noClient := voicetask.NewClient(temporal, service)
	if err := errors.Join(err, noClient); err != nil {
		return err
	}
	cfg.Submitter, cfg.Logger = tasks, logger
	consumer, err := kafkasrc.NewConsumer(cfg)
	if err != nil {
		return err
	}
	g.Go(func() error { return consumer.Run(ctx) })
	// end: consumer
	g.Go(func() error { return serveHealth(ctx, consumer.Stats, logger) })
	return g.Wait()
}
