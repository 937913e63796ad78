package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestBreakerAlonePutsOff: without another provider the dial waits for the cooldown.
func TestBreakerAlonePutsOff(t *testing.T) {
	down := providertest.Step{Fail: fails(provider.KindUnavailable)}
	cfg := voicetask.Config{Breaker: &voicetask.Breaker{Failures: 2, Cooldown: 10 * time.Minute}}
	w := newWorld(t, cfg, down, down, providertest.Step{})
	w.after(5*time.Minute, func() {
		r := rowOf(t, w.Store, "t1")
		w.must(errIf(r.Status != store.StatusScheduled || rule(r.Reason) != voicetask.RuleBreaker, "the row says %+v", r.Reason))
	})
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, []string{"t1/1", "t1/1", "t1/1"}, keys(w.fake))
	require.GreaterOrEqual(t, since(w.row().Attempts[0].SentAt), 10*time.Minute)
}

// TestBreakerCountsCallsThatFailed after they were accepted, in whichever way the worker
// comes to know of their end: a revoked trunk or an assistant that cannot start is found
// out after Place.
func TestBreakerCountsCallsThatFailed(t *testing.T) {
	for _, outcome := range []provider.Outcome{provider.OutcomeProviderFault, provider.OutcomeConfigError} {
		for told, script := range map[string]struct {
			step  providertest.Step
			event bool
		}{
			"by polling":  {providertest.Step{Outcome: outcome}, false},
			"by an event": {providertest.Step{Outcome: outcome}, true},
			"by Place":    {providertest.Step{Outcome: outcome, Blocking: true}, false},
		} {
			cfg := voicetask.Config{
				Breaker: &voicetask.Breaker{Failures: 2, Cooldown: 20 * time.Minute},
				Policy:  voicetask.Policy{Redial: map[provider.Outcome]voicetask.Redial{outcome: {After: []time.Duration{10 * time.Second}}}},
			}
			if script.step.Blocking {
				cfg.Policy.MaxCallDuration = 5 * time.Minute
			}
			w := newWorld(t, cfg, script.step, script.step, providertest.Step{})
			if script.event {
				w.after(40*time.Second, func() { w.deliver("t1/1") })
				w.after(90*time.Second, func() { w.deliver("t1/2") })
			}
			require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome, told)
			require.Equal(t, []string{"t1/1", "t1/2", "t1/3"}, keys(w.fake), told)
			require.Equal(t, []string{provider.NoticeBreakerOpen}, w.notices.kinds(), "%s, %s", outcome, told)
			rows := w.row().Attempts
			require.Less(t, since(rows[1].SentAt), 10*time.Minute, "one failure opens nothing: %s", told)
			require.GreaterOrEqual(t, since(rows[2].SentAt), 20*time.Minute, "%s, %s", outcome, told)
		}
	}
}

// TestBreakerCountsTheLastCall of a task, whose end an event told to another process:
// its result brings it to the worker.
func TestBreakerCountsTheLastCall(t *testing.T) {
	cfg := voicetask.Config{Breaker: &voicetask.Breaker{Failures: 1}, Policy: voicetask.Policy{MaxDials: 1}}
	w := newWorld(t, cfg, providertest.Step{Outcome: provider.OutcomeProviderFault})
	w.after(40*time.Second, func() { w.deliver("t1/1") })
	require.Equal(t, provider.OutcomeProviderFault, w.run(task()).Outcome)
	require.Equal(t, []string{provider.NoticeBreakerOpen}, w.notices.kinds())
}

// TestBreakerLeavesCalleesAlone: what a callee or a number does opens nothing, nor does
// what we ended ourselves.
func TestBreakerLeavesCalleesAlone(t *testing.T) {
	for _, outcome := range []provider.Outcome{
		provider.OutcomeBusy, provider.OutcomeNoAnswer, provider.OutcomeDeclined, provider.OutcomeInvalidNumber,
		provider.OutcomeVoicemail, provider.OutcomeCancelled, provider.OutcomeTimedOut, provider.OutcomeRateLimited,
	} {
		cfg := voicetask.Config{
			Breaker: &voicetask.Breaker{Failures: 1, Cooldown: time.Hour},
			Policy:  voicetask.Policy{Redial: map[provider.Outcome]voicetask.Redial{outcome: {After: []time.Duration{time.Second}}}},
		}
		w := newWorld(t, cfg, providertest.Step{Outcome: outcome})
		w.run(task())
		require.Len(t, keys(w.fake), 3, outcome)
		require.Empty(t, w.notices.kinds(), outcome)
		require.Less(t, since(w.row().Attempts[2].SentAt), time.Hour, outcome)
	}
}

// TestBreakerSendsElsewhere once the first account has failed often enough, and the
// task learns nothing of it.
func TestBreakerSendsElsewhere(t *testing.T) {
	cfg := voicetask.Config{Breaker: &voicetask.Breaker{Failures: 1, Cooldown: time.Hour}, Policy: voicetask.Policy{
		Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeBusy: {After: []time.Duration{time.Second}}},
	}}
	w, a, b := pair(t, cfg, steps(providertest.Step{Fail: fails(provider.KindUnauthenticated)}), steps(providertest.Step{Outcome: provider.OutcomeBusy}, providertest.Step{}))
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, []string{"t1/1"}, keys(a), "asked once, by the first dial")
	require.Equal(t, []string{"t1/1", "t1/2"}, keys(b))
	require.Equal(t, []string{provider.NoticeBreakerOpen}, w.notices.kinds())
}

// TestBreakerSendsTheNextDialElsewhere: an account whose calls fail after it accepted
// them loses the next dial of the task to the next of the line.
func TestBreakerSendsTheNextDialElsewhere(t *testing.T) {
	cfg := voicetask.Config{Breaker: &voicetask.Breaker{Failures: 1, Cooldown: time.Hour}}
	w, a, b := pair(t, cfg, steps(providertest.Step{Outcome: provider.OutcomeProviderFault}), nil)
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.Equal(t, []string{"t1/1"}, keys(a))
	require.Equal(t, []string{"t1/2"}, keys(b), "another dial, not another send of the same one")
	require.Equal(t, []string{provider.NoticeBreakerOpen}, w.notices.kinds())
}
