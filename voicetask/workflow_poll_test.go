package voicetask_test

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

// polled runs a call and tells when the platform was asked for it.
func polled(t *testing.T, cfg voicetask.Config, traits provider.Traits, step providertest.Step) (*world, voicetask.Result, []time.Duration) {
	t.Helper()
	fake := providertest.NewFake("vapi", step)
	p := &hooked{Fake: fake, traits: &traits}
	var w *world
	var asked []time.Duration
	p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
		asked = append(asked, w.Now().Sub(start))
		return fake.Get(ctx, id)
	}
	w = newWorldOn(t, cfg, fake, p)
	return w, w.run(task()), asked
}

// TestPollingStartsAfterASilence where the platform sends events.
func TestPollingStartsAfterASilence(t *testing.T) {
	_, res, asked := polled(t, voicetask.Config{}, provider.Traits{Events: true}, providertest.Step{Lasts: 150 * time.Second})
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, []time.Duration{120 * time.Second, 140 * time.Second, 160 * time.Second}, asked)
	require.Equal(t, 150*time.Second, since(res.Data.EndTime))
	require.NotEmpty(t, res.Data.Transcript)
}

// TestPollingStartsAtOnce where it does not.
func TestPollingStartsAtOnce(t *testing.T) {
	w, res, asked := polled(t, voicetask.Config{}, provider.Traits{}, providertest.Step{Lasts: 50 * time.Second})
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, []time.Duration{0, 20 * time.Second, 40 * time.Second, 60 * time.Second}, asked)
	require.Equal(t, time.Minute, w.Now().Sub(start), "without events nothing comes late")
}

// TestPlainProviderPollsAtOnce: no Traits at all are the cautious ones.
func TestPlainProviderPollsAtOnce(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 50 * time.Second})
	w := newWorldOn(t, voicetask.Config{}, fake, plain{fake})
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Equal(t, time.Minute, w.Now().Sub(start))
}

func TestPollIntervalAndGraceOfThePolicy(t *testing.T) {
	cfg := voicetask.Config{Policy: voicetask.Policy{PollInterval: 7 * time.Second, EventGrace: 10 * time.Second}}
	_, _, asked := polled(t, cfg, provider.Traits{Events: true}, providertest.Step{Lasts: 20 * time.Second})
	require.Equal(t, []time.Duration{10 * time.Second, 17 * time.Second, 24 * time.Second}, asked)
}

// TestNegativePollIntervalNeverAsks: events and the deadline only.
func TestNegativePollIntervalNeverAsks(t *testing.T) {
	for name, traits := range map[string]provider.Traits{"with events": {Events: true}, "without": {}} {
		t.Run(name, func(t *testing.T) {
			cfg := voicetask.Config{Policy: voicetask.Policy{PollInterval: -1}}
			_, res, asked := polled(t, cfg, traits, providertest.Step{Lasts: 10 * time.Minute})
			require.Equal(t, provider.OutcomeCompleted, res.Outcome, "hanging up at the deadline found that it had ended")
			require.Equal(t, []time.Duration{15 * time.Minute}, asked)
		})
	}
}

// TestEventEndsThePolling.
func TestEventEndsThePolling(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 5 * time.Minute, Outcome: provider.OutcomeBusy})
	p := &hooked{Fake: fake, traits: &provider.Traits{}}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	w.after(70*time.Second, func() { fake.Finish("call-1", provider.OutcomeBusy); w.deliver("t1/1") })
	require.Equal(t, provider.OutcomeBusy, w.run(task()).Outcome)
	require.Equal(t, 70*time.Second, w.Now().Sub(start))
}

// TestPollFindsWhatALostSignalWasToTell: the row has the event, the workflow was not
// told.
func TestPollFindsWhatALostSignalWasToTell(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Minute})
	w := newWorldOn(t, voicetask.Config{}, fake, eventsOnly(fake))
	deaf, err := voicetask.NewClient(&fakeTemporal{}, voicetask.ClientConfig{Store: w.Store, Now: w.Now})
	require.NoError(t, err)
	w.after(time.Minute, func() { w.must(deaf.Deliver(context.Background(), fake.Event("t1/1"))) })
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 2*time.Minute, w.Now().Sub(start), "after the silence")
	require.NotEmpty(t, res.Data.Transcript)
}

// TestGetThatFailsForAWhile is no end of the call, and no end of the waiting.
func TestGetThatFailsForAWhile(t *testing.T) {
	for name, fail := range map[string]error{
		"unavailable": provider.ErrUnavailable, "not found": provider.ErrNotFound, "rate limited": provider.ErrRateLimited, "untyped": context.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Minute})
			p := &hooked{Fake: fake, traits: &provider.Traits{}}
			var w *world
			p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
				if since(w.Now()) < 10*time.Minute {
					return provider.Call{}, fail
				}
				return fake.Get(ctx, id)
			}
			w = newWorldOn(t, voicetask.Config{}, fake, p)
			res := w.run(task())
			require.Equal(t, provider.OutcomeCompleted, res.Outcome)
			require.Equal(t, time.Minute, since(res.Data.EndTime))
			require.Equal(t, 10*time.Minute, w.Now().Sub(start))
		})
	}
}

// TestGetUnsupportedWaitsForEvents, also where polling would start at once.
func TestGetUnsupportedWaitsForEvents(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 5 * time.Minute})
	p := eventsOnly(fake)
	p.traits = &provider.Traits{}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	w.after(5*time.Minute, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, p.polls(), "asked once and never again")
	require.NotEmpty(t, res.Data.Transcript)
}

// TestAnsweredIsNotedWhileTheCallIsUp: some platforms forget it.
func TestAnsweredIsNotedWhileTheCallIsUp(t *testing.T) {
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: 100 * time.Second})
	p := &hooked{Fake: fake, traits: &provider.Traits{}}
	p.get = func(ctx context.Context, id provider.CallID) (provider.Call, error) {
		c, err := fake.Get(ctx, id)
		if c.Status == provider.StatusEnded {
			c.AnsweredAt = time.Time{}
		}
		return c, err
	}
	w := newWorldOn(t, voicetask.Config{}, fake, p)
	w.after(50*time.Second, func() {
		row := w.row()
		w.must(errIf(row.Attempts[0].AnsweredAt.IsZero() || row.Status != store.StatusInProgress, "the row says %+v", row))
	})
	res := w.run(task())
	require.InDelta(t, 80, float64(res.Data.Duration), 0)
}
