package provider_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
)

// named is a provider that has a name and nothing else.
type named string

func (n named) Name() string { return string(n) }

func (named) Place(context.Context, provider.Request) (provider.Call, error) {
	return provider.Call{}, provider.ErrUnsupported
}

func (named) Get(context.Context, provider.CallID) (provider.Call, error) {
	return provider.Call{}, provider.ErrUnsupported
}
func (named) End(context.Context, provider.CallID) error { return provider.ErrUnsupported }

// described has Traits besides.
type described struct{ named }

func (described) Traits() provider.Traits { return provider.Traits{Events: true} }

func TestNewRegistry(t *testing.T) {
	r, err := provider.NewRegistry(named("vapi"), named("livekit"), named("a-2_b"))
	require.NoError(t, err)
	assert.Equal(t, []string{"vapi", "livekit", "a-2_b"}, r.Names())
	r.Names()[0] = "changed"
	assert.Equal(t, "vapi", r.Names()[0], "Names gives a copy")
	p, ok := r.Lookup("livekit")
	assert.True(t, ok)
	assert.Equal(t, named("livekit"), p)
	_, ok = r.Lookup("Livekit")
	assert.False(t, ok)

	var null *described
	for want, ps := range map[string][]provider.Provider{
		"at least one":                         {},
		"provider 2 is nil":                    {named("vapi"), nil},
		"provider 1 is nil":                    {null},
		`two providers are named "vapi"`:       {named("vapi"), named("b"), named("vapi")},
		`provider 1 has the name ""`:           {named("")},
		`provider 1 has the name "Vapi"`:       {named("Vapi")},
		`provider 1 has the name "va pi"`:      {named("va pi")},
		`provider 1 has the name "va/pi"`:      {named("va/pi")},
		`provider 1 has the name "-vapi"`:      {named("-vapi")},
		`provider 1 has the name "vapi\n"`:     {named("vapi\n")},
		`provider 1 has the name "` + long(64): {named(long(64))},
	} {
		_, err := provider.NewRegistry(ps...)
		assert.ErrorContains(t, err, want)
	}
	_, err = provider.NewRegistry(named(long(63)))
	assert.NoError(t, err)
}

func long(n int) string { return strings.Repeat("x", n) }

func TestSelect(t *testing.T) {
	all := []provider.Provider{named("livekit"), named("own"), named("vapi")}
	for _, tt := range []struct {
		name   string
		choice provider.Choice
		want   string
	}{
		{"provider before all", provider.Choice{Provider: "own", Quality: "high", Default: "livekit", Room: "r", Number: "n"}, "own"},
		{"quality before default", provider.Choice{Quality: "high", Default: "livekit", Room: "r", Number: "n"}, "vapi"},
		{"default before room", provider.Choice{Default: "own", Room: "r", Number: "n"}, "own"},
		{"room before number", provider.Choice{Room: "r", Number: "n"}, "livekit"},
		{"number", provider.Choice{Number: "n"}, "vapi"},
		{"other qualities say nothing", provider.Choice{Quality: "low", Room: "r"}, "livekit"},
		{"quality is exact", provider.Choice{Quality: "HIGH", Default: "own"}, "own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := provider.NewRegistry(all...)
			require.NoError(t, err)
			p, err := r.Select(tt.choice)
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Name())
		})
	}
}

func TestSelectErrors(t *testing.T) {
	r, err := provider.NewRegistry(named("own"), named("other"))
	require.NoError(t, err)
	for _, tt := range []struct {
		choice provider.Choice
		asked  string
	}{
		{provider.Choice{}, "no default"},
		{provider.Choice{Quality: "low"}, "no default"},
		{provider.Choice{Provider: "vapi"}, `"vapi"`},
		{provider.Choice{Provider: "Own"}, `"Own"`},
		{provider.Choice{Quality: "high", Default: "own"}, `quality "high"`},
		{provider.Choice{Default: "nobody", Room: "r"}, `"nobody"`},
		{provider.Choice{Room: "r"}, "room"},
		{provider.Choice{Number: "n"}, "number"},
	} {
		p, err := r.Select(tt.choice)
		assert.Nil(t, p)
		assert.ErrorIs(t, err, provider.ErrNoProvider, "%+v", tt.choice)
		assert.ErrorContains(t, err, tt.asked, "%+v", tt.choice)
		assert.ErrorContains(t, err, "own, other", "%+v: what is registered", tt.choice)
	}
}

func TestTraitsOf(t *testing.T) {
	assert.Zero(t, provider.TraitsOf(named("vapi")))
	assert.Equal(t, provider.Traits{Events: true}, provider.TraitsOf(described{"vapi"}))
}
