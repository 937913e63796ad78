package providertest

import (
	"context"
	"iter"
	"time"

	"github.com/superservices/voice/provider"
)

// broken is a Fake of which some methods are replaced.
type broken struct {
	*Fake
	name   func() string
	traits func() provider.Traits
	place  func(ctx context.Context, req provider.Request) (provider.Call, error)
	get    func(ctx context.Context, id provider.CallID) (provider.Call, error)
	end    func(ctx context.Context, id provider.CallID) error
	find   func(ctx context.Context, key string, since time.Time) (provider.Call, error)
}

func (b *broken) Name() string {
	if b.name != nil {
		return b.name()
	}
	return b.Fake.Name()
}

func (b *broken) Traits() provider.Traits {
	if b.traits != nil {
		return b.traits()
	}
	return b.Fake.Traits()
}

func (b *broken) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	if b.place != nil {
		return b.place(ctx, req)
	}
	return b.Fake.Place(ctx, req)
}

func (b *broken) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	if b.get != nil {
		return b.get(ctx, id)
	}
	return b.Fake.Get(ctx, id)
}

func (b *broken) End(ctx context.Context, id provider.CallID) error {
	if b.end != nil {
		return b.end(ctx, id)
	}
	return b.Fake.End(ctx, id)
}

func (b *broken) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	if b.find != nil {
		return b.find(ctx, key, since)
	}
	return b.Fake.Find(ctx, key, since)
}

// listing is a broken that lists, too.
type listing struct {
	*broken
	list iter.Seq2[provider.Call, error]
}

func (l *listing) List(context.Context, time.Time) iter.Seq2[provider.Call, error] { return l.list }
