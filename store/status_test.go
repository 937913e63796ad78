package store_test

import (
	"testing"

	"github.com/superservices/voice/store"
)

func TestTerminal(t *testing.T) {
	for status, want := range map[store.Status]bool{
		store.StatusPending: false, store.StatusScheduled: false, store.StatusHold: false,
		store.StatusProcessing: false, store.StatusInProgress: false, "": false, "of the future": false,
		store.StatusCompleted: true, store.StatusFailed: true, store.StatusCancelled: true,
		store.StatusPartiallyCompleted: false,
	} {
		if got := status.Terminal(); got != want {
			t.Errorf("%q: got %v, want %v", status, got, want)
		}
	}
}

func TestRunStatus(t *testing.T) {
	const (
		pending, scheduled, hold     = store.StatusPending, store.StatusScheduled, store.StatusHold
		processing, inProgress       = store.StatusProcessing, store.StatusInProgress
		completed, failed, cancelled = store.StatusCompleted, store.StatusFailed, store.StatusCancelled
		partially                    = store.StatusPartiallyCompleted
	)
	type counts map[store.Status]int
	for _, c := range []struct {
		name string
		in   counts
		want store.Status
	}{
		{"no tasks", nil, pending},
		{"counts of zero", counts{completed: 0, failed: 0}, pending},

		{"nothing has begun", counts{pending: 3}, pending},
		{"all put off", counts{scheduled: 2}, scheduled},
		{"all on hold", counts{hold: 2}, hold},
		{"some put off", counts{pending: 1, scheduled: 1, hold: 1}, pending},
		{"put off or on hold", counts{scheduled: 1, hold: 1}, scheduled},
		{"about to dial", counts{processing: 1, pending: 5}, processing},

		{"a call is live", counts{inProgress: 1, pending: 5}, inProgress},
		{"a call is live and one is about to be", counts{inProgress: 1, processing: 1}, inProgress},
		{"one ended, the others wait", counts{completed: 1, pending: 5}, inProgress},
		{"one failed, the others are on hold", counts{failed: 1, hold: 5}, inProgress},
		{"one ended, one is about to dial", counts{cancelled: 1, processing: 1}, inProgress},

		{"all completed", counts{completed: 4}, completed},
		{"all failed", counts{failed: 4}, failed},
		{"all cancelled", counts{cancelled: 4}, cancelled},
		{"some failed", counts{completed: 3, failed: 1}, partially},
		{"some cancelled", counts{completed: 3, cancelled: 1}, partially},
		{"some of each", counts{completed: 1, failed: 1, cancelled: 1}, partially},
		{"none completed", counts{failed: 1, cancelled: 3}, failed},
	} {
		if got := (store.Summary{ByStatus: c.in}).RunStatus(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
