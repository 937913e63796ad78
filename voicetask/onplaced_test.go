package voicetask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
)

// TestAPanicInOnPlaced, on a goroutine of the provider's, is an error to the provider:
// it must not take the worker down with all its calls.
func TestAPanicInOnPlaced(t *testing.T) {
	for name, prepare := range map[string]func(req *provider.Request){
		"panics":    func(req *provider.Request) { req.OnPlaced = func(provider.Call) error { panic("canary +14155550100") } },
		"taken off": func(req *provider.Request) { req.OnPlaced = nil },
	} {
		p := fakeHook(providertest.Step{Lasts: time.Minute})
		told := make(chan error, 1)
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			c, err := p.Fake.Place(ctx, req)
			go func() { told <- req.OnPlaced(c) }()
			if err := <-told; name == "panics" {
				require.ErrorContains(t, err, "panicked")
				require.NotContains(t, err.Error(), "canary")
			} else {
				require.NoError(t, err)
			}
			return c, err
		}
		cfg := voicetask.Config{Prepare: func(_ context.Context, _ voicetask.Task, req *provider.Request) error { prepare(req); return nil }}
		w := newWorldOn(t, cfg, p.Fake, p)
		require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome, name)
		require.Equal(t, 1, p.Dials())
	}
}
