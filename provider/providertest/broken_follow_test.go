package providertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// followBreakages are providers that tell wrongly of a call, or do not end it.
var followBreakages = []breakage{
	{
		"an unknown call has ended", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				if errors.Is(err, provider.ErrNotFound) {
					return provider.Call{ID: id, Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted}, nil
				}
				return c, err
			}}
		},
		[]string{"Get/unknown"},
	},
	{
		"Get shows another call", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				c.ID += "0"
				return c, err
			}}
		},
		[]string{"Get"},
	},
	{
		"the end of a call cannot be known", false, func(f *Fake) provider.Provider {
			return &broken{
				Fake:   f,
				traits: func() provider.Traits { return provider.Traits{} },
				get: func(context.Context, provider.CallID) (provider.Call, error) {
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "get", Kind: provider.KindUnsupported}
				},
			}
		},
		[]string{"Get"},
	},
	{
		"an outcome of the vendor's own", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				if c.Outcome == provider.OutcomeCompleted {
					c.Outcome = "customer-ended-call"
				}
				return c, err
			}}
		},
		[]string{"Finish/completed"},
	},
	{
		"no answer counts as completed", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				if c.Outcome == provider.OutcomeNoAnswer {
					c.Outcome = provider.OutcomeCompleted
				}
				return c, err
			}}
		},
		[]string{"Finish/no_answer"},
	},
	{
		"what was not answered has a time of answer", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				c.AnsweredAt = c.CreatedAt
				return c, err
			}}
		},
		[]string{"Finish/no_answer"},
	},
	{
		"a call that ended comes back to life", false, func(f *Fake) provider.Provider {
			var mu sync.Mutex
			ended := map[provider.CallID]int{}
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				mu.Lock()
				defer mu.Unlock()
				if c.Status == provider.StatusEnded {
					if ended[id]++; ended[id] > 1 {
						c.Status, c.Outcome = provider.StatusInProgress, ""
					}
				}
				return c, err
			}}
		},
		[]string{"Finish/completed", "Finish/no_answer"},
	},
	{
		"local times", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := f.Get(ctx, id)
				c.CreatedAt = c.CreatedAt.In(time.FixedZone("CET", 3600))
				return c, err
			}}
		},
		[]string{"Get", "End", "End/twice", "Finish/completed", "Finish/no_answer"},
	},
	{
		"End of an unknown call is an error", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, end: func(ctx context.Context, id provider.CallID) error {
				if _, err := f.Get(ctx, id); err != nil {
					return &provider.Error{Provider: "fake", Op: "end", Kind: provider.KindOf(err)}
				}
				return f.End(ctx, id)
			}}
		},
		[]string{"End/unknown"},
	},
	{
		"End of an ended call is an error", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, end: func(ctx context.Context, id provider.CallID) error {
				if c, err := f.Get(ctx, id); err == nil && c.Status == provider.StatusEnded {
					return &provider.Error{Provider: "fake", Op: "end", Kind: provider.KindRejected}
				}
				return f.End(ctx, id)
			}}
		},
		[]string{"End/twice", "Concurrent"},
	},
	{
		"End does nothing", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, end: func(context.Context, provider.CallID) error { return nil }}
		},
		[]string{"End", "End/twice"},
	},
	{
		"End works the second time", false, func(f *Fake) provider.Provider {
			asked := sync.Map{}
			return &broken{Fake: f, end: func(ctx context.Context, id provider.CallID) error {
				if _, again := asked.LoadOrStore(id, true); !again {
					return nil
				}
				return f.End(ctx, id)
			}}
		},
		[]string{"End"},
	},
	{
		"End of a call that was seen to have ended is an error", false, func(f *Fake) provider.Provider {
			over := sync.Map{}
			return &broken{
				Fake: f,
				get: func(ctx context.Context, id provider.CallID) (provider.Call, error) {
					c, err := f.Get(ctx, id)
					if c.Status == provider.StatusEnded {
						over.Store(id, true)
					}
					return c, err
				},
				end: func(ctx context.Context, id provider.CallID) error {
					if _, known := over.Load(id); known {
						return &provider.Error{Provider: "fake", Op: "end", Kind: provider.KindRejected}
					}
					return f.End(ctx, id)
				},
			}
		},
		[]string{"End/twice"},
	},
}
