package voicetask_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/voicetask"
)

func getenv(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestConfigFromEnvDefaults(t *testing.T) {
	cfg, client, err := voicetask.ConfigFromEnv(getenv(nil))
	require.NoError(t, err)
	require.True(t, cfg.Enabled())
	cfg.Enabled = nil
	require.Equal(t, voicetask.Config{
		Policy: voicetask.Policy{MaxDials: 3, PollInterval: 20 * time.Second},
		Hours:  &voicetask.Hours{Start: 9 * time.Hour, End: 20 * time.Hour},
	}, cfg)
	require.Equal(t, voicetask.ClientConfig{TaskQueue: "voice-task-queue"}, client)
}

func TestConfigFromEnvReadsEveryVariable(t *testing.T) {
	cfg, client, err := voicetask.ConfigFromEnv(getenv(map[string]string{
		"VOICE_TASK_QUEUE": " calls ", "AGENT_PROVIDER": " livekit\n", "MAX_CALL_RETRIES": "5", "OUTGOING_CALLS_ENABLED": "false",
		"CALL_STATUS_POLL_INTERVAL": "30", "ENABLE_BUSINESS_HOURS_CHECK": "True", "BUSINESS_HOURS_START": "8", "BUSINESS_HOURS_END": "24",
	}))
	require.NoError(t, err)
	require.Equal(t, "calls", client.TaskQueue)
	require.Equal(t, "livekit", cfg.DefaultProvider)
	require.Equal(t, 5, cfg.Policy.MaxDials)
	require.Equal(t, 30*time.Second, cfg.Policy.PollInterval)
	require.False(t, cfg.Enabled())
	require.Equal(t, &voicetask.Hours{Start: 8 * time.Hour, End: 24 * time.Hour}, cfg.Hours)
}

func TestConfigFromEnvSpellings(t *testing.T) {
	for in, want := range map[string]time.Duration{"1m": time.Minute, "2.5": 2500 * time.Millisecond, "500ms": 500 * time.Millisecond, "86400": 24 * time.Hour} {
		cfg, _, err := voicetask.ConfigFromEnv(getenv(map[string]string{"CALL_STATUS_POLL_INTERVAL": in}))
		require.NoError(t, err, in)
		require.Equal(t, want, cfg.Policy.PollInterval, in)
	}
	for in, want := range map[string]bool{"true": true, "TRUE": true, "1": true, "t": true, "False": false, "0": false, " false ": false, "": true} {
		cfg, _, err := voicetask.ConfigFromEnv(getenv(map[string]string{"OUTGOING_CALLS_ENABLED": in, "ENABLE_BUSINESS_HOURS_CHECK": in}))
		require.NoError(t, err, in)
		require.Equal(t, want, cfg.Enabled(), in)
		require.Equal(t, want, cfg.Hours != nil, in)
	}
}

func TestConfigFromEnvNamesTheWrongVariable(t *testing.T) {
	for name, values := range map[string][]string{
		"MAX_CALL_RETRIES":            {"0", "-1", "101", "three", "1.5"},
		"OUTGOING_CALLS_ENABLED":      {"yes", "on", "2", "no"},
		"CALL_STATUS_POLL_INTERVAL":   {"0", "-5", "soon", "NaN", "Inf", "-Inf", "25h", "90000"},
		"ENABLE_BUSINESS_HOURS_CHECK": {"maybe"},
		"BUSINESS_HOURS_START":        {"-1", "24", "9:00", "20", "21"},
		"BUSINESS_HOURS_END":          {"0", "25", "8pm"},
	} {
		for _, value := range values {
			cfg, client, err := voicetask.ConfigFromEnv(getenv(map[string]string{name: value}))
			require.ErrorContains(t, err, name, value)
			require.Zero(t, cfg)
			require.Zero(t, client)
		}
	}
}

func TestConfigFromEnvNamesEveryWrongVariable(t *testing.T) {
	wrong := map[string]string{
		"MAX_CALL_RETRIES": "three", "OUTGOING_CALLS_ENABLED": "on", "CALL_STATUS_POLL_INTERVAL": "soon",
		"ENABLE_BUSINESS_HOURS_CHECK": "maybe", "BUSINESS_HOURS_START": "9:00", "BUSINESS_HOURS_END": "8pm",
	}
	_, _, err := voicetask.ConfigFromEnv(getenv(wrong))
	require.Error(t, err)
	for name := range wrong {
		require.Equal(t, 1, strings.Count(err.Error(), name), "%s in %v", name, err)
	}
}
