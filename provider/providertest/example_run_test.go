package providertest_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
)

// metered is a host's decorator: it counts what it passes on. Embedding the fake
// (in a host: the provider) passes on Find and Traits, too.
type metered struct {
	*providertest.Fake
	places atomic.Int64
}

func (m *metered) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	m.places.Add(1)
	return m.Fake.Place(ctx, req)
}

// harness is a Harness over a Fake. Over a platform of your own, the hooks tell the
// test server what to do to the next request.
func harness() providertest.Harness {
	var fake *providertest.Fake
	return providertest.Harness{
		New: func(*testing.T) provider.Provider {
			fake = providertest.NewFake("metered")
			return &metered{Fake: fake}
		},
		Request: func(key string) provider.Request {
			return provider.Request{Key: key, To: "+12025550123"}
		},
		Dials:     func() int { return fake.Dials() },
		LoseReply: func() { fake.Next(providertest.Step{LoseReply: true}) },
		Refuse: func(k provider.Kind) {
			fake.Next(providertest.Step{Fail: &provider.Error{Provider: "metered", Op: "place", Kind: k}})
		},
		Finish: func(id provider.CallID, o provider.Outcome) { fake.Finish(id, o) },
		Cannot: map[string]string{"Trouble": "there is no connection to trouble"},
	}
}

// In a test of what you made: a provider, or what decorates one.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T)
		providertest.Run(t, harness())
	}
}
