package voicetask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
)

func TestPolicyDefaults(t *testing.T) {
	require.Equal(t, Policy{
		MaxDials: 3, MaxCallDuration: 15 * time.Minute, RingTimeout: 45 * time.Second, PollInterval: 20 * time.Second, EventGrace: 2 * time.Minute,
		Redial: DefaultRedial(),
	}, Policy{}.resolved(provider.Traits{}))
	require.Equal(t, 13*time.Minute, Policy{}.resolved(provider.Traits{Blocking: true}).MaxCallDuration)
	own := Policy{MaxDials: 1, MaxCallDuration: time.Minute, RingTimeout: time.Second, PollInterval: -1, EventGrace: time.Second, Redial: map[provider.Outcome]Redial{}}
	require.Equal(t, own, own.resolved(provider.Traits{Blocking: true}))
}

func TestDefaultRedial(t *testing.T) {
	after := []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute}
	want := map[provider.Outcome]Redial{provider.OutcomeProviderFault: {After: after}, provider.OutcomeRateLimited: {After: after}}
	got := DefaultRedial()
	require.Equal(t, want, got)
	got[provider.OutcomeRateLimited].After[0] = time.Hour
	delete(got, provider.OutcomeProviderFault)
	require.Equal(t, want, DefaultRedial(), "each caller has a map of its own")
}

func TestPolicyCheckNamesTheField(t *testing.T) {
	for field, p := range map[string]Policy{
		"MaxDials":              {MaxDials: -1},
		"MaxCallDuration":       {MaxCallDuration: -1},
		"RingTimeout":           {RingTimeout: -1},
		"EventGrace":            {EventGrace: -1},
		"RingTimeout is 14m40s": {RingTimeout: 14*time.Minute + 40*time.Second},
		`Redial["unknown"]`:     {Redial: map[provider.Outcome]Redial{provider.OutcomeUnknown: {}}},
		`Redial["engaged"]`:     {Redial: map[provider.Outcome]Redial{"engaged": {}}},
		`Redial["busy"].Max`:    {Redial: map[provider.Outcome]Redial{provider.OutcomeBusy: {Max: -1}}},
		`Redial["busy"].After`:  {Redial: map[provider.Outcome]Redial{provider.OutcomeBusy: {After: []time.Duration{0, -1}}}},
	} {
		require.ErrorContains(t, p.check(), field)
	}
	require.NoError(t, Policy{}.check())
	require.NoError(t, Policy{PollInterval: -1}.check(), "negative: events and the deadline only")
}

func TestPolicyFitsABlockingProvider(t *testing.T) {
	blocking := provider.Traits{Blocking: true}
	fits := Policy{MaxCallDuration: 14 * time.Minute, RingTimeout: 45 * time.Second}
	require.NoError(t, fits.fits(blocking))
	fits.RingTimeout++
	require.ErrorContains(t, fits.fits(blocking), "MaxCallDuration")
	require.NoError(t, fits.fits(provider.Traits{}))
	require.NoError(t, Policy{}.resolved(blocking).fits(blocking), "the defaults fit")
}

func TestNext(t *testing.T) {
	fault := provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeProviderFault}
	answered, silent := fault, fault
	answered.AnsweredAt = time.Unix(1, 0)
	silent.AnsweredAt, silent.NoSpeech = time.Unix(1, 0), true
	pf, rl, busy := provider.OutcomeProviderFault, provider.OutcomeRateLimited, provider.OutcomeBusy
	call := func(o provider.Outcome) provider.Call {
		return provider.Call{ID: "c1", Status: provider.StatusEnded, Outcome: o}
	}
	unproved := provider.Call{Status: provider.StatusEnded, Outcome: provider.OutcomeUnknown}
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	many := Policy{MaxDials: 10}
	own := Policy{MaxDials: 10, Redial: map[provider.Outcome]Redial{
		busy: {After: []time.Duration{s(60), s(120)}, Max: 2}, provider.OutcomeNoAnswer: {}, provider.OutcomeUnknown: {},
	}}
	for name, c := range map[string]struct {
		policy  Policy
		task    Task
		n       int
		call    provider.Call
		earlier []provider.Outcome
		wait    time.Duration
		again   bool
		rule    string
	}{
		"a fault":                         {many, Task{}, 1, fault, nil, s(10), true, RuleOutcome},
		"a second fault":                  {many, Task{}, 2, fault, []provider.Outcome{pf}, s(20), true, RuleOutcome},
		"a third fault":                   {many, Task{}, 3, fault, []provider.Outcome{pf, pf}, s(40), true, RuleOutcome},
		"a fourth fault":                  {many, Task{}, 4, fault, []provider.Outcome{pf, pf, pf}, s(60), true, RuleOutcome},
		"a fifth: the last repeats":       {many, Task{}, 5, fault, []provider.Outcome{pf, pf, pf, pf}, s(60), true, RuleOutcome},
		"counted for each outcome":        {many, Task{}, 3, call(rl), []provider.Outcome{pf, pf}, s(10), true, RuleOutcome},
		"the last dial":                   {Policy{}, Task{}, 3, fault, []provider.Outcome{pf, pf}, 0, false, RuleMaxDials},
		"the task allows more":            {Policy{}, Task{MaxDials: 4}, 3, fault, []provider.Outcome{pf, pf}, s(40), true, RuleOutcome},
		"the task allows one":             {Policy{}, Task{MaxDials: 1}, 1, fault, nil, 0, false, RuleMaxDials},
		"a fault after words":             {many, Task{}, 1, answered, nil, 0, false, RuleOutcome},
		"a fault before words":            {many, Task{}, 1, silent, nil, s(10), true, RuleOutcome},
		"busy, by default":                {many, Task{}, 1, call(busy), nil, 0, false, RuleOutcome},
		"busy, if the host says so":       {own, Task{}, 1, call(busy), nil, s(60), true, RuleOutcome},
		"busy, for the last time":         {own, Task{}, 2, call(busy), []provider.Outcome{busy}, s(120), true, RuleOutcome},
		"busy, Max reached":               {own, Task{}, 3, call(busy), []provider.Outcome{busy, busy}, 0, false, RuleMaxDials},
		"no wait given: at once":          {own, Task{}, 1, call(provider.OutcomeNoAnswer), nil, 0, true, RuleOutcome},
		"unknown, whatever the host says": {own, Task{}, 1, call(provider.OutcomeUnknown), nil, 0, false, RuleOutcome},
		"not known to have been placed":   {own, Task{}, 1, unproved, nil, 0, false, RuleUnknown},
		"a fault not in the host's map":   {own, Task{}, 1, fault, nil, 0, false, RuleOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			wait, again, rule := c.policy.resolved(provider.Traits{}).next(c.task, c.n, c.call, c.earlier)
			require.Equal(t, c.again, again)
			require.Equal(t, c.wait, wait)
			require.Equal(t, c.rule, rule)
		})
	}
	for _, o := range outcomes {
		_, again, _ := Policy{}.resolved(provider.Traits{}).next(Task{}, 1, call(o), nil)
		require.Equal(t, o == pf || o == rl, again, "by default %s", o)
	}
}

func TestAwaitAfter(t *testing.T) {
	p := Policy{}.resolved(provider.Traits{})
	require.Equal(t, 2*time.Minute, p.awaitAfter(provider.Traits{Events: true}))
	require.Zero(t, p.awaitAfter(provider.Traits{}), "no events: poll at once")
	p.PollInterval = -1
	require.Negative(t, p.awaitAfter(provider.Traits{Events: true}))
	require.Negative(t, p.awaitAfter(provider.Traits{}))
}

// TestBackoff is the seed's: 10 s growing to 1 min.
func TestBackoff(t *testing.T) {
	for tries, want := range map[int]time.Duration{0: 10, 1: 10, 2: 20, 3: 40, 4: 60, 5: 60, 1000: 60} {
		require.Equal(t, want*time.Second, backoff(tries), tries)
	}
}
