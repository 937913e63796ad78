package providertest

import (
	"context"
	"sync"

	"github.com/superservices/voice/provider"
)

// refusalBreakages are providers that refuse wrongly.
var refusalBreakages = []breakage{
	{
		"a refusal is sent again", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if provider.KindOf(err).NotPlaced() {
					return f.Place(ctx, req)
				}
				return c, err
			}}
		},
		[]string{
			"Refuse/invalid_request", "Refuse/unauthenticated", "Refuse/not_found", "Refuse/rejected",
			"Refuse/rate_limited", "Refuse/unavailable",
		},
	},
	{
		"every refusal is of one kind", false, func(f *Fake) provider.Provider {
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := f.Place(ctx, req)
				if provider.KindOf(err).NotPlaced() {
					return c, &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindRejected, Err: err}
				}
				return c, err
			}}
		},
		[]string{
			"Refuse/invalid_request", "Refuse/unauthenticated", "Refuse/not_found", "Refuse/rate_limited", "Refuse/unavailable",
		},
	},
	{
		"a refused key is refused for ever", false, func(f *Fake) provider.Provider {
			seen := sync.Map{}
			return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
				if _, again := seen.LoadOrStore(req.Key, true); again {
					return provider.Call{}, &provider.Error{Provider: "fake", Op: "place", Kind: provider.KindRejected}
				}
				return f.Place(ctx, req)
			}}
		},
		[]string{
			"Refuse/invalid_request", "Refuse/unauthenticated", "Refuse/not_found", "Refuse/rejected",
			"Refuse/rate_limited", "Refuse/unavailable",
		},
	},
}

// toldAsAnother is a refusal of one kind that is told as another, for each kind.
func toldAsAnother() []breakage {
	var all []breakage
	for _, kind := range kindsOf[hookRefuse] {
		told := provider.KindRejected
		if kind == string(told) {
			told = provider.KindInvalidRequest
		}
		all = append(all, breakage{
			"a refusal of kind " + kind + " is told as another", false, func(f *Fake) provider.Provider {
				return &broken{Fake: f, place: func(ctx context.Context, req provider.Request) (provider.Call, error) {
					c, err := f.Place(ctx, req)
					if provider.KindOf(err) == provider.Kind(kind) {
						err = &provider.Error{Provider: "fake", Op: "place", Kind: told, Err: err}
					}
					return c, err
				}}
			},
			[]string{"Refuse/" + kind},
		})
	}
	return all
}
