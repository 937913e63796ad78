package voicetask_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestOfTwoSweepersThatSawTheSameRowOneGoesOn.
func TestOfTwoSweepersThatSawTheSameRowOneGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		r := seed(t, y.store, func(r *store.Record) { r.DueAt = start.Add(-time.Hour) })
		y.temporal.onStart = nil // it is not to be seen that it runs
		cfg := voicetask.Config{Providers: registry(t, provider.Provider(y.p)), Store: seenBefore{y.store, r}, Now: y.now}
		for range 2 {
			s, err := voicetask.NewSweeper(cfg, y.Client)
			require.NoError(t, err)
			runFor(t, s, time.Second)
		}
		require.Len(t, y.temporal.started, 1)
	})
}

// seenBefore lists a row as it was.
type seenBefore struct {
	*faultyStore
	row store.Record
}

func (s seenBefore) List(_ context.Context, q store.Query) ([]store.Record, error) {
	for _, status := range q.Statuses {
		if status == s.row.Status {
			return []store.Record{s.row}, nil
		}
	}
	return nil, nil
}

// TestOfTwoSweepersOneAsksAboutAnUnknownDial.
func TestOfTwoSweepersOneAsksAboutAnUnknownDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		id := y.ring("other/1").ID
		unknownTask(t, y)
		r, err := store.Modify(t.Context(), y.store, "t1", func(r *store.Record) error {
			r.Attempts[0].State, r.Attempts[0].CallID, r.DueAt = store.AttemptPlaced, id, start
			return nil
		})
		require.NoError(t, err)
		time.Sleep(time.Second)
		cfg := voicetask.Config{Providers: registry(t, provider.Provider(y.p)), Store: seenBefore{y.store, r}, Now: y.now}
		for range 2 {
			s, err := voicetask.NewSweeper(cfg, y.Client)
			require.NoError(t, err)
			runFor(t, s, time.Second)
		}
		require.Equal(t, 1, y.p.polls())
	})
}
