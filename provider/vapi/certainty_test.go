package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
)

// A panic in a func of the host's comes before anything is sent, so it is certain: it
// must not cost the dial its certainty, nor the process its life.
func TestPanicOfAHostsFunc(t *testing.T) {
	panics := func(context.Context, provider.Request) (json.RawMessage, error) { panic("about " + answers) }
	for name, change := range map[string]func(*Config){
		"Assistant": func(c *Config) { c.Assistant = panics },
		"Overrides": func(c *Config) { c.Overrides = panics },
	} {
		f := newPlatform(t)
		_, err := f.provider(t, change).Place(t.Context(), request("panic/1", answers))
		if !errors.Is(err, provider.ErrInvalidRequest) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), answers) || f.Posts("") != 0 {
			t.Errorf("%s: got %v, %d POSTs", name, err, f.Posts(""))
		}
	}
}

// A batch's error has no status of its own, so only words that name a refusal prove
// that the call was not made.
func TestErrorOfABatchThatProvesNothing(t *testing.T) {
	for said, want := range map[string]provider.Kind{
		`"Internal server error"`:                 provider.KindOutcomeUnknown,
		`"timeout of 10000ms exceeded"`:           provider.KindOutcomeUnknown,
		`null`:                                    provider.KindOutcomeUnknown,
		`"Your Wallet Balance is -0.09"`:          provider.KindRejected,
		`["property x should not exist"]`:         provider.KindInvalidRequest,
		`"Over Concurrency Limit"`:                provider.KindRateLimited,
		`"customer.number is not a valid number"`: "",
	} {
		p, _ := answering(t, 201, `{"results":[],"errors":[{"customer":{},"error":`+said+`}]}`)
		_, err := p.Place(t.Context(), request("batch/1", answers))
		if got := provider.KindOf(err); got != want {
			t.Errorf("%s: got %v, want %s", said, err, want)
		}
	}
}

// A refusal that repeats the name as it was sent, cut to Vapi's forty characters.
func TestRefusalRepeatsNoName(t *testing.T) {
	name := strings.Repeat("Maximiliane ", 5)
	p, _ := answering(t, 400, `{"message":"cannot greet `+shorten(name)+` today","statusCode":400}`)
	req := request("name/1", answers)
	req.ToName = name
	if _, err := p.Place(t.Context(), req); err == nil || strings.Contains(err.Error(), "Maximiliane") {
		t.Errorf("got %v", err)
	}
}
