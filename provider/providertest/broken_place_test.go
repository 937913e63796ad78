package providertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// placeBreakages are providers that place wrongly: twice, without an id, or not heeding their context.
var placeBreakages = []breakage{
	{
		"a lost answer is sent again", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if errors.Is(err, provider.ErrOutcomeUnknown) && ctx.Err() == nil {
					return f.Place(ctx, req)
				}
				return c, err
			}}
		},
		[]string{"LoseReply", "Trouble/fault_after_accept", "Trouble/closed_connection"},
	},
	{
		"every call is dialled twice", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				_, _ = f.Place(ctx, req)
				return f.Place(ctx, req)
			}}
		},
		allBut("Harness", "Place/cancelled_context", "Place/idempotent", "OnPlaced", "Find/unknown", "Find/cancelled_context", "List", "Errors"),
	},
	{
		"a lost answer is called unavailable", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if errors.Is(err, provider.ErrOutcomeUnknown) {
					err = &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindUnavailable, Err: err}
				}
				return c, err
			}}
		},
		[]string{"LoseReply", "Trouble/fault_after_accept", "Trouble/closed_connection", "Trouble/slow"},
	},
	{
		"a call is hung up when the context ends", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				onPlaced := req.OnPlaced
				req.OnPlaced = func(c provider.Call) error {
					context.AfterFunc(ctx, func() { _ = f.End(context.WithoutCancel(ctx), c.ID) })
					return onPlaced(c)
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"Trouble/slow"},
	},
	{
		"a call is hung up when its context ends later", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if err == nil {
					context.AfterFunc(ctx, func() { _ = f.End(context.WithoutCancel(ctx), c.ID) })
				}
				return c, err
			}}
		},
		[]string{"Place/context_ends_later"},
	},
	{
		"Place does not heed its context", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				return f.Place(context.WithoutCancel(ctx), req)
			}}
		},
		[]string{"Place/cancelled_context", "Trouble/slow", "Errors"},
	},
	{
		"a call made up when there is no time to place one", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				if ctx.Err() != nil {
					return provider.Call{ID: "call-0", Status: provider.StatusQueued}, nil
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{"Place/cancelled_context"},
	},
	{
		"a call without an id", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				c.ID = ""
				return c, err
			}}
		},
		allBut("Harness", "Place/cancelled_context", "Place/idempotent", "OnPlaced", "Find/unknown", "Find/cancelled_context", "List",
			"LoseReply", "Trouble/fault_after_accept", "Trouble/slow"),
	},
	{
		"two calls at once get one id", false, func(f *Fake) provider.Provider {
			var mu sync.Mutex
			busy := 0
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				mu.Lock()
				busy++
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				c, err := f.Place(ctx, req)
				mu.Lock()
				defer mu.Unlock()
				if busy > 1 && err == nil {
					c.ID = "call-1"
				}
				busy--
				return c, err
			}}
		},
		[]string{"Place/concurrent"},
	},
	{
		"keys are cut to 190 bytes", false, func(f *Fake) provider.Provider {
			cut := func(key string) string { return key[:min(len(key), 190)] }
			return &broken{
				Fake: f,
				place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
					req.Key = cut(req.Key)
					c, err := f.Place(ctx, req)
					c.Key = ""
					return c, err
				},
				find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
					c, err := f.Find(ctx, cut(key), since)
					c.Key = ""
					return c, err
				},
			}
		},
		[]string{"Place/odd_keys"},
	},
	{
		"an idempotent platform that is none", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, traits: func() provider.Traits { return provider.Traits{IdempotentPlace: true} }}
		},
		[]string{"Place/idempotent"},
	},
}
