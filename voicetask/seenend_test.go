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
	"github.com/superservices/voice/voicetask"
)

// goneAfterTheEnd is a platform that tells the end of a call once, without its summary,
// and then nothing more.
func goneAfterTheEnd(now func() time.Time) *hooked {
	p := lagging(time.Hour, now, providertest.Step{})
	tell, told := p.get, false
	p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
		if told {
			return provider.Call{}, errors.New("away")
		}
		c, err := tell(ctx, id)
		told = c.Status == provider.StatusEnded
		return c, err
	}
	p.end = func(context.Context, provider.CallID) error { return errors.New("away") }
	return p
}

// TestASeenEndIsKept while its summary is waited for: the platform may be away then, and
// the call has been a conversation all the same.
func TestASeenEndIsKept(t *testing.T) {
	var w *world
	p := goneAfterTheEnd(func() time.Time { return w.Now() })
	w = newWorldOn(t, voicetask.Config{}, p.Fake, p)
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Less(t, since(w.Now()), 5*time.Minute)
	require.Equal(t, provider.OutcomeCompleted, w.row().Attempts[0].Outcome)
}

// TestASeenEndIsKeptByDirect, too.
func TestASeenEndIsKeptByDirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := clockFromStart()
		o := newOffice(t, voicetask.Config{Now: now}, goneAfterTheEnd(now))
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
	})
}
