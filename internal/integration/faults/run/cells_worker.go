package run

import (
	"context"
	"errors"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

// frozen is how long a worker is stopped: its heartbeat times out (7 s), the activity
// is retried elsewhere (1 s later), who left word is waited for (15 s), and some.
const frozen = 25 * time.Second

// frozenText says how that is shortened.
const frozenText = "frozen for a heartbeat timeout (7 s), a retry (1 s) and the wait for its sender (15 s), instead of StartToClose (15 min)"

// late counts the calls that began so long after their dial was to be sent, by its row.
func late(e audit.Evidence, by time.Duration) int {
	n, legs := 0, audit.Legs(e.Ledger)
	for _, r := range e.Rows {
		for _, a := range r.Attempts {
			for _, l := range legs[r.Callee] {
				if l.Key == a.Key && l.Began.Sub(a.Sent) >= by {
					n++
				}
			}
		}
	}
	return n
}

// workerCells kill and freeze a worker.
func workerCells() []Cell {
	return []Cell{
		{
			Number: 1, Name: "worker killed at D5: accepted, the reply not read", Short: true,
			Point: "place.accepted", Action: "kill", Process: workerA, Unknown: inHand,
			Expect: "one ring; the call is found and adopted",
		},
		{
			Number: 2, Name: "worker frozen at D3, behind the send budget's check, while another execution looks", Short: true,
			Point: "place.begun", Action: "stop", Process: workerA, Hold: frozen, Scaled: frozenText, Unknown: inHand,
			Expect: "one ring, late",
			Count:  atLeast(1, "phones rang late", func(_ *Lane, e audit.Evidence) int { return late(e, frozen/2) }),
		},
		{
			Number: 2, Suffix: "b", Name: "worker frozen between its word at Temporal and its compare-and-set",
			Point: "fence.confirmed", Action: "stop", Process: workerA, Hold: frozen, Scaled: frozenText, Unknown: inHand,
			Expect: "no second ring; unknown, since the word says more than the row",
		},
		{
			Number: 2, Suffix: "c", Name: "worker frozen at D3, before the send budget's check",
			Point: "fence.sending", Action: "stop", Process: workerA, Hold: frozen, Scaled: frozenText, Unknown: inHand,
			Expect: "one ring: who woke up too late proves that it did not send",
		},
		{
			Number: 3, Name: "worker frozen at D1, before the row",
			Point: "execute.begun", Action: "stop", Process: workerA, Hold: frozen, Scaled: frozenText, Unknown: inHand,
			Expect: "one ring: who woke up never sends",
		},
		{
			Number: 3, Suffix: "b", Name: "worker frozen at D2, with the row reserved",
			Point: "fence.reserved", Action: "stop", Process: workerA, Hold: frozen, Scaled: frozenText, Unknown: inHand,
			Expect: "one ring: the row is taken over, and who woke up is told that it is stale",
		},
		{
			Number: 12, Name: "worker ended by SIGTERM during Place",
			Inject: "the platform's answers come 1.5 s late; SIGTERM with requests on their way",
			Point:  "place.sent", Action: "note", Process: workerA, Nth: -1,
			Expect: "it drains, and ends with status 0 within its stop timeout; one ring",
			Ready: func(_ context.Context, l *Lane) error {
				l.toVapi[workerA].Delay(1500 * time.Millisecond)
				return nil
			},
			During: func(ctx context.Context, l *Lane) error {
				a := l.workers[0]
				if err := parts.Await(ctx, "a dial is under way", patience, func(context.Context) bool { return a.hits("place.sent") > 2 }); err != nil {
					return err
				}
				began := time.Now()
				clean, err := a.restart(patience)
				lost, _ := l.world.pulse.Lost(began, 0)
				switch {
				case err != nil:
					return err
				case !clean:
					return errors.New("the worker did not end cleanly")
				case time.Since(began)-lost > 20*time.Second: // of 18 s
					return errors.New("the worker took longer than its stop timeout")
				}
				return nil
			},
		},
		{
			Number: 19, Name: "worker killed at R2: the result is written, and not reported", Short: true,
			Point: "record.written", Action: "kill", Process: workerA, Unknown: inHand,
			Expect: "recorded once",
		},
		{
			Number: 26, Name: "crash loop: the worker dies at D6, five times",
			Point: "place.replied", Action: "kill", Process: workerA, Nth: 1, Unknown: inHand,
			Expect: "one ring each; the calls are found and adopted",
			Ready: func(_ context.Context, l *Lane) error {
				for range 4 {
					l.workers[0].arms = append(l.workers[0].arms, "place.replied:kill:1")
				}
				return nil
			},
		},
	}
}
