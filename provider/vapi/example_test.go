package vapi_test

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
)

// In a worker: the account comes from the environment, and calls report to the
// service that serves WebhookHandler.
func ExampleNew() {
	cfg, err := vapi.ConfigFromEnv(os.Getenv)
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg.WebhookURL = "https://hooks.example.com/vapi"
	p, err := vapi.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	registry, err := provider.NewRegistry(p)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = registry // goes into voicetask.Config.Providers
}

// In a web service: the sink is a *voicetask.Client; here it prints.
func ExampleWebhookHandler() {
	sink := provider.EventSinkFunc(func(_ context.Context, e provider.Event) error {
		fmt.Println(e.Key, e.Call.Status, e.Call.Outcome)
		return nil
	})
	h, err := vapi.WebhookHandler(vapi.WebhookConfig{Secret: "from VAPI_WEBHOOK_SECRET"}, sink)
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("POST /vapi", h)
}

// A missing value is named, with the way to set it.
func ExampleConfigFromEnv() {
	cfg, err := vapi.ConfigFromEnv(func(string) string { return "" })
	if err == nil {
		_, err = vapi.New(cfg)
	}
	fmt.Println(err)
	// Output: vapi: Config.AuthToken is empty: set it to the account's private key (VAPI_AUTH_TOKEN)
}
