package voicetask

import (
	"context"
	"fmt"
	"time"

	"github.com/superservices/voice/provider"
)

// DrainTime is how long a dial in flight may take, and so what belongs into
// worker.Options.WorkerStopTimeout: the ring limit, 30 s for the platform's requests
// before and after the ringing, and the longest Traits.SetupTime, the wait for an agent
// say. It is an upper bound: a stop without a dial in flight takes no time. What lasts
// longer is cut off, and then followed by another worker if its call shows, else unknown.
//
// Where PolicyFor allows longer ringing than Policy, add the difference. A Blocking
// provider's call is not waited for: its id is known, and another worker follows it.
func (c Config) DrainTime() time.Duration {
	var setup time.Duration
	if c.Providers != nil {
		for _, name := range c.Providers.Names() {
			p, _ := c.Providers.Lookup(name)
			setup = max(setup, provider.TraitsOf(p).SetupTime)
		}
	}
	return ringing(c.Policy.resolved(provider.Traits{}), setup)
}

// ringing bounds a Place that returns at the answer.
func ringing(p Policy, setup time.Duration) time.Duration {
	return p.RingTimeout + 2*executeMargin + max(setup, 0)
}

// RunWorker starts w, waits for ctx to end and stops it: worker.Worker with the
// lifecycle of everything here. It returns nil after a clean stop. Set
// worker.Options.WorkerStopTimeout to Config.DrainTime, so that a dial in flight is
// drained, and give the process somewhat longer before it is killed; everything else
// hands over at once.
func RunWorker(ctx context.Context, w interface {
	Start() error
	Stop()
}) error {
	if err := w.Start(); err != nil {
		return fmt.Errorf("voicetask: starting the worker: %w", err)
	}
	defer w.Stop()
	<-ctx.Done()
	return nil
}
