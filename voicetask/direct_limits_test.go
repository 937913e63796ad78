package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestAPlatformsClockAheadDelaysNoRedial of a Direct's: it says that the call ends in an hour.
func TestAPlatformsClockAheadDelaysNoRedial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
		p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
			c, err := p.Fake.Get(ctx, id)
			if c.Status == provider.StatusEnded {
				c.EndedAt = c.EndedAt.Add(time.Hour)
			}
			return c, err
		}
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.Less(t, rowOf(t, o.store, "t1").Attempts[1].SentAt.Sub(start), 5*time.Minute)
	})
}

// TestDirectGivesUpHangingUp where a platform refuses to, as the workflow does after half
// an hour: the platform's own limits end the call, and the task has its result.
func TestDirectGivesUpHangingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 3 * time.Hour})
		p.end = func(context.Context, provider.CallID) error { return errors.New("refused") }
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		res, err := o.Wait(ctx, "t1")
		require.NoError(t, err)
		require.Equal(t, provider.OutcomeTimedOut, res.Outcome)
	})
}

// TestDirectDrainsADialThatWaitsForItsAgent for as long as its Place may take.
func TestDirectDrainsADialThatWaitsForItsAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		p.traits = &provider.Traits{SetupTime: 2 * time.Minute}
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			time.Sleep(2*time.Minute + 40*time.Second) // an agent, and then the ringing
			return p.Fake.Place(ctx, req)
		}
		o := newOffice(t, voicetask.Config{}, p)
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(10 * time.Second)
		o.close()
		require.Equal(t, store.AttemptPlaced, rowOf(t, o.store, "t1").Attempts[0].State)
	})
}
