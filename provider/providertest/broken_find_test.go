package providertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// findBreakages are providers that find or list wrongly.
var findBreakages = []breakage{
	{
		"Find looks at the task only", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				taskID, _, _ := provider.SplitKey(key)
				return f.Find(ctx, provider.Key(taskID, 1), since)
			}}
		},
		[]string{"Find"},
	},
	{
		"Find makes calls up", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if errors.Is(err, provider.ErrNotFound) && f.Dials() == 0 {
					return provider.Call{ID: "call-0", Key: key, Status: provider.StatusQueued}, nil
				}
				return c, err
			}}
		},
		[]string{"Find/unknown"},
	},
	{
		"a search cut short found nothing", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if ctx.Err() != nil {
					err = &provider.Error{Provider: "fake", Op: "find", Kind: provider.KindNotFound}
				}
				return c, err
			}}
		},
		[]string{"Find/cancelled_context"},
	},
	{
		"Find never sees a call that it missed once", false, func(f *Fake) provider.Provider {
			missed := sync.Map{}
			return &broken{Fake: f, find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
				c, err := f.Find(ctx, key, since)
				if _, before := missed.Load(key); before || errors.Is(err, provider.ErrNotFound) {
					missed.Store(key, true)
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "find", Kind: provider.KindNotFound}
				}
				return c, err
			}}
		},
		[]string{"Trouble/find_lag"},
	},
	{
		"Find does not see a call whose answer was lost", false, func(f *Fake) provider.Provider {
			kept := sync.Map{}
			return &broken{
				Fake: f,
				place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
					c, err := f.Place(ctx, req)
					if err == nil {
						kept.Store(req.Key, true)
					}
					return c, err
				},
				find: func(ctx context.Context, key string, since time.Time) (provider.Call, error) {
					if _, ok := kept.Load(key); !ok && ctx.Err() == nil {
						return provider.Call{}, &provider.Error{Provider: "fake", Op: "find", Kind: provider.KindNotFound}
					}
					return f.Find(ctx, key, since)
				},
			}
		},
		[]string{"LoseReply", "Trouble/fault_after_accept", "Trouble/closed_connection", "Trouble/slow"},
	},
	{
		"List sees nothing", false, func(f *Fake) provider.Provider {
			return &listing{&broken{Fake: f}, func(func(provider.Call, error) bool) {}}
		},
		[]string{"List"},
	},
	{
		"List fails", false, func(f *Fake) provider.Provider {
			return &listing{&broken{Fake: f}, func(yield func(provider.Call, error) bool) {
				yield(provider.Call{}, &provider.Error{Provider: "fake", Op: "list", Kind: provider.KindUnavailable})
			}}
		},
		[]string{"List"},
	},
}
