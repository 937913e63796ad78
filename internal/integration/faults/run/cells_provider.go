package run

import (
	"context"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// met counts those of n faults of the platform that a request has met.
func met(n int) func(*Lane, audit.Evidence) int {
	return func(l *Lane, _ audit.Evidence) int {
		left, err := l.faultsLeft()
		if err != nil {
			return 0
		}
		return n - left
	}
}

const secondAccount = "vapi-second"

// failedOver counts what the platform was made to do wrong, or nothing unless the second
// account has dialled.
func failedOver(l *Lane, e audit.Evidence) int {
	for _, r := range e.Rows {
		for _, a := range r.Attempts {
			if a.Provider == secondAccount && a.CallID != "" {
				return met(10)(l, e)
			}
		}
	}
	return 0
}

// providerCells have the platform and its webhooks misbehave.
func providerCells() []Cell {
	return []Cell{
		{
			Number: 4, Name: "the reply is lost, and the call shows after a lag", Quiet: true,
			Inject: "the platform places five calls and closes the connection, and hides each from its list for 4 s; no webhooks",
			Scaled: "a lag of 4 s in a window of 10 s; 5, 60, 110 and 170 s in virtual time, see 4v",
			Expect: "one ring, adopted",
			Set:    func(l *Lane) { l.times.Lag = "10s" },
			Ready: func(_ context.Context, l *Lane) error {
				return l.trouble(`{"find_lag":"4s","faults":[{"kind":"lose_reply"},{"kind":"lose_reply"},{"kind":"closed_connection"},{"kind":"lose_reply"},{"kind":"lose_reply"}]}`)
			},
			Count: atLeast(5, "replies were lost", met(5)),
		},
		{
			Number: 4, Suffix: "v", Name: "the same in virtual time: lags of 5, 60, 110 and 170 s", Short: true, Virtual: "TestCell4",
			Inject: "a scripted platform",
			Scaled: "virtual time", Expect: "one ring, adopted within the window of 2 min, unknown beyond it",
		},
		{
			Number: 5, Name: "500, 502, 504, 520 in HTML after the call was accepted; half an answer; none with an id", Short: true,
			Inject: "seven requests are accepted and answered so",
			Expect: "one ring, adopted",
			Ready: func(_ context.Context, l *Lane) error {
				return l.trouble(`{"faults":[{"kind":"fail_after_accept","status":500},{"kind":"fail_after_accept","status":502},
					{"kind":"fail_after_accept","status":504},{"kind":"fail_after_accept","status":520},{"kind":"truncate_reply"},{"kind":"no_id"},{"kind":"reply_as_batch"}]}`)
			},
			Count: atLeast(7, "answers left it open", met(7)),
		},
		{
			Number: 28, Name: "the first account refuses, and the second is next in line; other answers are lost", Quiet: true,
			Inject: "five requests are refused for certain (401, 429), five are accepted and answered with nothing or 502; no webhooks",
			Expect: "what was refused is dialled by the second account; a lost answer stays with the account it was sent to; one ring",
			Ready: func(_ context.Context, l *Lane) error {
				for _, p := range l.workers {
					p.cfg.Second = secondAccount
				}
				return l.trouble(`{"faults":[{"kind":"refuse","status":401},{"kind":"lose_reply"},{"kind":"refuse","status":429},
					{"kind":"fail_after_accept","status":502},{"kind":"refuse","status":401},{"kind":"lose_reply"},{"kind":"refuse","status":429},
					{"kind":"fail_after_accept","status":502},{"kind":"closed_connection"},{"kind":"refuse","status":401}]}`)
			},
			Count: atLeast(10, "requests were refused or their answers lost, and the second account dialled", failedOver),
		},
		{
			Number: 13, Name: "every webhook is lost",
			Inject: "the relay of webhooks takes them and delivers none",
			Expect: "every task ends, by polls and deadlines",
			Ready:  func(_ context.Context, l *Lane) error { l.relay.Trouble(1, 0, 0); return nil },
			Count:  atLeast(20, "webhooks were lost", func(l *Lane, _ audit.Evidence) int { return l.relay.Counts()["lost"] }),
		},
		{
			Number: 14, Name: "events before Place returns, doubled, out of order, and again after the end", Short: true,
			Inject: "the platform's answers come 2.5 s late; the relay delays and doubles; in the end it delivers all of them once more, shuffled",
			Expect: "one result; every late event is taken with 2xx and changes nothing",
			Ready: func(_ context.Context, l *Lane) error {
				l.relay.Trouble(0, 1, 1200*time.Millisecond)
				for _, p := range l.workers {
					l.toVapi[p.cfg.Name].Delay(2500 * time.Millisecond)
				}
				return nil
			},
			Count: atLeast(20, "webhooks were doubled", func(l *Lane, _ audit.Evidence) int { return l.relay.Counts()["doubled"] }),
			Last: func(_ context.Context, l *Lane, settled error) error {
				if sent, refused := l.relay.Replay(); sent < 20 || refused > 0 {
					return fmt.Errorf("%d events were sent again after the end, %d of them refused", sent, refused)
				}
				return settled
			},
		},
		{
			Number: 14, Suffix: "v", Name: "every order and doubling of the events of a call", Short: true, Virtual: "TestCell14",
			Inject: "6 events in 720 orders, 64 sets doubled in each",
			Scaled: "all permutations, in memory", Expect: "the same result in each",
		},
	}
}
