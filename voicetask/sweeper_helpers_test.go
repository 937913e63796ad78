package voicetask_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// yard is a sweeper with a client on a scripted Temporal, in a synctest bubble.
type yard struct {
	*desk
	t       *testing.T
	sweeper *voicetask.Sweeper
	p       *hooked
	now     func() time.Time
}

// newYard dials nothing: what rang before is put into p by ring.
func newYard(t *testing.T, cfg voicetask.Config, steps ...providertest.Step) *yard {
	t.Helper()
	now := clockFromStart()
	y := &yard{t: t, now: now, p: fakeHook(steps...)}
	y.p.UseClock(now)
	y.desk = newDesk(t, func(c *voicetask.ClientConfig) { c.Now = now })
	y.desk.store.UseClock(now)
	y.temporal.describeErr, y.temporal.resultErr = errGone, errGone
	y.temporal.onStart = func() { // it runs from now on
		y.temporal.describeErr, y.temporal.status = nil, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	if cfg.Providers == nil {
		cfg.Providers = registry(t, provider.Provider(y.p))
	}
	cfg.Store, cfg.Now, cfg.Observe = y.desk.store, now, y.notices.observe
	s, err := voicetask.NewSweeper(cfg, y.Client)
	require.NoError(t, err)
	y.sweeper = s
	return y
}

// ring has the platform place the call of a key.
func (y *yard) ring(key string) provider.Call {
	y.t.Helper()
	c, err := y.p.Fake.Place(y.t.Context(), provider.Request{Key: key})
	require.NoError(y.t, err)
	return c
}

// sweepFor runs the sweeper for d.
func (y *yard) sweepFor(d time.Duration) { runFor(y.t, y.sweeper, d) }

func runFor(t *testing.T, s *voicetask.Sweeper, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, s.Run(ctx))
	synctest.Wait()
}

// attempt is a first dial in a state.
func attempt(s store.AttemptState, change ...func(a *store.Attempt)) store.Attempt {
	a := store.Attempt{N: 1, Key: "t1/1", Provider: "vapi", Token: "t", State: s, Sends: 1, ReservedAt: start, SentAt: start}
	for _, f := range change {
		f(&a)
	}
	return a
}

// lister is a platform that lists its calls as they stand.
type lister struct {
	*hooked
	mu     sync.Mutex
	calls  []provider.CallID
	lists  int
	since  time.Time
	hidden provider.CallID
}

func (l *lister) List(ctx context.Context, since time.Time) iter.Seq2[provider.Call, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lists++
	l.since = since
	calls := l.calls
	return func(yield func(provider.Call, error) bool) {
		for _, id := range calls {
			c, err := l.Fake.Get(ctx, id)
			if id == l.hidden {
				continue
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

func (l *lister) listings() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lists
}

// countingLister counts what Find is asked.
type countingLister struct {
	*lister
	finds *int
}

func (c *countingLister) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	*c.finds++
	return c.hooked.Find(ctx, key, since)
}
