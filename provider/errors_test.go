package provider_test

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/superservices/voice/provider"
)

var kinds = []provider.Kind{
	provider.KindInvalidRequest, provider.KindUnauthenticated, provider.KindNotFound, provider.KindRejected,
	provider.KindRateLimited, provider.KindUnavailable, provider.KindUnsupported, provider.KindOutcomeUnknown,
}

func TestNotPlaced(t *testing.T) {
	for _, k := range kinds {
		assert.Equal(t, k != provider.KindOutcomeUnknown, k.NotPlaced(), k)
	}
	assert.False(t, provider.Kind("").NotPlaced())
	assert.False(t, provider.Kind("a_kind_of_tomorrow").NotPlaced())
}

// TestKindFromHTTP holds the table of the contract, status by status.
func TestKindFromHTTP(t *testing.T) {
	contract := map[provider.Kind]string{
		provider.KindUnauthenticated: "401 403",
		provider.KindNotFound:        "404 410",
		provider.KindRateLimited:     "429",
		provider.KindInvalidRequest:  "400 405 411 413 414 415 416 417 422 431",
		provider.KindOutcomeUnknown:  "408 409 425 499",
	}
	want := map[int]provider.Kind{}
	for k, statuses := range contract {
		for _, s := range strings.Fields(statuses) {
			n, err := strconv.Atoi(s)
			assert.NoError(t, err)
			want[n] = k
		}
	}
	for status := 100; status <= 599; status++ {
		k, listed := want[status]
		switch {
		case listed:
		case status >= 400 && status <= 499:
			k = provider.KindRejected
		default:
			k = provider.KindOutcomeUnknown
		}
		assert.Equal(t, k, provider.KindFromHTTP(status), status)
	}
	for _, status := range []int{-1, 0, 99, 600, 999} {
		assert.Equal(t, provider.KindOutcomeUnknown, provider.KindFromHTTP(status), status)
	}
}

func TestKindOf(t *testing.T) {
	limited := &provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindRateLimited}
	for _, tt := range []struct {
		err  error
		want provider.Kind
	}{
		{nil, ""},
		{io.EOF, provider.KindOutcomeUnknown},
		{&provider.Error{}, provider.KindOutcomeUnknown},
		{limited, provider.KindRateLimited},
		{fmt.Errorf("dial 1 of order-7: %w", limited), provider.KindRateLimited},
		{errors.Join(io.EOF, limited), provider.KindRateLimited},
		{&provider.Error{Kind: provider.KindOutcomeUnknown, Err: limited}, provider.KindOutcomeUnknown},
	} {
		assert.Equal(t, tt.want, provider.KindOf(tt.err), "%v", tt.err)
	}
}

func TestErrorIs(t *testing.T) {
	sentinels := map[provider.Kind]error{
		provider.KindInvalidRequest: provider.ErrInvalidRequest, provider.KindUnauthenticated: provider.ErrUnauthenticated,
		provider.KindNotFound: provider.ErrNotFound, provider.KindRejected: provider.ErrRejected,
		provider.KindRateLimited: provider.ErrRateLimited, provider.KindUnavailable: provider.ErrUnavailable,
		provider.KindUnsupported: provider.ErrUnsupported, provider.KindOutcomeUnknown: provider.ErrOutcomeUnknown,
	}
	assert.Len(t, sentinels, len(kinds))
	for _, k := range kinds {
		err := fmt.Errorf("wrapped: %w", &provider.Error{Provider: "vapi", Op: "get", Kind: k, Code: "17", Err: io.EOF})
		for other, sentinel := range sentinels {
			assert.Equal(t, k == other, errors.Is(err, sentinel), "%s is %s", k, other)
		}
		assert.ErrorIs(t, err, io.EOF, "the cause")
	}

	err := &provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindRejected, Code: "17"}
	assert.ErrorIs(t, err, &provider.Error{Kind: provider.KindRejected, Provider: "vapi"})
	assert.ErrorIs(t, err, &provider.Error{Kind: provider.KindRejected, Op: "place", Code: "17"})
	assert.NotErrorIs(t, err, &provider.Error{Kind: provider.KindRejected, Provider: "livekit"})
	assert.NotErrorIs(t, err, &provider.Error{Kind: provider.KindRejected, Op: "get"})
	assert.NotErrorIs(t, err, &provider.Error{Kind: provider.KindRejected, Code: "18"})
	assert.NotErrorIs(t, err, errors.New("rejected"))
}

func TestErrorText(t *testing.T) {
	secret := &url.Error{Op: "Post", URL: "https://user:secret@hooks.example/T0/secret?to=+15550001111", Err: io.ErrUnexpectedEOF}
	for _, tt := range []struct {
		err  *provider.Error
		want string
	}{
		{&provider.Error{Kind: provider.KindRejected}, "rejected"},
		{
			&provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindRateLimited, Code: "429", Err: errors.New("cause")},
			"vapi: place: rate_limited (429): cause",
		},
		{&provider.Error{Op: "get", Kind: provider.KindNotFound, Err: errors.New("no call x")}, "get: not_found: no call x"},
		{
			&provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindOutcomeUnknown, Err: secret},
			"vapi: place: outcome_unknown: Post: unexpected EOF",
		},
		{
			&provider.Error{Provider: "vapi", Op: "find", Kind: provider.KindUnavailable, Err: fmt.Errorf("page 2: %w", secret)},
			"vapi: find: unavailable: Post: unexpected EOF",
		},
	} {
		assert.Equal(t, tt.want, tt.err.Error())
		assert.NotContains(t, tt.err.Error(), "secret")
		assert.NotContains(t, tt.err.Error(), "5550001111")
	}
	assert.ErrorIs(t, &provider.Error{Kind: provider.KindOutcomeUnknown, Err: secret}, io.ErrUnexpectedEOF)
}

func TestErrorTextLeavesOutEveryURL(t *testing.T) {
	inner := &url.Error{Op: "parse", URL: "https://hooks.example/secret", Err: errors.New("bad")}
	for name, err := range map[string]error{
		"nested": &url.Error{Op: "Post", URL: "https://hooks.example/secret", Err: inner},
		"joined": errors.Join(errors.New("first"), fmt.Errorf("second: %w", inner)),
	} {
		text := (&provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindUnavailable, Err: err}).Error()
		assert.NotContains(t, text, "secret", name)
	}
}
