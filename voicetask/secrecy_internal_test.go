package voicetask

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/provider"
)

var secretive = Task{ID: "t1", AgentID: "a", Data: Data{ContactNumber: "+14155550123", ContactName: "Ada Example"}}

func TestHidden(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"busy":                          "busy",
		"Ada Example (4-155-550-123)":   "[name] (4…23)",
		"to +1 (415) 55 50 123":         "to +1…23",
		"to 555 0123":                   "to 55…23",
		"another, +49 151 12345678":     "another, +4…78",
		"GET https://x.example/c?t=1 x": "GET [url] x",
		"postgres://u:p@db/x is down":   "[url] is down",
		"sip:bob@example.org refused":   "si…rg refused",
		"at 2026-01-07 10:00:00":        "at 2026-01-07 10:00:00",
	} {
		require.Equal(t, want, hidden(secretive, in), in)
	}
	sip := Task{Data: Data{ContactNumber: "sip:ada@example.org"}}
	require.Equal(t, "no user si…rg", hidden(sip, "no user ada@example.org"))
	digits := Task{ID: "20260107123456", Data: Data{ContactNumber: "+14155550123"}}
	require.Equal(t, "task 20260107123456: +1…23", hidden(digits, "task 20260107123456: +14155550123"), "the id is what an operator looks for")
	asID := Task{ID: "14155550123", Data: Data{ContactNumber: "+14155550123"}}
	require.Equal(t, "task 14…23", hidden(asID, "task 14155550123"), "unless it is the number")
	require.Equal(t, "dial 112", hidden(Task{Data: Data{ContactNumber: "112"}}, "dial 112"), "nothing is left of a text otherwise")
}

type chainedError struct {
	said  string
	inner error
}

func (e *chainedError) Error() string { return e.said }
func (e *chainedError) Unwrap() error { return e.inner }

// TestTemporalErrorSaysNothing: the SDK writes down the words of an error and of each
// error within it.
func TestTemporalErrorSaysNothing(t *testing.T) {
	leak := errors.New("no route to 415.555.0123, Ada Example")
	for name, err := range map[string]error{
		"plain": leak, "within": &chainedError{"harmless", leak}, "wrapped": fmt.Errorf("x: %w", leak),
		"a provider's": &provider.Error{Provider: "p", Kind: provider.KindRejected, Err: leak},
		"the host's":   temporal.NewApplicationErrorWithCause("for Ada Example", "CRM", leak, 1, "two"),
		"no provider":  fmt.Errorf("%w: %w", provider.ErrNoProvider, leak),
		"panic":        panicked(leak),
	} {
		t.Run(name, func(t *testing.T) {
			failure := temporal.GetDefaultFailureConverter().ErrorToFailure(temporalError(secretive, err))
			require.NotEmpty(t, failure.GetMessage())
			require.NotContains(t, failure.String(), "415.555")
			require.NotContains(t, failure.String(), "Ada Example")
		})
	}
}

// TestHiddenApplication: what Temporal and the host's workflow go by stays.
func TestHiddenApplication(t *testing.T) {
	in := temporal.NewApplicationErrorWithOptions("for Ada Example", "CRM", temporal.ApplicationErrorOptions{
		NonRetryable: true, NextRetryDelay: 5, Category: temporal.ApplicationErrorCategoryBenign, Details: []any{1, "two"},
	})
	var out *temporal.ApplicationError
	require.ErrorAs(t, temporalError(secretive, in), &out)
	require.Equal(t, "for [name]", out.Message())
	require.Equal(t, "CRM", out.Type())
	require.True(t, out.NonRetryable())
	require.EqualValues(t, 5, out.NextRetryDelay())
	require.Equal(t, temporal.ApplicationErrorCategoryBenign, out.Category())
	var one int
	var two string
	require.NoError(t, out.Details(&one, &two))
	require.Equal(t, 1, one)
	require.Equal(t, "two", two)

	harmless := temporal.NewApplicationError("x", "CRM")
	require.Same(t, harmless, temporalError(secretive, harmless))
}

// TestPanicIsAnError: the SDK would write down what was said and where.
func TestPanicIsAnError(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute) // the SDK allows 3 s
	r := registered{panicking{}}
	env.RegisterActivity(r.voiceExecuteCall)
	_, err := env.ExecuteActivity(r.voiceExecuteCall, CallInput{Task: secretive, N: 1, Key: "t1/1"})
	require.ErrorContains(t, err, "voicetask: panic: dialling [name] at +1…23")
	require.NotContains(t, err.Error(), "Ada")
}

type panicking struct{ Activity }

func (panicking) ExecuteCall(context.Context, CallInput) (Dialled, error) {
	panic("dialling Ada Example at +1 415 555 0123")
}

func TestQuiet(t *testing.T) {
	require.NoError(t, quiet(secretive, nil))
	require.Equal(t, errNoChange, quiet(secretive, errNoChange))
	err := quiet(secretive, fmt.Errorf("%w: Ada Example", errNoChange))
	require.EqualError(t, err, "voicetask: nothing to write: [name]")
	require.ErrorIs(t, err, errNoChange)
}
