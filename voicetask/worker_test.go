package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

type fakeWorker struct {
	fail    error
	started chan struct{}
	stopped bool
}

func (w *fakeWorker) Start() error {
	close(w.started)
	return w.fail
}

func (w *fakeWorker) Stop() { w.stopped = true }

func TestRunWorkerStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w, done := &fakeWorker{started: make(chan struct{})}, make(chan error)
	go func() { done <- voicetask.RunWorker(ctx, w) }()
	<-w.started
	require.False(t, w.stopped)
	cancel()
	require.NoError(t, <-done)
	require.True(t, w.stopped)
}

// What a stop waits for is what the dial is given, so that no stop cuts a dial short.
func TestDrainTimeIsWhatADialMayTake(t *testing.T) {
	var given time.Duration
	p := fakeHook()
	p.traits = &provider.Traits{Events: true, SetupTime: 10 * time.Second}
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		end, _ := ctx.Deadline()
		given = time.Until(end)
		return p.Fake.Place(ctx, req)
	}
	cfg := workable(t)
	require.Equal(t, 75*time.Second, cfg.DrainTime())
	require.Equal(t, 75*time.Second, voicetask.Config{}.DrainTime())
	cfg.Providers = registry(t, providertest.NewFake("acme"), p)
	require.Equal(t, 85*time.Second, cfg.DrainTime())
	cfg.Policy.RingTimeout = 20 * time.Second
	require.Equal(t, time.Minute, cfg.DrainTime())

	env := voicetasktest.New(t, cfg)
	_, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.LessOrEqual(t, given, cfg.DrainTime())
	require.Greater(t, given, cfg.DrainTime()-30*time.Second, "the dial was given less: the machine is slow, or the bounds differ")
}

func TestRunWorkerThatCannotStart(t *testing.T) {
	w := &fakeWorker{fail: errors.New("no server"), started: make(chan struct{})}
	require.ErrorIs(t, voicetask.RunWorker(t.Context(), w), w.fail)
	require.False(t, w.stopped, "what did not start is not stopped")
}
