package voicetask_test

import (
	"context"
	"errors"
	"iter"
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

// lagging is a platform without events, whose calls get their summary a while after
// their end.
func lagging(lag time.Duration, now func() time.Time, step providertest.Step) *hooked {
	p := fakeHook(step)
	p.traits = &provider.Traits{LateDetails: 30 * time.Second}
	p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
		c, err := p.Fake.Get(ctx, id)
		if c.Status == provider.StatusEnded && now().Sub(c.EndedAt) < lag {
			c.Summary, c.Transcript, c.CostUSD = "", "", 0
		}
		return c, err
	}
	return p
}

// TestPollingWaitsForLateDetails of a call that somebody answered, for a bounded time:
// after the poll that finds the end nobody asks again.
func TestPollingWaitsForLateDetails(t *testing.T) {
	for name, tt := range map[string]struct {
		lag          time.Duration
		step         providertest.Step
		summary      bool
		soon, latest time.Duration // after the call's 30 s
	}{
		"late":             {12 * time.Second, providertest.Step{}, true, 10 * time.Second, 40 * time.Second},
		"at once":          {0, providertest.Step{}, true, 0, 21 * time.Second},
		"never":            {time.Hour, providertest.Step{}, false, 30 * time.Second, 60 * time.Second},
		"nobody picked up": {time.Hour, providertest.Step{Outcome: provider.OutcomeBusy}, false, 0, 21 * time.Second},
	} {
		var w *world
		p := lagging(tt.lag, func() time.Time { return w.Now() }, tt.step)
		w = newWorldOn(t, voicetask.Config{}, p.Fake, p)
		res := w.run(task())
		require.Equal(t, tt.summary, res.Data.CallSummary != "", name)
		took := since(w.Now()) - 30*time.Second
		require.GreaterOrEqual(t, took, tt.soon, name)
		require.LessOrEqual(t, took, tt.latest, name)
	}
}

// TestDirectWaitsForLateDetails, too.
func TestDirectWaitsForLateDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := clockFromStart()
		p := lagging(12*time.Second, now, providertest.Step{})
		o := newOffice(t, voicetask.Config{Now: now}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.NotEmpty(t, o.wait().Data.CallSummary)
	})
}

// laggingLister lists calls whose summary comes a while after their end.
type laggingLister struct {
	*lister
	now  func() time.Time
	away *atomic.Bool // once it has listed an end
}

func (l laggingLister) List(ctx context.Context, since time.Time) iter.Seq2[provider.Call, error] {
	return func(yield func(provider.Call, error) bool) {
		if l.away != nil && l.away.Load() {
			yield(provider.Call{}, errors.New("away"))
			return
		}
		for c, err := range l.lister.List(ctx, since) {
			if l.away != nil && c.Status == provider.StatusEnded {
				l.away.Store(true)
			}
			if c.Status == provider.StatusEnded && l.now().Sub(c.EndedAt) < 12*time.Second {
				c.Summary, c.Transcript, c.CostUSD = "", "", 0
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// TestListingWaitsForLateDetails: what is listed as ended is looked at no more.
func TestListingWaitsForLateDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row := sweptLate(t, nil)
		require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
		require.NotEmpty(t, storedResult(t, row).Data.CallSummary)
	})
}

// TestAListedEndIsKept while its summary is waited for: the platform may be away then.
func TestAListedEndIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		row := sweptLate(t, &away)
		require.True(t, away.Load())
		require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
		require.Equal(t, provider.OutcomeCompleted, row.Attempts[0].Outcome)
	})
}

// sweptLate is the row of a call of 50 s, swept for two minutes.
func sweptLate(t *testing.T, away *atomic.Bool) store.Record {
	l := laggingLister{lister: &lister{hooked: fakeHook(providertest.Step{Lasts: 50 * time.Second})}, away: away}
	l.traits = &provider.Traits{LateDetails: 30 * time.Second}
	var y *yard
	l.now = func() time.Time { return y.now() }
	y = newYard(t, voicetask.Config{Providers: registry(t, l), Swept: true, Policy: voicetask.Policy{PollInterval: 5 * time.Second}})
	y.p = l.hooked
	l.UseClock(y.now)
	if away != nil { // altogether
		l.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			if away.Load() {
				return provider.Call{}, errors.New("away")
			}
			return l.Fake.Get(ctx, id)
		}
	}
	liveCalls(y, l.lister, 1)
	y.sweepFor(2 * time.Minute)
	return rowOf(t, y.store, voicetaskID(0))
}
