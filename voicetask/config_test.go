package voicetask_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func registry(t *testing.T, ps ...provider.Provider) *provider.Registry {
	t.Helper()
	r, err := provider.NewRegistry(ps...)
	require.NoError(t, err)
	return r
}

// workable is a Config that every constructor takes.
func workable(t *testing.T) voicetask.Config {
	t.Helper()
	return voicetask.Config{Providers: registry(t, providertest.NewFake("vapi")), Store: store.NewMemory(), AllowVolatile: true}
}

// recordingRegistrar counts what was registered.
type recordingRegistrar struct{ workflows, activities []string }

func (r *recordingRegistrar) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) {
	r.workflows = append(r.workflows, o.Name)
}

func (r *recordingRegistrar) RegisterActivityWithOptions(_ any, o activity.RegisterOptions) {
	r.activities = append(r.activities, o.Name)
}

func TestRegisterWorkerRegistersTheNamesOfTheContract(t *testing.T) {
	var r recordingRegistrar
	require.NoError(t, voicetask.RegisterWorker(&r, workable(t)))
	require.Equal(t, []string{"VoiceTaskWorkflow"}, r.workflows)
	require.Equal(t, []string{"execute_call_activity", "await_call_activity", "end_call_activity", "record_result_activity"}, r.activities)

	r = recordingRegistrar{}
	voicetask.RegisterWorkflows(&r)
	require.Equal(t, recordingRegistrar{workflows: []string{"VoiceTaskWorkflow"}}, r)

	r = recordingRegistrar{}
	require.NoError(t, voicetask.RegisterActivities(&r, workable(t)))
	require.Empty(t, r.workflows)
	require.Len(t, r.activities, 4)
}

// TestConfigErrorsNameFieldAndRemedy through every constructor, before anything is
// registered.
func TestConfigErrorsNameFieldAndRemedy(t *testing.T) {
	blocking := providertest.NewFake("slow", providertest.Step{Blocking: true})
	for name, c := range map[string]struct {
		spoil func(c *voicetask.Config)
		says  []string
	}{
		"no providers":        {func(c *voicetask.Config) { c.Providers = nil }, []string{"Config.Providers", "provider.NewRegistry"}},
		"no store":            {func(c *voicetask.Config) { c.Store = nil }, []string{"Config.Store", "sqlstore"}},
		"an unknown default":  {func(c *voicetask.Config) { c.DefaultProvider = "twilio" }, []string{"Config.DefaultProvider", "twilio", "vapi"}},
		"limits":              {func(c *voicetask.Config) { c.Limits = func(voicetask.Task, string) map[string]int { return nil } }, []string{"Config.Limits", "not served", "nil"}},
		"a negative MaxDials": {func(c *voicetask.Config) { c.Policy.MaxDials = -1 }, []string{"Config.Policy.MaxDials", "1 or more"}},
		"a long ring":         {func(c *voicetask.Config) { c.Policy.RingTimeout = 15 * time.Minute }, []string{"Config.Policy.RingTimeout"}},
		"unknown redialled": {func(c *voicetask.Config) {
			c.Policy.Redial = map[provider.Outcome]voicetask.Redial{provider.OutcomeUnknown: {}}
		}, []string{"Config.Policy.Redial", "unknown"}},
		"a blocking call too long": {func(c *voicetask.Config) {
			c.Providers = registry(t, blocking)
			c.Policy.MaxCallDuration = 15 * time.Minute
		}, []string{"Config.Policy", `"slow"`, "MaxCallDuration"}},
		"hours":                         {func(c *voicetask.Config) { c.Hours = &voicetask.Hours{Start: 10 * time.Hour, End: 9 * time.Hour} }, []string{"Config.Hours", "start"}},
		"a nil gate":                    {func(c *voicetask.Config) { c.Gates = []voicetask.Gate{pass, nil} }, []string{"Config.Gates[1]", "nil"}},
		"a breaker that never opens":    {func(c *voicetask.Config) { c.Breaker = &voicetask.Breaker{Failures: -1} }, []string{"Config.Breaker.Failures", "0 for 5"}},
		"a breaker that closes at once": {func(c *voicetask.Config) { c.Breaker = &voicetask.Breaker{Cooldown: -1} }, []string{"Config.Breaker.Cooldown", "0 for 1m"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := workable(t)
			c.spoil(&cfg)
			var r recordingRegistrar
			_, activitiesErr := voicetask.NewActivities(cfg)
			_, directErr := voicetask.NewDirect(cfg)
			for constructor, err := range map[string]error{
				"RegisterWorker": voicetask.RegisterWorker(&r, cfg), "RegisterActivities": voicetask.RegisterActivities(&r, cfg),
				"NewActivities": activitiesErr, "NewDirect": directErr,
			} {
				for _, words := range c.says {
					require.ErrorContains(t, err, words, constructor)
				}
			}
			require.Zero(t, r, "nothing may be registered")
		})
	}
}

// numberless is a platform's account without a number to call from.
type numberless struct{ *providertest.Fake }

func (n numberless) Traits() provider.Traits {
	traits := n.Fake.Traits()
	traits.NeedsFrom = true
	return traits
}

// TestConfigWarns of what is allowed and ends tasks, and of nothing else.
func TestConfigWarns(t *testing.T) {
	const noDefault, noNumber = "DefaultProvider", "VAPI_PHONE_NUMBER_ID"
	for name, c := range map[string]struct {
		change func(c *voicetask.Config)
		says   string
	}{
		"all is well":            {func(*voicetask.Config) {}, ""},
		"another platform alone": {func(c *voicetask.Config) { c.Providers = registry(t, providertest.NewFake("own")) }, noDefault},
		"it is the default": {func(c *voicetask.Config) {
			c.Providers, c.DefaultProvider = registry(t, providertest.NewFake("own")), "own"
		}, ""},
		"the host chooses": {func(c *voicetask.Config) {
			c.Providers, c.ProviderFor = registry(t, providertest.NewFake("own")), func(context.Context, voicetask.Task) (string, error) { return "own", nil }
		}, ""},
		"no number": {func(c *voicetask.Config) { c.Providers = registry(t, numberless{providertest.NewFake("vapi")}) }, noNumber},
		"the host sets a number": {func(c *voicetask.Config) {
			c.Providers, c.Prepare = registry(t, numberless{providertest.NewFake("vapi")}), func(context.Context, voicetask.Task, *provider.Request) error { return nil }
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			cfg := workable(t)
			cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
			c.change(&cfg)
			require.NoError(t, voicetask.RegisterWorker(&recordingRegistrar{}, cfg))
			if c.says == "" {
				require.Empty(t, said.String())
			}
			require.Contains(t, said.String(), c.says)
		})
	}
}

var pass = voicetask.GateFunc(func(context.Context, voicetask.Dial) (voicetask.Verdict, error) { return voicetask.Verdict{}, nil })

func TestRegisterRefusesNil(t *testing.T) {
	require.ErrorContains(t, voicetask.RegisterWorker(nil, workable(t)), "nil")
	require.ErrorContains(t, voicetask.RegisterActivities(nil, workable(t)), "nil")
}

func TestBlockingProviderFitsByDefault(t *testing.T) {
	cfg := workable(t)
	cfg.Providers = registry(t, providertest.NewFake("slow", providertest.Step{Blocking: true}))
	_, err := voicetask.NewActivities(cfg)
	require.NoError(t, err)
}

func TestNewClientErrors(t *testing.T) {
	_, err := voicetask.NewClient(nil, voicetask.ClientConfig{Store: store.NewMemory()})
	require.ErrorContains(t, err, "client.Dial")
	_, err = voicetask.NewClient(&fakeTemporal{}, voicetask.ClientConfig{})
	require.ErrorContains(t, err, "ClientConfig.Store")
}

// justStore is a store without any of the optional interfaces.
type justStore struct{ store.Store }

// volatile is a store that lists, and may lose what it acknowledged.
type volatile struct{ *store.Memory }

func TestNewDirectErrors(t *testing.T) {
	cfg := workable(t)
	cfg.Store = justStore{store.NewMemory()}
	_, err := voicetask.NewDirect(cfg)
	require.ErrorContains(t, err, "store.Lister")

	cfg.Store, cfg.AllowVolatile = volatile{store.NewMemory()}, false
	_, err = voicetask.NewDirect(cfg)
	require.ErrorContains(t, err, "AllowVolatile")

	cfg.AllowVolatile = true
	_, err = voicetask.NewDirect(cfg)
	require.NoError(t, err)
}

// TestConstructorsAreQuiet: they ask nothing of the store or the clock.
func TestConstructorsAreQuiet(t *testing.T) {
	cfg := workable(t)
	cfg.Store = untouchable{}
	cfg.Now = func() time.Time { panic("a constructor looked at the clock") }
	cfg.Enabled = func() bool { panic("a constructor asked the kill switch") }
	_, err := voicetask.NewActivities(cfg)
	require.NoError(t, err)
	_, err = voicetask.NewDirect(cfg)
	require.NoError(t, err)
	_, err = voicetask.NewClient(&fakeTemporal{}, voicetask.ClientConfig{Store: untouchable{}})
	require.NoError(t, err)
}

// untouchable is a store whose every method panics.
type untouchable struct {
	store.Store
	store.Lister
}
