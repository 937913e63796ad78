package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

// settleTime is how long a lane may take to settle. It only guards against waiting for ever:
// what is open then is what the run found.
const settleTime = 4 * time.Minute

// quietFor is how long nothing must happen after the last task has ended, so that a
// ring too many is still seen.
const quietFor = 1500 * time.Millisecond

// settle waits until everything that was sent has come to its end, or until the limit:
// then the audit says what is open. It returns what it waited for last.
func (l *Lane) settle(ctx context.Context, limit time.Duration) (what string) {
	err := parts.Await(ctx, "settled", limit, func(ctx context.Context) bool {
		what = l.unsettled(ctx)
		if what != "" {
			sleep(ctx, 200*time.Millisecond)
			return false
		}
		return true
	})
	if err != nil {
		return what
	}
	sleep(ctx, quietFor)
	return ""
}

// unsettled says what is not settled yet, the cheapest to ask first.
func (l *Lane) unsettled(ctx context.Context) string {
	acks, err := collect.Lines[audit.Ack](l.file("acks.jsonl"))
	if err != nil || len(acks) < len(l.messages) {
		return fmt.Sprintf("%d of %d messages are acknowledged", len(acks), len(l.messages))
	}
	tasks, letters := map[string]bool{}, 0
	for _, m := range l.messages {
		if m.Task != "" {
			tasks[m.Task] = true
		} else {
			letters++
		}
	}
	all, open, err := l.table.Open(ctx)
	switch {
	case err != nil:
		return err.Error()
	case all < len(tasks), open > 0:
		return fmt.Sprintf("%d of %d tasks have a row, %d have not ended", all, len(tasks), open)
	}
	if until := l.troubleUntil(); time.Now().Before(until) {
		return "a process is frozen, or a connection cut, for " + time.Until(until).Round(100*time.Millisecond).String()
	}
	if n := l.live(); n > 0 {
		return fmt.Sprintf("%d calls are up", n)
	}
	if n, err := collect.Running(ctx, l.world.client, l.queue); err != nil || n > 0 {
		return fmt.Sprintf("%d workflows are running (%v)", n, err)
	}
	if letters > 0 {
		if found, err := l.kafka.Letters(ctx); err != nil || len(found) < letters {
			return fmt.Sprintf("%d of %d dead letters (%v)", len(found), letters, err)
		}
	}
	samples, _ := l.sampler.Samples()
	committed := int64(0)
	if n := len(samples); n > 0 {
		for _, o := range samples[n-1].Offsets {
			committed += o
		}
	}
	if committed < int64(len(acks)) {
		return fmt.Sprintf("%d offsets are committed of at least %d", committed, len(acks))
	}
	return ""
}

// standing sleeps for so long, and for as long again as the machine stood still meanwhile.
func (l *Lane) standing(ctx context.Context, d time.Duration) {
	for began := time.Now(); ctx.Err() == nil; {
		lost, _ := l.world.pulse.Lost(began, 0)
		left := time.Until(began.Add(d + lost))
		if left <= 0 {
			return
		}
		sleep(ctx, left)
	}
}

// troubleUntil is when the last fault that lasts is over.
func (l *Lane) troubleUntil() (until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.faults {
		if f.Until.After(until) {
			until = f.Until
		}
	}
	return until
}

// evidence collects everything.
func (l *Lane) evidence(ctx context.Context) (e audit.Evidence, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fail := func(e error) { err = errors.Join(err, e) }
	e.Messages, e.Redialable, e.MaxDials = l.messages, map[string]int{"fault": 0, "busy": 1, "declined": 1}, 3
	if e.Acks, err = collect.Lines[audit.Ack](l.file("acks.jsonl")); err != nil {
		return e, err
	}
	var more error
	if e.Ledger, more = collect.Lines[audit.Entry](l.file("ledger.jsonl")); more != nil {
		fail(more)
	}
	if e.Rows, more = l.table.Rows(ctx); more != nil {
		fail(more)
	}
	if e.Moves, more = l.table.Moves(ctx); more != nil {
		fail(more)
	}
	if e.Workflows, more = collect.Workflows(ctx, l.world.client, l.queue); more != nil {
		fail(more)
	}
	if e.Log, more = l.kafka.Log(ctx); more != nil {
		fail(more)
	}
	if e.Letters, more = l.kafka.Letters(ctx); more != nil {
		fail(more)
	}
	taken := 0
	if e.Offsets, taken = l.sampler.Samples(); taken == 0 {
		fail(errors.New("the offsets were never sampled"))
	}
	// A machine that stands still for as long as a session lasts has the group repeat, too.
	_, stalls := l.world.pulse.Lost(l.began, time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Faults, e.Cancelled, e.Crashes = append(e.Faults, l.faults...), append(e.Cancelled, l.cancelled...), l.crashes+stalls
	e.Settled = time.Now().UTC()
	return e, err
}
