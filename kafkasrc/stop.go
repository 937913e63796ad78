package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errDrained = errors.New("kafkasrc: the drain timeout is over")

// finish lets what is in hand end, for at most the drain timeout, and stores what is
// settled. Records that wait for another try are left for the next consumer at once.
func (l *lane) finish(cancelWork context.CancelCauseFunc) error {
	l.stopping, l.stopBy = true, time.Now().Add(l.drain)
	l.state.joined.Store(false)
	for _, p := range l.parts {
		p.giveUp()
	}
	l.dropHeld()
	l.applyPauses()

	// Polling goes on: rebalances and commits are served meanwhile.
	for l.state.inFlight.Load() > 0 && time.Now().Before(l.stopBy) {
		l.receive(l.client.Poll(int(heldPollTimeout.Milliseconds())))
		l.storeOffsets()
	}
	l.crew.end() // nothing is started while stopping
	cut := l.state.inFlight.Load()
	cancelWork(errDrained)
	if cut > 0 {
		l.settleDown(time.Now().Add(lastGrace))
	}
	l.storeOffsets()

	if left := l.state.inFlight.Load(); left > 0 {
		return fmt.Errorf("%d records were still in hand after the drain timeout of %v and do not heed their context; they come again", left, l.drain)
	}
	l.crew.all.Wait()
	if cut > 0 {
		return fmt.Errorf("%d records were still in hand after the drain timeout of %v; they come again", cut, l.drain)
	}
	return nil
}

// settleDown waits for what is in hand to notice that it was cancelled.
func (l *lane) settleDown(until time.Time) {
	limit := time.NewTimer(time.Until(until))
	defer limit.Stop()
	for l.state.inFlight.Load() > 0 {
		select {
		case <-l.share.wake:
		case <-limit.C:
			return
		}
	}
}
