package run

import (
	"context"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/integration/faults/parts"
)

// Cells are the rows of the fault matrix that matter most.
func Cells() []Cell {
	return []Cell{
		{
			Number: 1, Name: "worker killed at D5: accepted, the reply not read", Short: true,
			Point: "place.accepted", Action: "kill", Process: "worker-a",
			Expect: "one ring; the call is found and adopted",
		},
		{
			Number: 2, Name: "worker frozen between the send budget's check and the send, another execution meanwhile", Short: true,
			Point: "place.begun", Action: "stop", Process: "worker-a", Hold: 25 * time.Second,
			Scaled: "a heartbeat timeout (10 s) and a retry (10 s) instead of StartToClose (15 min)",
			Expect: "one ring at most, late", Unknown: 20,
		},
		{
			Number: 2, Suffix: "b", Name: "worker frozen between the word at Temporal and its compare-and-set", Short: true,
			Point: "fence.confirmed", Action: "stop", Process: "worker-a", Hold: 25 * time.Second,
			Scaled: "as 2", Expect: "one ring: the other's. With FENCE=off this one rings twice", Unknown: 1,
		},
		{
			Number: 3, Name: "worker frozen at D1, before the row",
			Point: "execute.begun", Action: "stop", Process: "worker-a", Hold: 25 * time.Second,
			Scaled: "as 2", Expect: "one ring: who woke up never sends",
		},
		{
			Number: 8, Name: "store down at D2", Short: true,
			Point: "execute.begun", Action: "note", Process: "worker-a", Nth: -1,
			Scaled: "down for 8 s, by the workers' own connections",
			Expect: "no ring while it is down, all dialled afterwards",
			Ready: func(_ context.Context, l *Lane) error {
				for _, p := range l.workers {
					l.toPostgres[p.cfg.Name].Set(parts.Cut)
				}
				return nil
			},
			During: func(ctx context.Context, l *Lane) error {
				if err := parts.Await(ctx, "a dial is tried", 30*time.Second, func(context.Context) bool { return l.workers[0].hits("execute.begun") > 3 }); err != nil {
					return err
				}
				sleep(ctx, 8*time.Second)
				n := l.rings()
				for _, p := range l.workers {
					l.toPostgres[p.cfg.Name].Set(parts.Pass)
				}
				if n > 0 {
					return fmt.Errorf("%d rings while no row could be written", n)
				}
				return nil
			},
		},
	}
}

