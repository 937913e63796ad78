package livekit_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
)

// In a worker: a provider from the environment, whose webhooks reach the host.
func ExampleNew() {
	cfg, err := livekit.ConfigFromEnv(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	cfg.Webhooks = true
	p, err := livekit.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	call, err := p.Place(ctx, provider.Request{Key: provider.Key("order-42", 1), To: "+15550100001"})
	if err != nil {
		log.Fatal(err) // provider.KindOf(err).NotPlaced() says whether a phone may have rung
	}
	fmt.Println(call.Status, call.Outcome)
}

// In a service: LiveKit's webhooks, verified, on their way to the library.
func ExampleWebhookHandler() {
	sink := provider.EventSinkFunc(func(_ context.Context, e provider.Event) error {
		fmt.Println(e.Key, e.Call.Outcome) // a *voicetask.Client is a sink
		return nil
	})
	h, err := livekit.WebhookHandler(livekit.WebhookConfig{APIKey: "APIxyz", APISecret: "the project's secret"}, sink)
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /livekit/webhook", h)
}
