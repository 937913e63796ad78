package providertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// mannerBreakages are providers that do not say who they are, what failed, or are not safe for concurrent use.
var mannerBreakages = []breakage{
	{
		"the name changes", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, name: func() string {
				if f.Dials() > 0 {
					return "fake2"
				}
				return "fake"
			}}
		},
		[]string{"Name"},
	},
	{
		"the name is not lower case", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, name: func() string { return "Fake" }}
		},
		[]string{"Name", "Errors"},
	},
	{
		"the traits change with the first call", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, traits: func() provider.Traits {
				return provider.Traits{Events: true, VisibilityLag: time.Duration(f.Dials()) * time.Second}
			}}
		},
		[]string{"Traits"},
	},
	{
		"the number is in the errors", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if err != nil {
					err = &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindOf(err), Err: fmt.Errorf("dialling %s: %w", req.To, err)}
				}
				return c, err
			}}
		},
		[]string{"Errors"},
	},
	{
		"errors of no type", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if errors.Is(err, provider.ErrOutcomeUnknown) {
					err = errors.New("unexpected EOF")
				}
				return c, err
			}}
		},
		[]string{"Errors"},
	},
	{
		"errors that do not say whose", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if err != nil {
					err = &provider.Error{Kind: provider.KindOf(err)}
				}
				return c, err
			}}
		},
		[]string{"Errors"},
	},
	{
		"one question at a time", false, func(f *Fake) provider.Provider {
			var mu sync.Mutex
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				if !mu.TryLock() {
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "get", Kind: provider.KindRateLimited}
				}
				defer mu.Unlock()
				time.Sleep(2 * time.Millisecond)
				return f.Get(ctx, id)
			}}
		},
		[]string{"Concurrent"},
	},
}
