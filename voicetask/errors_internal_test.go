package voicetask

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/provider"
)

func TestTemporalError(t *testing.T) {
	limited := &provider.Error{Provider: "vapi", Op: "get", Kind: provider.KindRateLimited}
	host := temporal.NewNonRetryableApplicationError("no", "HostType", nil)
	for name, c := range map[string]struct {
		in           error
		errType      string
		nonRetryable bool
		delay        time.Duration
		benign       bool
	}{
		"later":               {&later{delay: 20 * time.Second, why: "the call has not ended"}, "later", false, 20 * time.Second, true},
		"later, of a kind":    {fmt.Errorf("x: %w", &later{delay: time.Second, kind: provider.KindUnavailable}), "provider.unavailable", false, time.Second, true},
		"no provider":         {fmt.Errorf("x: %w", provider.ErrNoProvider), "ValueError", true, 0, false},
		"a provider's":        {fmt.Errorf("x: %w", limited), "provider.rate_limited", false, 0, false},
		"the host's own":      {host, "HostType", true, 0, false},
		"the host's, wrapped": {fmt.Errorf("x: %w", host), "HostType", true, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			var got *temporal.ApplicationError
			require.ErrorAs(t, temporalError(Task{}, c.in), &got)
			require.Equal(t, c.errType, got.Type())
			require.Equal(t, c.nonRetryable, got.NonRetryable())
			require.Equal(t, c.delay, got.NextRetryDelay())
			require.Equal(t, c.benign, got.Category() == temporal.ApplicationErrorCategoryBenign)
		})
	}
	require.NoError(t, temporalError(Task{}, nil))
	plain := errors.New("store down")
	require.Equal(t, plain, temporalError(Task{}, plain), "anything else is retried as it is")
}

func TestKindOf(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want provider.Kind
		ok   bool
	}{
		"through Temporal": {fmt.Errorf("activity: %w", temporalError(Task{}, &provider.Error{Kind: provider.KindRejected})), provider.KindRejected, true},
		"as it is":         {fmt.Errorf("x: %w", provider.ErrUnavailable), provider.KindUnavailable, true},
		"later":            {temporalError(Task{}, &later{}), "", false},
		"later of a kind":  {temporalError(Task{}, &later{kind: provider.KindRateLimited}), provider.KindRateLimited, true},
		"selection":        {temporalError(Task{}, provider.ErrNoProvider), "", false},
		"another":          {errors.New("x"), "", false},
		"nil":              {nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			kind, ok := KindOf(c.err)
			require.Equal(t, c.want, kind)
			require.Equal(t, c.ok, ok)
		})
	}
}

func TestOutcomeOfEachKind(t *testing.T) {
	for kind, want := range map[provider.Kind]provider.Outcome{
		provider.KindInvalidRequest: provider.OutcomeConfigError, provider.KindUnauthenticated: provider.OutcomeConfigError,
		provider.KindNotFound: provider.OutcomeConfigError, provider.KindRejected: provider.OutcomeConfigError,
		provider.KindUnsupported: provider.OutcomeConfigError, provider.KindRateLimited: provider.OutcomeRateLimited,
		provider.KindUnavailable: provider.OutcomeProviderFault, provider.KindOutcomeUnknown: provider.OutcomeUnknown,
	} {
		require.Equal(t, want, outcomeOf(kind), kind)
		again := kind == provider.KindRateLimited || kind == provider.KindUnavailable
		require.Equal(t, again, worthAnotherSend(kind), kind)
	}
}
