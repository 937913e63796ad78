package voicetask_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// countedLists counts the listings of all open rows, as opposed to those that are due.
type countedLists struct {
	*store.Memory
	walks atomic.Int64
}

func (c *countedLists) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	if q.DueBefore.IsZero() && q.After == "" {
		c.walks.Add(1)
	}
	return c.Memory.List(ctx, q)
}

// TestABacklogOfTemporalsIsWalkedEverLessOften, and a task of its own behind it is found.
func TestABacklogOfTemporalsIsWalkedEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := clockFromStart()
		rows := &countedLists{Memory: store.NewMemory()}
		rows.UseClock(now)
		fake := providertest.NewFake("vapi")
		fake.UseClock(now)
		d, err := voicetask.NewDirect(voicetask.Config{Store: rows, Providers: registry(t, provider.Provider(fake)), Now: now, AllowVolatile: true})
		require.NoError(t, err)
		for i := range 257 {
			seed(t, rows, func(r *store.Record) { r.ID, r.Owner, r.DueAt = voicetaskID(i), "temporal", start.Add(-time.Hour) })
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		require.Positive(t, rows.walks.Load())
		require.Less(t, rows.walks.Load(), int64(2*15), "one of Run's and one of Recover's a minute")
		require.NoError(t, d.Submit(ctx, task()))
		bounded, cancel := context.WithTimeout(ctx, 20*time.Minute)
		defer cancel()
		res, err := d.Wait(bounded, "t1")
		require.NoError(t, err)
		require.Equal(t, provider.OutcomeCompleted, res.Outcome)
		stop()
		require.NoError(t, <-done)
	})
}

// TestAPlatformsWrongClockCutsNoCallShort: it says that the call was placed an hour ago.
func TestAPlatformsWrongClockCutsNoCallShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 5 * time.Minute})
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			c, err := p.Fake.Place(ctx, req)
			c.CreatedAt = c.CreatedAt.Add(-time.Hour)
			return c, err
		}
		o := stillOffice(t, voicetask.Config{}, p)
		require.NoError(t, o.Submit(t.Context(), task()))
		o.run()
		defer o.close()
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Empty(t, p.hungUp())
	})
}
