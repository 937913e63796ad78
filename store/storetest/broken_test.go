package storetest

import (
	"context"
	"slices"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// broken is a Memory with one fault: the functions that are set take the place of
// its methods.
type broken struct {
	*store.Memory
	create   func(ctx context.Context, r store.Record) (store.Record, error)
	get      func(ctx context.Context, id string) (store.Record, error)
	update   func(ctx context.Context, r store.Record) (store.Record, error)
	list     func(ctx context.Context, q store.Query) ([]store.Record, error)
	sum      func(ctx context.Context, q store.Query) (store.Summary, error)
	findCall func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error)
	acquire  func(ctx context.Context, l store.Lease) (bool, error)
	release  func(ctx context.Context, holder string) error
	durable  bool
}

func (b *broken) Create(ctx context.Context, r store.Record) (store.Record, error) {
	if b.create != nil {
		return b.create(ctx, r)
	}
	return b.Memory.Create(ctx, r)
}

func (b *broken) Get(ctx context.Context, id string) (store.Record, error) {
	if b.get != nil {
		return b.get(ctx, id)
	}
	return b.Memory.Get(ctx, id)
}

func (b *broken) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if b.update != nil {
		return b.update(ctx, r)
	}
	return b.Memory.Update(ctx, r)
}

func (b *broken) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Memory.List(ctx, q)
}

func (b *broken) Summarize(ctx context.Context, q store.Query) (store.Summary, error) {
	if b.sum != nil {
		return b.sum(ctx, q)
	}
	return b.Memory.Summarize(ctx, q)
}

func (b *broken) FindCall(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
	if b.findCall != nil {
		return b.findCall(ctx, providerName, id)
	}
	return b.Memory.FindCall(ctx, providerName, id)
}

func (b *broken) Acquire(ctx context.Context, l store.Lease) (bool, error) {
	if b.acquire != nil {
		return b.acquire(ctx, l)
	}
	return b.Memory.Acquire(ctx, l)
}

func (b *broken) Release(ctx context.Context, holder string) error {
	if b.release != nil {
		return b.release(ctx, holder)
	}
	return b.Memory.Release(ctx, holder)
}

func (b *broken) Durable() bool { return b.durable }

// writing makes change part of both writes.
func (b *broken) writing(change func(r *store.Record)) {
	b.create = func(ctx context.Context, r store.Record) (store.Record, error) {
		change(&r)
		return b.Memory.Create(ctx, r)
	}
	b.update = func(ctx context.Context, r store.Record) (store.Record, error) {
		change(&r)
		return b.Memory.Update(ctx, r)
	}
}

// storeFault is one way to be wrong.
type storeFault struct {
	name  string
	fails string // the checks that must see it, and no other
	do    func(b *broken)
}

// faults are stores that are wrong in one way each.
var faults = slices.Concat(writeFaults, contentFaults, queryFaults, leaseFaults)
