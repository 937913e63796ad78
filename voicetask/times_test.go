package voicetask_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
)

// unwritable are times that JSON has no form for.
var unwritable = []time.Time{
	time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<40, 0), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("far", 30*60*60)),
}

// TestUnwritableTimes of a platform are left out, and the task goes on.
func TestUnwritableTimes(t *testing.T) {
	for _, odd := range unwritable {
		p := fakeHook()
		spoil := func(c provider.Call, err error) (provider.Call, error) {
			c.CreatedAt = odd
			if c.Status == provider.StatusEnded {
				c.AnsweredAt, c.EndedAt = odd, odd
			}
			return c, err
		}
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			return spoil(p.Fake.Place(ctx, req))
		}
		p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			return spoil(p.Fake.Get(ctx, id))
		}
		w := newWorldOn(t, voicetask.Config{}, p.Fake, p)
		w.after(10*time.Second, func() {
			e := p.Event("t1/1")
			e.At, e.Call.CreatedAt, e.Call.AnsweredAt = odd, odd, odd
			w.must(w.client.Deliver(context.Background(), e))
		})
		res := w.run(task())
		require.Equal(t, provider.OutcomeCompleted, res.Outcome, odd)
		require.NotEmpty(t, w.row().Result)
		require.Equal(t, 1, p.Dials())
	}
}

// TestUnwritableTimesInDirect: the same without an engine.
func TestUnwritableTimesInDirect(t *testing.T) {
	for _, odd := range unwritable {
		synctest.Test(t, func(t *testing.T) {
			p := fakeHook()
			p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
				c, err := p.Fake.Place(ctx, req)
				c.CreatedAt = odd
				return c, err
			}
			p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := p.Fake.Get(ctx, id)
				c.CreatedAt, c.EndedAt = odd, odd
				return c, err
			}
			o := newOffice(t, voicetask.Config{}, p)
			defer o.close()
			require.NoError(t, o.Submit(t.Context(), task()))
			require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		})
	}
}

// TestUnwritableCost of a platform is left out like a time that JSON has no form for.
func TestUnwritableCost(t *testing.T) {
	for _, odd := range []float64{math.NaN(), math.Inf(1)} {
		synctest.Test(t, func(t *testing.T) {
			p := fakeHook()
			p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				c, err := p.Fake.Get(ctx, id)
				c.CostUSD = odd
				return c, err
			}
			o := newOffice(t, voicetask.Config{}, p)
			defer o.close()
			require.NoError(t, o.Submit(t.Context(), task()))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			res, err := o.Wait(ctx, "t1")
			require.NoError(t, err)
			require.Equal(t, provider.OutcomeCompleted, res.Outcome)
		})
	}
}
