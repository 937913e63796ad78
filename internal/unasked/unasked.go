// Package unasked is how a Submitter of this module says that what it returns came from the task's
// row, or of the store's failing: the engine behind it was not asked, and may be well or away. The word
// travels in the context, so that a host may stand between the two with a Submitter of its own.
package unasked

import (
	"context"
	"sync/atomic"
)

type key struct{}

// Watch returns a context for one Submit, and whether Note was called with it.
func Watch(ctx context.Context) (watched context.Context, noted func() bool) {
	word := new(atomic.Bool)
	return context.WithValue(ctx, key{}, word), word.Load
}

// Note says that the engine was not asked. Where nobody watches it does nothing.
func Note(ctx context.Context) {
	if word, ok := ctx.Value(key{}).(*atomic.Bool); ok {
		word.Store(true)
	}
}
