// Command quickstart is the shortest real program: one process that is the worker and the
// service in one, with rows in memory and a scripted telephone platform, so that nobody's
// phone rings. The first call ends with a fault of the platform and is dialled again.
//
// Run it against a Temporal server at TEMPORAL_ADDRESS (default localhost:7233):
//
//	temporal server start-dev
//	go run ./quickstart
//
// After some 5 seconds, and a few lines of Temporal's own log, it prints:
//
//	quickstart-1767780000: completed (completed) after 2 dials
//	2.4 s: "AI: Hello, this is a test call.\nUser: Hello."
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// queue is this program's own: a worker that dials for real must not take its task.
const queue = "voice-quickstart"

func run(ctx context.Context) error {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return err
	}
	options.Logger = tlog.NewStructuredLogger(slog.Default()) // without its debug lines
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer temporal.Close()

	// What a host brings: a platform to call through, and a place for the rows.
	platform := providertest.NewFake("scripted",
		providertest.Step{Outcome: provider.OutcomeProviderFault, Lasts: time.Second},
		providertest.Step{Outcome: provider.OutcomeCompleted, Lasts: 3 * time.Second})
	registry, err := provider.NewRegistry(platform)
	if err != nil {
		return err
	}
	rows := store.NewMemory()

	// The worker carries tasks out.
	w := worker.New(temporal, queue, worker.Options{})
	err = voicetask.RegisterWorker(w, voicetask.Config{
		Providers: registry, Store: rows, DefaultProvider: "scripted",
		Policy: voicetask.Policy{
			EventGrace: time.Second, PollInterval: time.Second, // no webhooks here: ask
			Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeProviderFault: {After: []time.Duration{time.Second}}},
		},
	})
	if err != nil {
		return err
	}
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()

	// The service submits them. Any process with a Temporal client and the store may.
	tasks, err := voicetask.NewClient(temporal, voicetask.ClientConfig{TaskQueue: queue, Store: rows})
	if err != nil {
		return err
	}
	task := voicetask.Task{
		ID: fmt.Sprintf("quickstart-%d", time.Now().Unix()), AgentID: "agent-1",
		Data: voicetask.Data{ContactNumber: "+14155550100", ContactName: "Ada Example"},
	}
	if err := tasks.Submit(ctx, task); err != nil {
		return err
	}
	res, err := tasks.Wait(ctx, task.ID)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s (%s) after %d dials\n", res.TaskID, res.Status, res.Outcome, res.Dials)
	fmt.Printf("%.1f s: %q\n", res.Data.Duration, res.Data.Transcript)
	return nil
}
