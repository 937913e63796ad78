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

// callsUp waits until so many calls are up.
func (l *Lane) callsUp(ctx context.Context, n int) error {
	return parts.Await(ctx, fmt.Sprintf("%d calls are up", n), patience, func(context.Context) bool { return l.live() >= n })
}

// hungUp counts the calls that we ended.
func hungUp(e audit.Evidence) int {
	n := 0
	for _, entry := range e.Ledger {
		if entry.Cause == "caller_hung_up" {
			n++
		}
	}
	return n
}

// harness counts what the harness itself did to a process.
func harness(process, action string) func(*Lane, audit.Evidence) int {
	return func(_ *Lane, e audit.Evidence) int {
		n := 0
		for _, f := range e.Faults {
			if f.Process == process && f.Action == action {
				n++
			}
		}
		return n
	}
}

// engineCells take Temporal away, or turn it back.
func engineCells() []Cell {
	return []Cell{
		{
			Number: 11, Name: "Temporal killed with calls up", Exclusive: true, Ending: answers, Unknown: inHand,
			Inject: "SIGKILL to the server, restarted on the same database file",
			Scaled: "down for 12 s instead of 60, conversations of 15 s",
			Expect: "nobody is hung up; the calls go on, and their results land",
			Set:    func(l *Lane) { l.pace.talk, l.times.Longest = "15s", "40s" },
			During: func(ctx context.Context, l *Lane) error {
				if err := l.callsUp(ctx, l.world.Tally/2); err != nil {
					return err
				}
				return l.world.restartTemporal(ctx, l, 12*time.Second, nil)
			},
			Count: atLeast(1, "kills of Temporal", harness("temporal", "kill")),
			After: func(_ *Lane, e audit.Evidence, _ audit.Verdict) error {
				if n := hungUp(e); n > 0 {
					return fmt.Errorf("%d calls were hung up", n)
				}
				return nil
			},
		},
		{
			Number: 27, Name: "Temporal killed with calls up, and its database lost", Exclusive: true, Ending: answers, Unknown: inHand,
			Inject: "SIGKILL to the server, its database file removed",
			Scaled: "conversations of 5 s",
			Expect: "the sweeper finds the rows that nobody follows; one ring, the true result",
			Set:    func(l *Lane) { l.pace.talk, l.times.Longest = "5s", "20s" },
			During: func(ctx context.Context, l *Lane) error {
				if err := l.callsUp(ctx, 5); err != nil {
					return err
				}
				return l.world.restartTemporal(ctx, l, time.Second, l.world.temporal.Lose)
			},
			Count: atLeast(1, "kills of Temporal", harness("temporal", "kill")),
		},
		{
			Number: 15, Name: "the receiver of webhooks is up, and Temporal is not", Short: true, Ending: answers, Unknown: inHand,
			Inject: "the workers' connections to Temporal are refused",
			Scaled: "for 8 s, by the workers' own connections; conversations of 5 s",
			Expect: "what was answered with 2xx is in the row; every result is true",
			Set:    func(l *Lane) { l.pace.talk, l.times.Longest = "5s", "20s" },
			During: func(ctx context.Context, l *Lane) error {
				if err := l.callsUp(ctx, 3); err != nil {
					return err
				}
				now := time.Now().UTC()
				l.note(audit.Fault{At: now, Until: now.Add(8 * time.Second), Process: "workers", Action: "partition"})
				for _, p := range l.workers {
					l.toTemporal[p.cfg.Name].Set(parts.Cut)
				}
				sleep(ctx, 8*time.Second)
				for _, p := range l.workers {
					l.toTemporal[p.cfg.Name].Set(parts.Pass)
				}
				return nil
			},
			Count: atLeast(5, "webhooks were delivered", func(l *Lane, _ audit.Evidence) int { return l.relay.Counts()["delivered"] }),
		},
		{
			Number: 21, Name: "workflows reset at C1, with their calls up", Ending: answers,
			Inject: "every running workflow is reset to its first task",
			Expect: "no second Place: the row knows the call",
			Set:    func(l *Lane) { l.pace.talk = "4s" },
			During: func(ctx context.Context, l *Lane) error {
				if err := l.callsUp(ctx, 5); err != nil {
					return err
				}
				var failed error
				err := parts.Await(ctx, "3 workflows are reset", patience, func(ctx context.Context) bool {
					failed = l.resetAll(ctx, 0)
					sleep(ctx, 500*time.Millisecond)
					return failed != nil || l.resets >= 3
				})
				return errors.Join(failed, err)
			},
			Count: atLeast(3, "resets", func(l *Lane, _ audit.Evidence) int { return l.resets }),
		},
		{
			Number: 21, Suffix: "b", Name: "a workflow reset while its worker is held up before its compare-and-set", Short: true, Ending: answers,
			Inject: "running workflows are reset every 0.9 s",
			Point:  "fence.confirmed", Action: "sleep:2500ms", Process: workerA, Nth: -1,
			Expect: "one ring: who was held up has lost the row. With FENCE=off it rings twice: no heartbeat comes between",
			Set: func(l *Lane) {
				for i := range l.world.Tally {
					l.messages = append(l.messages, l.task(i, answers, time.Duration(i)*300*time.Millisecond))
				}
			},
			During: func(ctx context.Context, l *Lane) error {
				// For as long as the tasks come and, since a consumer may be slow to begin, until
				// some that ran were reset.
				for round := 0; round < l.world.Tally/3 || l.resets < 2 && round < 10*l.world.Tally; round++ {
					sleep(ctx, 900*time.Millisecond)
					if err := l.resetAll(ctx, 0); err != nil {
						return err
					}
				}
				return nil
			},
			Count: atLeast(2, "resets", func(l *Lane, _ audit.Evidence) int { return l.resets }),
		},
		{
			Number: 25, Name: "Temporal takes tasks and does not answer; Direct takes them over, both alive", Short: true,
			Inject: "every answer to StartWorkflowExecution is lost",
			Point:  "submit.sent", Action: "err", Process: consumer1, Nth: -1,
			Scaled: "the fallback takes over after 1 s",
			Expect: "one engine for each task, and one ring",
			Ready: func(_ context.Context, l *Lane) error {
				l.consumers[0].cfg.FallbackAfter = "1s"
				return nil
			},
		},
	}
}

// resetAll turns every running workflow back to its beginning; there must be some.
func (l *Lane) resetAll(ctx context.Context, least int) error {
	n, err := collect.ResetRunning(ctx, l.world.client, l.queue)
	if n > 0 {
		l.note(audit.Fault{At: time.Now().UTC(), Process: "temporal", Action: "reset"})
	}
	l.mu.Lock()
	l.resets += n
	l.mu.Unlock()
	if err == nil && n < least {
		err = fmt.Errorf("%d workflows could be reset, want %d", n, least)
	}
	return err
}

// restartTemporal kills the server with SIGKILL and starts it on the same database.
// meanwhile, if given, is done while it is down.
func (w *World) restartTemporal(ctx context.Context, l *Lane, down time.Duration, meanwhile func() error) error {
	now := time.Now().UTC()
	l.note(audit.Fault{At: now, Until: now.Add(down), Process: "temporal", Action: "kill"})
	c := w.temporal.Child()
	c.Kill()
	if !c.Killed() {
		return errors.New("Temporal was not killed")
	}
	sleep(ctx, down)
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	return w.temporal.Start(ctx)
}

// restartPostgres kills the server with SIGKILL and starts it on the same data.
func (w *World) restartPostgres(ctx context.Context, l *Lane, down time.Duration) error {
	now := time.Now().UTC()
	l.note(audit.Fault{At: now, Until: now.Add(down), Process: "postgres", Action: "kill"})
	c := w.postgres.Child()
	c.Kill()
	if !c.Killed() {
		return errors.New("PostgreSQL was not killed")
	}
	sleep(ctx, down)
	return w.postgres.Start(ctx)
}
