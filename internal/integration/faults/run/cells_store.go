package run

import (
	"context"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

// store sets the workers' connections to the database.
func (l *Lane) store(m parts.Mode) {
	now := time.Now().UTC()
	if m != parts.Pass {
		l.note(audit.Fault{At: now, Until: now, Process: "workers", Action: "store"})
	}
	for _, p := range l.workers {
		l.toPostgres[p.cfg.Name].Set(m)
	}
}

// caught counts the requests that proxies of the workers' connections to the database
// have caught.
func caught(l *Lane, _ audit.Evidence) int {
	return l.toPostgres[workerA].Hits() + l.toPostgres[workerB].Hits()
}

// storeCells take the database away.
func storeCells() []Cell {
	return []Cell{
		{
			Number: 8, Name: "store down at D2", Short: true,
			Inject: "the workers' connections to the database are refused",
			Point:  "execute.begun", Action: "note", Process: workerA, Nth: -1,
			Scaled: "down for 8 s, by the workers' own connections; the campaign kills the server",
			Expect: "no ring while it is down; every task dialled afterwards",
			Ready:  func(_ context.Context, l *Lane) error { l.store(parts.Cut); return nil },
			During: func(ctx context.Context, l *Lane) error {
				if err := parts.Await(ctx, "a dial is tried", patience, func(context.Context) bool { return l.workers[0].hits("execute.begun") > 3 }); err != nil {
					return err
				}
				sleep(ctx, 8*time.Second)
				n := l.rings()
				l.store(parts.Pass)
				if n > 0 {
					return fmt.Errorf("%d rings while no row could be written", n)
				}
				return nil
			},
		},
		{
			Number: 9, Name: "ambiguous commits at D2 and D3: the write is done, its answer lost with the connection", Short: true,
			Inject: "a proxy lets the statement with state reserved or sending through, swallows the answer and resets",
			Expect: "the owner reads its row again, and one ring",
			Ready: func(_ context.Context, l *Lane) error {
				l.toPostgres[workerA].LoseReply(`"state":"sending"`, 3)
				l.toPostgres[workerB].LoseReply(`"state":"reserved"`, 3)
				return nil
			},
			Count: atLeast(2, "answers of the database were lost", caught),
		},
		{
			Number: 10, Name: "store down at D7: the call is placed, its id not written", Quiet: true,
			Inject: "a proxy resets at the statement with state placed, and refuses connections for 8 s",
			Scaled: "down for 8 s, from the very statement on", Unknown: inHand,
			Expect: "the id is kept in history; one ring, the true result",
			Ready: func(_ context.Context, l *Lane) error {
				l.toPostgres[workerA].LoseRequest(`"state":"placed"`, 3, parts.Cut, func() {
					now := time.Now().UTC()
					l.note(audit.Fault{At: now, Until: now.Add(8 * time.Second), Process: workerA, Action: "store"})
					time.AfterFunc(8*time.Second, func() { l.toPostgres[workerA].Set(parts.Pass) })
				})
				return nil
			},
			Count: atLeast(1, "statements were lost", caught),
		},
		{
			Number: 20, Name: "results cannot be written",
			Inject: "the workers' connections to the database are refused for 14 s",
			Point:  "record.begun", Action: "note", Process: workerA, Nth: -1, Ending: answers,
			Scaled: "for 14 s; an hour in virtual time, see 20v",
			Expect: "the workflow stays open, is retried, and its history does not grow",
			Set: func(l *Lane) { // so far apart that some come to their end while it is away
				for i := range l.world.Tally {
					l.messages = append(l.messages, l.task(i, answers, time.Duration(i)*4*spacing))
				}
			},
			During: func(ctx context.Context, l *Lane) error {
				if err := parts.Await(ctx, "a result is due", patience, func(context.Context) bool { return l.workers[0].hits("record.begun") > 1 }); err != nil {
					return err
				}
				l.store(parts.Cut)
				defer l.store(parts.Pass)
				if err := parts.Await(ctx, "no call is up", patience, func(context.Context) bool { return l.live() == 0 }); err != nil {
					return err
				}
				sleep(ctx, 7*time.Second) // what was under way has come to rest
				first, err := collect.HistoryLengths(ctx, l.world.client, l.queue)
				if err != nil {
					return err
				}
				sleep(ctx, 7*time.Second)
				then, err := collect.HistoryLengths(ctx, l.world.client, l.queue)
				if err != nil {
					return err
				}
				if len(first) == 0 {
					return fmt.Errorf("no workflow is open while results cannot be written")
				}
				for id, n := range first {
					// One who was still in a call may have come to its end meanwhile.
					if then[id] > n+12 {
						return fmt.Errorf("%s has grown from %d to %d events", id, n, then[id])
					}
				}
				return nil
			},
		},
		{
			Number: 20, Suffix: "v", Name: "the same for an hour", Short: true, Virtual: "TestCell20",
			Inject: "a store that refuses every terminal row",
			Scaled: "virtual time", Expect: "one result in the end, and one ring",
		},
	}
}
