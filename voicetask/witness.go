package voicetask

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
)

// sent is what a heartbeat tells of a dial: the second witness beside the row.
type sent = fence.Word

// witness is the Temporal server as far as one execution of ExecuteCall can ask
// it: am I still current, and what did an earlier execution tell? In Direct and in
// Temporal's test environment no server answers, and the row alone decides.
//
// Heartbeats go two ways: what must have arrived is sent directly, what keeps the
// activity alive goes through the SDK, which holds some back and sends them later. The
// server keeps the one that comes last, so the two must not cross.
type witness struct {
	attempt int32 // 1 where there is no server
	before  sent  // what the last heartbeat of an earlier execution said

	ask  func(ctx context.Context, s sent) error // directly; nil where no server answers
	beat func(s *sent)                           // through the SDK; nil outside an activity

	last atomic.Pointer[sent] // what the next beat tells

	turn   chan struct{} // held while either is under way
	beaten bool          // the SDK may be holding an older word back
	left   bool          // word may have been left that we are about to send
}

// testNamespace is what Temporal's test environments report. Asking their server
// would end the whole test binary.
const testNamespace = "default-test-namespace"

func newWitness(ctx context.Context) *witness {
	w := &witness{attempt: 1, turn: make(chan struct{}, 1)}
	if !activity.IsActivity(ctx) {
		return w
	}
	info := activity.GetInfo(ctx)
	w.attempt = info.Attempt
	w.beat = func(s *sent) {
		if s == nil {
			activity.RecordHeartbeat(ctx)
			return
		}
		activity.RecordHeartbeat(ctx, *s)
	}
	if info.Namespace != testNamespace {
		w.ask = func(ctx context.Context, s sent) error {
			return activity.GetClient(ctx).RecordActivityHeartbeat(ctx, info.TaskToken, s)
		}
	}
	if activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &w.before) // details of a foreign shape are no witness
		w.last.Store(&w.before)
	}
	return w
}

// keepBeating heartbeats until stop is called, which waits for the last beat.
func (w *witness) keepBeating() (stop func()) {
	if w.beat == nil {
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
				w.tick()
			}
		}
	}()
	return func() { close(quit); <-done }
}

func (w *witness) tick() {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	w.beaten = true
	w.beat(w.last.Load())
}

// confirm asks the server whether this execution is still the current one and
// leaves word there that it is about to send. A stale execution gets NotFound in
// milliseconds, and must not send.
func (w *witness) confirm(ctx context.Context, s sent) error {
	if w.ask == nil {
		return nil
	}
	err := w.tell(ctx, s)
	var stale *serviceerror.NotFound
	w.left = !errors.As(err, &stale)
	return err
}

// retract takes the word back: nothing was sent after all, and the row says s.Send.
// Should that fail, a later execution takes it for a lost row: the safe side.
func (w *witness) retract(ctx context.Context, s sent) {
	if w.left {
		_ = w.tell(context.WithoutCancel(ctx), s)
	}
}

// placed is the id of the call that was sent. The next beat tells it.
func (w *witness) placed(id provider.CallID) {
	if last := w.last.Load(); last != nil {
		told := *last
		told.CallID = id
		w.last.Store(&told)
	}
}

// tellPlaced tells it at once: the store is down, and nobody else knows the id.
func (w *witness) tellPlaced(ctx context.Context) {
	if last := w.last.Load(); w.ask != nil && last != nil {
		_ = w.tell(ctx, *last) // the next beat tries again
	}
}

func (w *witness) tell(ctx context.Context, s sent) error {
	w.last.Store(&s)
	bounded, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-bounded.Done():
		return context.Cause(bounded) // a beat hangs: the server does not answer
	}
	err := w.ask(bounded, s)
	if w.beaten {
		w.beat(&s) // in place of what the SDK holds back
	}
	return err
}

const confirmTimeout = 5 * time.Second
