package voicetask_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/voicetask"
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

func TestRunWorkerThatCannotStart(t *testing.T) {
	w := &fakeWorker{fail: errors.New("no server"), started: make(chan struct{})}
	require.ErrorIs(t, voicetask.RunWorker(t.Context(), w), w.fail)
	require.False(t, w.stopped, "what did not start is not stopped")
}
