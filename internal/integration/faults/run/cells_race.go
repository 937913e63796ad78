package run

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// raceCells let people and clocks get in the way.
func raceCells() []Cell {
	return []Cell{
		{
			Number: 23, Name: "cancels at D2 to D6", Ending: answers,
			Inject: "each task is cancelled within 2.5 s of its message; the other worker is slow at `place.begun`",
			Point:  "fence.reserved", Action: "sleep:300ms", Process: workerA, Nth: -1,
			Arms:   map[string]string{workerB: "place.begun:sleep:300ms:*"},
			Expect: "no ring and cancelled, or the call ended; never a call without its task",
			Set:    func(l *Lane) { l.pace.talk = "3s" },
			During: func(ctx context.Context, l *Lane) error {
				rng := rand.New(rand.NewPCG(l.world.Seed, 23))
				var all sync.WaitGroup
				for _, m := range l.messages {
					at := l.produced.Add(m.After + time.Duration(rng.Int64N(int64(2500*time.Millisecond))))
					all.Go(func() {
						for until := at.Add(patience); time.Now().Before(until) && ctx.Err() == nil; {
							sleep(ctx, time.Until(at))
							if l.cancel(m.Task) {
								return
							}
							at = time.Now().Add(300 * time.Millisecond) // it has no row yet
						}
					})
				}
				all.Wait()
				return nil
			},
			Count: atLeast(5, "tasks were cancelled", func(_ *Lane, e audit.Evidence) int {
				n := 0
				for _, r := range e.Rows {
					if r.Outcome == "cancelled" {
						n++
					}
				}
				return n
			}),
		},
		{
			Number: 23, Suffix: "b", Name: "the kill switch at D1 to D3", Ending: answers,
			Inject: "Config.Enabled turns false for 4 s while calls are up; the other worker is slow at `fence.reserved`",
			Point:  "execute.begun", Action: "sleep:200ms", Process: workerA, Nth: -1,
			Arms:   map[string]string{workerB: "fence.reserved:sleep:200ms:*"},
			Expect: "no new call later than a second after the switch; live ones go on",
			During: func(ctx context.Context, l *Lane) error {
				if err := l.callsUp(ctx, 2); err != nil {
					return err
				}
				if err := os.WriteFile(l.file("switched-off"), nil, 0o600); err != nil {
					return err
				}
				l.standing(ctx, time.Second)
				before := l.rings()
				sleep(ctx, 3*time.Second)
				after := l.rings()
				if err := os.Remove(l.file("switched-off")); err != nil {
					return err
				}
				if after > before {
					return fmt.Errorf("%d phones rang later than a second after the switch", after-before)
				}
				return nil
			},
		},
		{
			Number: 24, Name: "a worker whose clock is an hour ahead is killed at D5", Short: true,
			Inject: "Config.Now of that worker",
			Point:  "place.accepted", Action: "kill", Process: workerB, Nth: 4, Unknown: inHand,
			Expect: "one ring; who looks by the right clock adopts the call",
			Ready:  func(_ context.Context, l *Lane) error { l.workers[1].cfg.Skew = "1h"; return nil },
		},
		{
			Number: 24, Suffix: "v", Name: "calling hours over the gap and the overlap of summer time, and on 29 February", Short: true, Virtual: "TestCell24",
			Inject: "seven zones and dates",
			Scaled: "virtual time", Expect: "no call outside the hours of the callee's wall clock",
		},
	}
}
