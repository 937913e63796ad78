package voicetask

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func feed(b *breakers, all ...evidence) (opened int) {
	for _, e := range all {
		if b.note("acc", e, noon) {
			opened++
		}
	}
	return opened
}

// TestAcceptedCallsHideNoFaults: a platform that takes every request and can dial none
// of them opens the breaker, however many it takes in between; and one that dials does
// not, however many requests fail to reach it among those that do.
func TestAcceptedCallsHideNoFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		seen []evidence
		open bool
	}{
		"faults among accepted":       {[]evidence{accepted, callFailed, accepted, accepted, callFailed, accepted}, true},
		"lost requests among taken":   {[]evidence{sendFailed, accepted, sendFailed, accepted, sendFailed}, false},
		"requests lost in a row":      {[]evidence{accepted, sendFailed, sendFailed}, true},
		"a phone in between":          {[]evidence{callFailed, reachedPhone, callFailed}, false},
		"a phone between sends":       {[]evidence{sendFailed, reachedPhone, sendFailed}, false},
		"nothing in between":          {[]evidence{callFailed, tellsNothing, callFailed}, true},
		"one of each kind":            {[]evidence{callFailed, sendFailed}, false},
		"a late good end":             {[]evidence{callFailed, callFailed, reachedPhone}, false},
		"taken is no proof of a call": {[]evidence{callFailed, callFailed, accepted}, true},
		"taken is proof of a send":    {[]evidence{sendFailed, sendFailed, accepted}, false},
	} {
		b := newBreakers(&Breaker{Failures: 2, Cooldown: time.Minute})
		feed(b, tt.seen...)
		require.Equal(t, tt.open, !b.ready("acc", noon), name)
		require.True(t, b.ready("another", noon), "accounts are apart: %s", name)
	}
}

// TestHalfOpen: after the cooldown one dial passes at a time.
func TestHalfOpen(t *testing.T) {
	b := newBreakers(&Breaker{Failures: 2, Cooldown: time.Minute})
	require.Equal(t, 1, feed(b, callFailed, callFailed, callFailed), "told of once")
	_, open := b.take("acc", noon.Add(59*time.Second))
	require.True(t, open)
	passed := 0
	for i := range 4 * 60 {
		if _, open := b.take("acc", noon.Add(time.Minute+time.Duration(i)*time.Second)); !open {
			passed++
			b.note("acc", accepted, noon) // it was taken, and lasts
		}
	}
	require.Equal(t, 4, passed)
	b.note("acc", reachedPhone, noon)
	_, open = b.take("acc", noon)
	require.False(t, open)
}

// TestEvidence: what proves what.
func TestEvidence(t *testing.T) {
	ended := func(id provider.CallID, o provider.Outcome, answered bool) provider.Call {
		c := provider.Call{ID: id, Status: provider.StatusEnded, Outcome: o}
		if answered {
			c.AnsweredAt = noon
		}
		return c
	}
	for want, all := range map[evidence][]provider.Call{
		reachedPhone: {
			ended("c", provider.OutcomeCompleted, true), ended("c", provider.OutcomeVoicemail, true), ended("c", provider.OutcomeNoAnswer, false),
			ended("c", provider.OutcomeBusy, false), ended("c", provider.OutcomeDeclined, false), ended("c", provider.OutcomeInvalidNumber, false),
			ended("c", provider.OutcomeTimedOut, true),
		},
		callFailed: {
			ended("c", provider.OutcomeProviderFault, false), ended("c", provider.OutcomeProviderFault, true),
			ended("c", provider.OutcomeConfigError, false), ended("", provider.OutcomeConfigError, false),
		},
		accepted: {
			{ID: "c", Status: provider.StatusQueued}, {ID: "c", Status: provider.StatusInProgress}, ended("c", provider.OutcomeUnknown, false),
			ended("c", provider.OutcomeRateLimited, false), ended("c", provider.OutcomeTimedOut, false), ended("c", provider.OutcomeCancelled, false),
			ended("", provider.OutcomeInvalidNumber, false),
		},
	} {
		for _, c := range all {
			require.Equal(t, want, evidenceOfSend(c, nil), "%+v", c)
		}
	}
	for want, kinds := range map[evidence][]provider.Kind{
		sendFailed: {
			provider.KindUnauthenticated, provider.KindRejected, provider.KindNotFound, provider.KindUnavailable, provider.KindOutcomeUnknown,
		},
		accepted:     {provider.KindRateLimited},
		tellsNothing: {provider.KindInvalidRequest, provider.KindUnsupported},
	} {
		for _, kind := range kinds {
			require.Equal(t, want, evidenceOfSend(provider.Call{}, &provider.Error{Kind: kind}), kind)
		}
	}
	require.Equal(t, tellsNothing, evidenceOfSend(provider.Call{}, context.Canceled), "we stopped, not the platform")
}

// TestOldEndsTellNothing: what a call of hours ago came to, whose task is redialled now, says
// nothing about the account as it is now.
func TestOldEndsTellNothing(t *testing.T) {
	a := &activities{cfg: Config{Now: func() time.Time { return noon }}.withDefaults(), breakers: newBreakers(&Breaker{Failures: 2, Cooldown: time.Minute})}
	dialledBefore := func(i int, o provider.Outcome, ago time.Duration) {
		id := fmt.Sprintf("t%d", i)
		prev := store.Attempt{N: 1, Key: provider.Key(id, 1), Provider: "acc", State: store.AttemptEnded, CallID: "c", Outcome: o, EndedAt: noon.Add(-ago)}
		e := &execution{activities: a, in: CallInput{N: 2}, rec: store.Record{ID: id, Attempts: []store.Attempt{prev}}}
		e.judgedBefore(t.Context())
	}
	dialledBefore(1, provider.OutcomeProviderFault, 12*time.Hour)
	dialledBefore(2, provider.OutcomeProviderFault, 12*time.Hour)
	require.True(t, a.breakers.ready("acc", noon), "it was down in the night")

	a.breakers.note("acc", sendFailed, noon)
	dialledBefore(3, provider.OutcomeNoAnswer, 4*time.Hour)
	a.breakers.note("acc", sendFailed, noon)
	require.False(t, a.breakers.ready("acc", noon), "that it worked in the morning hides no failure")
	dialledBefore(4, provider.OutcomeNoAnswer, time.Second)
	require.False(t, a.breakers.ready("acc", noon), "nor does what came before the failure")
	dialledBefore(5, provider.OutcomeNoAnswer, -time.Hour)
	require.True(t, a.breakers.ready("acc", noon), "a platform's clock that is ahead says now")

	dialledBefore(6, provider.OutcomeProviderFault, 20*time.Second)
	dialledBefore(7, provider.OutcomeProviderFault, 10*time.Second)
	require.False(t, a.breakers.ready("acc", noon), "what is fresh counts")
}

// TestEndsAreCountedOnce, and what remembers them stays small.
func TestEndsAreCountedOnce(t *testing.T) {
	b := newBreakers(&Breaker{})
	require.True(t, b.first("t/1"))
	for i := range generation {
		require.False(t, b.first("t/1"), "still known after %d others", i)
		b.first(fmt.Sprintf("other-%d/1", i))
	}
	for i := range 10 * generation {
		b.first(fmt.Sprintf("more-%d/1", i))
	}
	require.LessOrEqual(t, len(b.ended.young)+len(b.ended.old), 2*generation)
	require.True(t, (*breakers)(nil).ready("acc", noon))
}
