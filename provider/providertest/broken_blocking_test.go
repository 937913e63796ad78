package providertest

import (
	"context"

	"github.com/superservices/voice/provider"
)

// blockingBreakages are providers that whose Place blocks, and wrongly.
var blockingBreakages = []breakage{
	{
		"a blocking provider that tells nobody", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				req.OnPlaced = nil
				return f.Place(ctx, req)
			}}
		},
		allBut("Harness", "Place/cancelled_context", "Place/idempotent", "Find/unknown", "Find/cancelled_context", "List",
			"LoseReply", "Trouble/fault_after_accept", "Trouble/slow"),
	},
	{
		"a blocking provider that gives up when the id was not kept", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				ctx, cancel := context.WithCancelCause(ctx)
				onPlaced := req.OnPlaced
				req.OnPlaced = func(c provider.Call) error {
					if err := onPlaced(c); err != nil {
						cancel(err)
					}
					return nil
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"OnPlaced"},
	},
	{
		"a blocking provider that returns a live call", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if err == nil && c.Outcome != provider.OutcomeNoAnswer {
					c.Status, c.Outcome = provider.StatusInProgress, ""
				}
				return c, err
			}}
		},
		[]string{"Place", "Finish/completed"},
	},
	{
		"a blocking provider that returns a call live that was hung up", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if c.Outcome == provider.OutcomeCancelled {
					c.Status, c.Outcome = provider.StatusInProgress, ""
				}
				return c, err
			}}
		},
		[]string{"Place"},
	},
	{
		"a blocking provider that hangs up when the context ends", true, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				onPlaced := req.OnPlaced
				req.OnPlaced = func(c provider.Call) error {
					context.AfterFunc(ctx, func() { _ = f.End(context.WithoutCancel(ctx), c.ID) })
					return onPlaced(c)
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"Place/context_ends_later", "Trouble/slow"},
	},
}
