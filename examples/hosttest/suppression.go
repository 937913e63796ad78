// Package hosttest is how a host tests its own rules: on Temporal's test environment, where
// the workflow, the dial fence and the rows are the real ones, the platform is scripted and
// the clock skips, so that a redial after 10 seconds takes none.
//
// The rule tested here is a suppression list, as a voicetask.Gate.
//
//	go test -v ./hosttest
//
// prints, between debug lines of Temporal's environment, that both tests pass.
package hosttest

import (
	"context"

	"github.com/superservices/voice/voicetask"
)

// Suppression is a Gate: numbers that must not be called. It is asked right before each
// dial, so a number that is added while a task waits is not called any more.
type Suppression struct {
	// Listed reports whether number is on the list. An error is retried: no answer, no dial.
	Listed func(ctx context.Context, number string) (bool, error)
}

// Check implements voicetask.Gate.
func (s Suppression) Check(ctx context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
	listed, err := s.Listed(ctx, d.Task.Data.ContactNumber)
	if err != nil || !listed {
		return voicetask.Verdict{}, err
	}
	return voicetask.Verdict{Refuse: true, Rule: "suppressed", Reason: "the callee asked not to be called"}, nil
}
