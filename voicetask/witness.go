package voicetask

import (
	"context"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/superservices/voice/provider"
)

// sent is what a heartbeat tells of a dial: the second witness beside the row.
type sent struct {
	Key    string          `json:"key"`
	Token  string          `json:"token"`
	Send   int             `json:"send"` // the n-th send under the key
	CallID provider.CallID `json:"call_id,omitempty"`
}

// witness is the Temporal server as far as one execution of ExecuteCall can ask
// it: am I still current, and what did an earlier execution tell? In Direct and in
// Temporal's test environment no server answers, and the row alone decides.
type witness struct {
	attempt int32 // 1 where there is no server
	before  sent  // what the last heartbeat of an earlier execution said
	server  bool
	beats   bool
	last    atomic.Pointer[sent]
}

// testNamespace is what Temporal's test environments report. Asking their server
// would end the whole test binary.
const testNamespace = "default-test-namespace"

func newWitness(ctx context.Context) *witness {
	w := &witness{attempt: 1}
	if !activity.IsActivity(ctx) {
		return w
	}
	info := activity.GetInfo(ctx)
	w.attempt, w.beats = info.Attempt, true
	w.server = info.Namespace != testNamespace
	if activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &w.before) // details of a foreign shape are no witness
		w.last.Store(&w.before)
	}
	return w
}

// keepBeating heartbeats until stop is called, which waits for the last beat.
func (w *witness) keepBeating(ctx context.Context) (stop func()) {
	if !w.beats {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(heartbeatTimeout / 3)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				if last := w.last.Load(); last != nil {
					activity.RecordHeartbeat(ctx, *last)
				} else {
					activity.RecordHeartbeat(ctx)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}

// confirm asks the server whether this execution is still the current one and
// leaves word there that it is about to send. A stale execution gets NotFound in
// milliseconds, and must not send.
func (w *witness) confirm(ctx context.Context, s sent) error {
	if !w.server {
		return nil
	}
	w.last.Store(&s)
	bounded, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	return activity.GetClient(ctx).RecordActivityHeartbeat(bounded, activity.GetInfo(ctx).TaskToken, s)
}

// placed adds the call's id to what the next heartbeat tells.
func (w *witness) placed(_ context.Context, key, token string, id provider.CallID) {
	if last := w.last.Load(); last != nil && last.Key == key && last.Token == token {
		told := *last
		told.CallID = id
		w.last.Store(&told)
	}
}

const confirmTimeout = 5 * time.Second
