package livekit

import (
	"context"
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
)

// The events of one account must not end the calls of another.
func TestWebhookCallsAreTheAccounts(t *testing.T) {
	p, err := New(Config{Name: "second", URL: "http://127.0.0.1:1", APIKey: "k", APISecret: "s", SIPTrunkID: "ST_1", AgentName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	sink := provider.EventSinkFunc(func(context.Context, provider.Event) error { return nil })
	for name, want := range map[string]string{"": "", "second": "", "livekit": `"second"`} {
		_, err := WebhookHandler(WebhookConfig{Provider: name, APIKey: "k", APISecret: "s", Calls: p}, sink)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
