package voicetask

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// followTimeout is after how long without a heartbeat a poll, a hang-up or a record
// is taken for dead with its worker: another worker then goes on with the call.
const followTimeout = 5 * time.Second

// beat heartbeats for an activity that takes longer than a moment, until stop is
// called; one that does not costs a timer and no request.
func beat(ctx context.Context) (stop func()) {
	var (
		mu   sync.Mutex // held while a beat is under way: none follows stop
		over bool
		next *time.Timer
	)
	mu.Lock()
	defer mu.Unlock()
	next = time.AfterFunc(followTimeout/3, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			activity.RecordHeartbeat(ctx)
			next.Reset(followTimeout / 3)
		}
	})
	return func() {
		next.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
	}
}
