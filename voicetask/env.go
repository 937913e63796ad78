package voicetask

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Variables of the contract that ConfigFromEnv reads.
const (
	envTaskQueue     = "VOICE_TASK_QUEUE"
	envProvider      = "AGENT_PROVIDER"
	envMaxDials      = "MAX_CALL_RETRIES"
	envEnabled       = "OUTGOING_CALLS_ENABLED"
	envPollInterval  = "CALL_STATUS_POLL_INTERVAL"
	envHoursEnabled  = "ENABLE_BUSINESS_HOURS_CHECK"
	envHoursStart    = "BUSINESS_HOURS_START"
	envHoursEnd      = "BUSINESS_HOURS_END"
	defaultHourStart = 9
	defaultHourEnd   = 20
)

// ConfigFromEnv reads the variables of the contract; pass os.Getenv. Providers and
// Store are left to the host, as are TEMPORAL_* (go.temporal.io/sdk/contrib/envconfig
// reads them) and the providers' and Kafka's own. Config.Hours is nil when the
// check is switched off: look before setting its Zones. An unset variable has the
// contract's default; the error names every variable whose value is wrong.
//
//	VOICE_TASK_QUEUE             voice-task-queue
//	AGENT_PROVIDER               none
//	MAX_CALL_RETRIES             3          (Policy.MaxDials)
//	OUTGOING_CALLS_ENABLED       true       (the kill switch, read once)
//	CALL_STATUS_POLL_INTERVAL    20         (seconds, or a duration such as 1m)
//	ENABLE_BUSINESS_HOURS_CHECK  true       (Config.Hours)
//	BUSINESS_HOURS_START, _END   9, 20      (hours of the callee's day)
func ConfigFromEnv(getenv func(string) string) (Config, ClientConfig, error) {
	e := env{getenv: getenv}
	cfg := Config{
		DefaultProvider: strings.TrimSpace(getenv(envProvider)),
		Policy: Policy{
			MaxDials:     e.integer(envMaxDials, DefaultMaxDials, 1, mostDials),
			PollInterval: e.duration(envPollInterval, DefaultPollInterval),
		},
	}
	enabled := e.boolean(envEnabled, true)
	cfg.Enabled = func() bool { return enabled }
	wrong := len(e.wrong)
	start := e.integer(envHoursStart, defaultHourStart, 0, 23)
	end := e.integer(envHoursEnd, defaultHourEnd, 1, 24)
	if readable := len(e.wrong) == wrong; readable && start >= end {
		e.fail(envHoursEnd, fmt.Sprintf("%d is not after %s (%d)", end, envHoursStart, start))
	}
	if e.boolean(envHoursEnabled, true) {
		cfg.Hours = &Hours{Start: time.Duration(start) * time.Hour, End: time.Duration(end) * time.Hour}
	}
	queue := strings.TrimSpace(getenv(envTaskQueue))
	if queue == "" {
		queue = DefaultTaskQueue
	}
	if len(e.wrong) > 0 {
		return Config{}, ClientConfig{}, errors.Join(e.wrong...)
	}
	return cfg, ClientConfig{TaskQueue: queue}, nil
}

// env reads variables and keeps what is wrong with them: who set several finds out about
// all of them at once.
type env struct {
	getenv func(string) string
	wrong  []error
}

func (e *env) fail(name, why string) {
	e.wrong = append(e.wrong, fmt.Errorf("voicetask: %s: %s", name, why))
}

func (e *env) get(name string) (string, bool) {
	v := strings.TrimSpace(e.getenv(name))
	return v, v != ""
}

func (e *env) integer(name string, unset, least, most int) int {
	v, ok := e.get(name)
	if !ok {
		return unset
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		e.fail(name, fmt.Sprintf("%q is no whole number from %d to %d", v, least, most))
	}
	return n
}

func (e *env) boolean(name string, unset bool) bool {
	v, ok := e.get(name)
	if !ok {
		return unset
	}
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		e.fail(name, fmt.Sprintf("%q is neither true nor false", v))
	}
	return b
}

// duration reads seconds, as the Python service does, or a Go duration.
func (e *env) duration(name string, unset time.Duration) time.Duration {
	v, ok := e.get(name)
	if !ok {
		return unset
	}
	d, err := time.ParseDuration(v)
	if n, numErr := strconv.ParseFloat(v, 64); numErr == nil {
		d, err = Seconds(n).Duration(), nil
	}
	if err != nil || d <= 0 || d > 24*time.Hour {
		e.fail(name, fmt.Sprintf("%q is no positive number of seconds, nor a duration such as 1m", v))
	}
	return d
}
