package voicetask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
)

// office is a Direct that runs, in a synctest bubble: its waits take no time, and
// the bubble does not end before its last goroutine has.
type office struct {
	*voicetask.Direct
	t       *testing.T
	store   *faultyStore
	notices *notices
	cancel  context.CancelFunc
	done    chan error
	now     func() time.Time
}

// clockFromStart is the bubble's clock, put to where the tests start.
func clockFromStart() func() time.Time {
	began := time.Now()
	return func() time.Time { return start.Add(time.Since(began)).UTC() }
}

// newOffice dials through p and runs.
func newOffice(t *testing.T, cfg voicetask.Config, p *hooked) *office {
	t.Helper()
	o := stillOffice(t, cfg, p)
	o.run()
	return o
}

// stillOffice does not run yet.
func stillOffice(t *testing.T, cfg voicetask.Config, p *hooked) *office {
	t.Helper()
	o := &office{t: t, notices: &notices{}, now: cfg.Now}
	if o.now == nil {
		o.now = clockFromStart()
	}
	p.UseClock(o.now)
	if s, ok := cfg.Store.(*faultyStore); ok {
		o.store = s
	} else {
		o.store = newFaultyStore()
	}
	o.store.UseClock(o.now)
	cfg.Store, cfg.Now, cfg.Observe, cfg.AllowVolatile = o.store, o.now, o.notices.observe, true
	cfg.Providers = registry(t, provider.Provider(p))
	d, err := voicetask.NewDirect(cfg)
	require.NoError(t, err)
	o.Direct = d
	return o
}

func (o *office) run() {
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel, o.done = cancel, make(chan error, 1)
	go func() { o.done <- o.Run(ctx) }()
}

// close stops Run, which must return nil.
func (o *office) close() {
	o.t.Helper()
	o.cancel()
	require.NoError(o.t, <-o.done)
}
