package storetest

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// queryFaults are stores that list, count or find wrongly.
var queryFaults = []storeFault{
	{"List is backwards", "list_order", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			if len(found) < 10 && reflect.DeepEqual(q, store.Query{}) {
				slices.Reverse(found)
			}
			return found, err
		}
	}},
	{"List leaves the attempts out", "list_order", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			for i := range found {
				found[i].Attempts = nil
			}
			return found, err
		}
	}},
	{"a page begins with the last one of the page before", "list_pages", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			if q.After != "" {
				q.After = q.After[:len(q.After)-1] + string(q.After[len(q.After)-1]-1) + "z"
			}
			return b.Memory.List(ctx, q)
		}
	}},
	{"no Limit is no limit", "list_pages", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			q.Limit = cmp.Or(q.Limit, 1<<30)
			return b.Memory.List(ctx, q)
		}
	}},
	{"one filter drives out the other", "list_filters", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			if q.RunID != "" && q.DueBefore.IsZero() {
				q.TenantID = ""
			}
			return b.Memory.List(ctx, q)
		}
	}},
	{"what has no due time is never due", "list_due", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			found, err := b.Memory.List(ctx, q)
			if !q.DueBefore.IsZero() {
				found = slices.DeleteFunc(found, func(r store.Record) bool { return r.DueAt.IsZero() })
			}
			return found, err
		}
	}},
	{"due now is due before now", "list_due", func(b *broken) {
		b.list = func(ctx context.Context, q store.Query) ([]store.Record, error) {
			if !q.DueBefore.IsZero() {
				q.DueBefore = q.DueBefore.Add(1)
			}
			return b.Memory.List(ctx, q)
		}
	}},
	{"the cost is that of all runs", "summarize", func(b *broken) {
		b.sum = func(ctx context.Context, q store.Query) (store.Summary, error) {
			sum, err := b.Memory.Summarize(ctx, q)
			all, _ := b.Memory.Summarize(ctx, store.Query{})
			sum.CostUSD = all.CostUSD
			return sum, err
		}
	}},
	{"an earlier call is forgotten", "find_call", func(b *broken) {
		b.findCall = func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
			r, err := b.Memory.FindCall(ctx, providerName, id)
			if err != nil || r.Attempts[len(r.Attempts)-1].CallID == id || len(r.Attempts[0].OtherCallIDs) == 1 {
				return r, err
			}
			return store.Record{}, store.ErrNotFound
		}
	}},
	{"other call ids are not found", "strings find_call", func(b *broken) {
		b.findCall = func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
			r, err := b.Memory.FindCall(ctx, providerName, id)
			for _, a := range r.Attempts {
				if a.CallID == id {
					return r, err
				}
			}
			return store.Record{}, cmp.Or(err, store.ErrNotFound)
		}
	}},
	{"a call is found whoever placed it", "find_call", func(b *broken) {
		b.findCall = func(ctx context.Context, providerName string, id provider.CallID) (store.Record, error) {
			for _, name := range []string{providerName, "vapi", "livekit"} {
				if r, err := b.Memory.FindCall(ctx, name, id); !errors.Is(err, store.ErrNotFound) {
					return r, err
				}
			}
			return store.Record{}, store.ErrNotFound
		}
	}},
}
