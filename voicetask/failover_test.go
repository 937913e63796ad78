package voicetask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
)

// pair is a world with two accounts, the second being the first's failover.
func pair(t *testing.T, cfg voicetask.Config, first, second []providertest.Step) (w *world, a, b *providertest.Fake) {
	t.Helper()
	a, b = providertest.NewFake("vapi", first...), providertest.NewFake("second", second...)
	cfg.Providers = registry(t, a, b)
	if cfg.Failover == nil {
		cfg.Failover = func(context.Context, voicetask.Task) ([]string, error) { return []string{"vapi", "second"}, nil }
	}
	w = newWorld(t, cfg)
	a.UseClock(w.Now)
	b.UseClock(w.Now)
	return w, a, b
}

func steps(s ...providertest.Step) []providertest.Step { return s }

// TestFailoverAfterACertainError, whichever: the same key, the next provider, at once.
func TestFailoverAfterACertainError(t *testing.T) {
	for _, kind := range []provider.Kind{
		provider.KindUnavailable, provider.KindRateLimited, provider.KindUnauthenticated, provider.KindRejected,
		provider.KindNotFound, provider.KindInvalidRequest, provider.KindUnsupported,
	} {
		w, a, b := pair(t, voicetask.Config{}, steps(providertest.Step{Fail: fails(kind)}), nil)
		res := w.run(task())
		require.Equal(t, provider.OutcomeCompleted, res.Outcome, kind)
		require.Equal(t, "second", res.Data.Provider, kind)
		require.Equal(t, []string{"t1/1"}, keys(a), kind)
		require.Equal(t, []string{"t1/1"}, keys(b), kind)
		require.Zero(t, a.Dials())
		require.Equal(t, 1, b.Dials())
		require.Len(t, w.row().Attempts, 1)
		row := w.row().Attempts[0]
		require.Equal(t, "second", row.Provider, kind)
		require.Equal(t, 2, row.Sends, kind)
		require.Less(t, since(row.SentAt), 5*time.Second, kind)
	}
}

// TestNoFailoverAfterALostAnswer: a phone may have rung.
func TestNoFailoverAfterALostAnswer(t *testing.T) {
	w, a, b := pair(t, voicetask.Config{}, steps(providertest.Step{Fail: fails(provider.KindOutcomeUnknown)}), nil)
	res := w.run(task())
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)
	require.Equal(t, []string{"t1/1"}, keys(a))
	require.Empty(t, b.Requests())
}

// TestNoFailoverAfterAnAnswer: busy is the callee's word, not the provider's.
func TestNoFailoverAfterAnAnswer(t *testing.T) {
	w, a, b := pair(t, voicetask.Config{}, steps(providertest.Step{Outcome: provider.OutcomeBusy}), nil)
	require.Equal(t, provider.OutcomeBusy, w.run(task()).Outcome)
	require.Equal(t, 1, a.Dials())
	require.Empty(t, b.Requests())
}

// TestFailoverCountsAsSends: three in all, and back to the first only after a pause.
func TestFailoverCountsAsSends(t *testing.T) {
	down := providertest.Step{Fail: fails(provider.KindUnavailable)}
	w, a, b := pair(t, voicetask.Config{}, steps(down), steps(down))
	res := w.run(task())
	require.Equal(t, provider.OutcomeProviderFault, res.Outcome)
	require.Equal(t, voicetask.RuleSends, rule(res.Reason))
	require.Len(t, keys(a), 2)
	require.Len(t, keys(b), 1)
	require.Equal(t, 3, w.row().Attempts[0].Sends)
	require.GreaterOrEqual(t, since(w.row().Attempts[0].SentAt), 20*time.Second)
}
