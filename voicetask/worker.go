package voicetask

import (
	"context"
	"fmt"
)

// RunWorker starts w, waits for ctx to end and stops it: worker.Worker with the
// lifecycle of everything here. It returns nil after a clean stop. Set
// worker.Options.WorkerStopTimeout to the ring limit plus 15 s, so that a dial in
// flight is drained; everything else hands over at once.
func RunWorker(ctx context.Context, w interface {
	Start() error
	Stop()
}) error {
	if err := w.Start(); err != nil {
		return fmt.Errorf("voicetask: starting the worker: %w", err)
	}
	defer w.Stop()
	<-ctx.Done()
	return nil
}
