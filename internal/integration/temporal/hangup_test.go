package temporal_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// noHangUp is a platform that cannot end a call. It says when it is asked to.
type noHangUp struct {
	*providertest.Fake
	asked chan<- struct{}
}

func (p noHangUp) End(context.Context, provider.CallID) error {
	select {
	case p.asked <- struct{}{}:
	default:
	}
	return provider.ErrUnsupported
}

// A cancelled task stays open while somebody is on the phone whom nobody can hang up on.
func TestCancelWhereThePlatformCannotHangUp(t *testing.T) {
	asked := make(chan struct{}, 1)
	r := newRig(t, func(c *voicetask.Config) {
		untilTold(c)
		var err error
		c.Providers, err = provider.NewRegistry(noHangUp{Fake: providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour}), asked: asked})
		require.NoError(t, err)
	})
	p, _ := r.cfg.Providers.Lookup("vapi")
	fake := p.(noHangUp).Fake
	r.submit("no-hang-up")
	call := r.untilFollowed("no-hang-up").Attempts[0].CallID
	require.NoError(t, r.client.Cancel(t.Context(), "no-hang-up"))
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("the platform is not asked to hang up")
	}
	time.Sleep(time.Second)
	rec, err := r.store.Get(t.Context(), "no-hang-up")
	require.NoError(t, err)
	require.False(t, rec.Status.Terminal(), "its call is up")
	fake.Finish(call, provider.OutcomeCompleted)
	res := r.wait("no-hang-up")
	require.Equal(t, store.StatusCancelled, res.Status)
	require.Equal(t, 1, fake.Dials())
	r.untilRow("no-hang-up", "ended", attempt(1, store.AttemptEnded))
	r.history("no-hang-up", "", "cancelled-without-hang-up")
}
