package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestWhenTheDialGoesOut: everything that may put it off.
func TestWhenTheDialGoesOut(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    func() voicetask.Config
		change func(t *voicetask.Task)
		want   time.Duration // since the start, a Wednesday 10:00 UTC
		rule   string        // that a person sees meanwhile
	}{
		"nothing":       {nil, func(*voicetask.Task) {}, 0, ""},
		"not_before":    {nil, func(t *voicetask.Task) { t.NotBefore = start.Add(90 * time.Minute) }, 90 * time.Minute, "not_before"},
		"in the past":   {nil, func(t *voicetask.Task) { t.NotBefore = start.Add(-time.Hour) }, 0, ""},
		"not_after":     {nil, func(t *voicetask.Task) { t.NotAfter = start }, 0, ""},
		"within hours":  {hours(voicetask.Hours{}), func(*voicetask.Task) {}, 0, ""},
		"outside hours": {hours(voicetask.Hours{}), func(t *voicetask.Task) { t.TimeZone = "America/New_York" }, 4 * time.Hour, "hours"},
		"both":          {hours(voicetask.Hours{}), func(t *voicetask.Task) { t.NotBefore = start.Add(11 * time.Hour) }, 23 * time.Hour, "not_before"},
		"on weekends":   {hours(voicetask.Hours{Days: []time.Weekday{time.Saturday}}), func(*voicetask.Task) {}, 71 * time.Hour, "hours"},
		"a gate": {gated(func(d voicetask.Dial) voicetask.Verdict {
			return voicetask.Verdict{Until: start.Add(7 * time.Minute), Rule: "cap"}
		}), func(*voicetask.Task) {}, 7 * time.Minute, "cap"},
		"a gate, no name":      {gated(func(d voicetask.Dial) voicetask.Verdict { return voicetask.Verdict{Until: start.Add(7 * time.Minute)} }), func(*voicetask.Task) {}, 7 * time.Minute, "gate_1"},
		"a gate, not any more": {gated(func(d voicetask.Dial) voicetask.Verdict { return voicetask.Verdict{Until: start} }), func(*voicetask.Task) {}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg voicetask.Config
			if c.cfg != nil {
				cfg = c.cfg()
			}
			w := newWorld(t, cfg)
			in := task()
			c.change(&in)
			if c.rule != "" {
				w.after(5*time.Second, func() {
					s := w.state()
					w.must(errIf(s.Status != store.StatusScheduled || rule(s.Reason) != c.rule || s.Until.IsZero() || s.Dial != 0, "state: %+v", s))
					row := w.row()
					w.must(errIf(row.Status != store.StatusScheduled || rule(row.Reason) != c.rule || !row.DueAt.Equal(s.Until), "row: %+v", row))
				})
			}
			res := w.run(in)
			require.Equal(t, provider.OutcomeCompleted, res.Outcome)
			require.Equal(t, c.want, since(w.row().Attempts[0].SentAt))
		})
	}
}

func hours(h voicetask.Hours) func() voicetask.Config {
	return func() voicetask.Config { return voicetask.Config{Hours: &h} }
}

func gated(verdict func(d voicetask.Dial) voicetask.Verdict) func() voicetask.Config {
	return func() voicetask.Config {
		return voicetask.Config{Gates: []voicetask.Gate{voicetask.GateFunc(func(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) { return verdict(d), nil })}}
	}
}

// TestKillSwitch: a switch that comes back is seen within a tenth of the time waited,
// or five minutes.
func TestKillSwitch(t *testing.T) {
	for off, latest := range map[time.Duration]time.Duration{5 * time.Second: 10 * time.Second, 20 * time.Minute: 22 * time.Minute, 24 * time.Hour: 24*time.Hour + 5*time.Minute} {
		on, asked := false, 0
		w := newWorld(t, voicetask.Config{Enabled: func() bool { asked++; return on }})
		w.after(4*time.Second, func() { w.sees(store.StatusScheduled, "kill_switch: outgoing calls are switched off") })
		w.after(off, func() { on = true })
		require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
		sent := since(w.row().Attempts[0].SentAt)
		require.GreaterOrEqual(t, sent, off)
		require.LessOrEqual(t, sent, latest)
		require.Less(t, asked, 400, "it looks seldom enough")
	}
}

// TestWhatEndsTheTaskBeforeTheDial: each with its rule, and nobody is called.
func TestWhatEndsTheTaskBeforeTheDial(t *testing.T) {
	blocking := providertest.NewFake("slow", providertest.Step{Blocking: true})
	for name, c := range map[string]struct {
		cfg     voicetask.Config
		change  func(t *voicetask.Task)
		outcome provider.Outcome
		reason  string
	}{
		"not_after is over": {voicetask.Config{}, func(t *voicetask.Task) { t.NotAfter = start.Add(-time.Second) }, provider.OutcomeCancelled, "not_after: "},
		"put off beyond not_after": {voicetask.Config{Hours: &voicetask.Hours{}}, func(t *voicetask.Task) {
			t.TimeZone, t.NotAfter = "America/New_York", start.Add(time.Hour)
		}, provider.OutcomeCancelled, "not_after: put off by hours"},
		"no time zone":      {voicetask.Config{Hours: &voicetask.Hours{}}, func(t *voicetask.Task) { t.TimeZone = "" }, provider.OutcomeConfigError, "hours: "},
		"unknown time zone": {voicetask.Config{Hours: &voicetask.Hours{}}, func(t *voicetask.Task) { t.TimeZone = "Mars/Olympus" }, provider.OutcomeConfigError, "hours: "},
		"no zones":          {voicetask.Config{Hours: &voicetask.Hours{Zones: func(context.Context, voicetask.Task) ([]*time.Location, error) { return nil, nil }}}, func(*voicetask.Task) {}, provider.OutcomeConfigError, "hours: "},
		"always closed":     {voicetask.Config{Hours: &voicetask.Hours{Closed: func(context.Context, voicetask.Task, time.Time) (bool, error) { return true, nil }}}, func(*voicetask.Task) {}, provider.OutcomeConfigError, "hours: "},
		"a gate refuses": {gated(func(voicetask.Dial) voicetask.Verdict {
			return voicetask.Verdict{Refuse: true, Rule: "suppression", Reason: "asked not to be called"}
		})(), func(*voicetask.Task) {}, provider.OutcomeCancelled, "suppression: asked not to be called"},
		"Prepare refuses": {voicetask.Config{Prepare: func(context.Context, voicetask.Task, *provider.Request) error {
			return errors.Join(errors.New("no such agent"), voicetask.ErrInvalidTask)
		}}, func(*voicetask.Task) {}, provider.OutcomeConfigError, "invalid_task: "},
		"a policy that cannot work": {voicetask.Config{PolicyFor: func(context.Context, voicetask.Task) (voicetask.Policy, error) {
			return voicetask.Policy{MaxDials: -1}, nil
		}}, func(*voicetask.Task) {}, provider.OutcomeConfigError, "policy: "},
		"a policy that does not fit": {voicetask.Config{Providers: registry(t, blocking), PolicyFor: func(context.Context, voicetask.Task) (voicetask.Policy, error) {
			return voicetask.Policy{MaxCallDuration: 15 * time.Minute}, nil
		}}, func(t *voicetask.Task) { t.Data.Provider = "slow" }, provider.OutcomeConfigError, "policy: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.cfg)
			in := task()
			c.change(&in)
			res := w.run(in)
			require.Equal(t, c.outcome, res.Outcome)
			require.Contains(t, res.Reason, c.reason)
			require.Zero(t, res.Dials)
			row := w.row()
			require.True(t, row.Status.Terminal())
			require.Equal(t, res.Reason, row.Reason)
			require.Equal(t, start, w.Now().UTC(), "at once")
			if w.fake != nil {
				require.Empty(t, w.fake.Requests())
			}
		})
	}
}

// TestNoAnswerNoDial: an error of a hook of the host's is retried.
func TestNoAnswerNoDial(t *testing.T) {
	down := errors.New("service down")
	for name, hook := range map[string]func(cfg *voicetask.Config, answer func() error){
		"Gate": func(cfg *voicetask.Config, answer func() error) {
			cfg.Gates = []voicetask.Gate{voicetask.GateFunc(func(context.Context, voicetask.Dial) (voicetask.Verdict, error) { return voicetask.Verdict{}, answer() })}
		},
		"Prepare": func(cfg *voicetask.Config, answer func() error) {
			cfg.Prepare = func(context.Context, voicetask.Task, *provider.Request) error { return answer() }
		},
		"PolicyFor": func(cfg *voicetask.Config, answer func() error) {
			cfg.PolicyFor = func(context.Context, voicetask.Task) (voicetask.Policy, error) { return voicetask.Policy{}, answer() }
		},
		"ProviderFor": func(cfg *voicetask.Config, answer func() error) {
			cfg.ProviderFor = func(context.Context, voicetask.Task) (string, error) { return "", answer() }
		},
		"Hours.Zones": func(cfg *voicetask.Config, answer func() error) {
			cfg.Hours = &voicetask.Hours{Zones: func(context.Context, voicetask.Task) ([]*time.Location, error) {
				return []*time.Location{time.UTC}, answer()
			}}
		},
		"Hours.Closed": func(cfg *voicetask.Config, answer func() error) {
			cfg.Hours = &voicetask.Hours{Closed: func(context.Context, voicetask.Task, time.Time) (bool, error) { return false, answer() }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg voicetask.Config
			asked := 0
			hook(&cfg, func() error {
				if asked++; asked <= 3 {
					return down
				}
				return nil
			})
			w := newWorld(t, cfg)
			res := w.run(task())
			require.Equal(t, provider.OutcomeCompleted, res.Outcome)
			require.Equal(t, 1, res.Dials)
			require.Len(t, w.fake.Requests(), 1)
			require.Equal(t, 7*time.Second, since(w.row().Attempts[0].SentAt), "after 1, 2 and 4 s")
		})
	}
}

// TestGatesAreAskedInOrder, with what they need to judge, and none after a refusal.
func TestGatesAreAskedInOrder(t *testing.T) {
	var asked []string
	var dials []voicetask.Dial
	gate := func(name string, v voicetask.Verdict) voicetask.Gate {
		return voicetask.GateFunc(func(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
			asked, dials = append(asked, name), append(dials, d)
			if d.N == 1 {
				return voicetask.Verdict{}, nil
			}
			return v, nil
		})
	}
	cfg := voicetask.Config{Gates: []voicetask.Gate{
		gate("a", voicetask.Verdict{}), gate("b", voicetask.Verdict{Refuse: true, Reason: "twice is enough"}), gate("c", voicetask.Verdict{}),
	}}
	w := newWorld(t, cfg, providertest.Step{Outcome: provider.OutcomeProviderFault})
	w.after(30*time.Second, func() { w.deliver("t1/1") })
	res := w.run(task())
	require.Equal(t, []string{"a", "b", "c", "a", "b"}, asked)
	require.Equal(t, provider.OutcomeCancelled, res.Outcome)
	require.Equal(t, "gate_2: twice is enough", res.Reason)
	require.Equal(t, 1, res.Dials)
	require.Equal(t, provider.CallID("call-1"), res.Data.CallID)

	first, last := dials[0], dials[4]
	require.Equal(t, voicetask.Dial{Task: task(), N: 1, Provider: "vapi", At: start}, first)
	require.Equal(t, 2, last.N)
	require.Equal(t, start.Add(40*time.Second), last.At)
	require.Len(t, last.Previous, 1)
	require.Equal(t, provider.OutcomeProviderFault, last.Previous[0].Outcome)
}

// TestJudgedBeforeEachDial: the switch is thrown between two.
func TestJudgedBeforeEachDial(t *testing.T) {
	on := true
	w := newWorld(t, voicetask.Config{Enabled: func() bool { return on }}, providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	w.after(30*time.Second, func() { on = false; w.deliver("t1/1") })
	w.after(10*time.Minute, func() { w.sees(store.StatusScheduled, "kill_switch: outgoing calls are switched off"); on = true })
	res := w.run(task())
	require.Equal(t, 2, res.Dials)
	require.GreaterOrEqual(t, since(w.row().Attempts[1].SentAt), 10*time.Minute)
	require.Less(t, since(w.row().Attempts[1].SentAt), 12*time.Minute)
}

func TestGateCannotChangeTheLedger(t *testing.T) {
	spoil := voicetask.GateFunc(func(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
		for i := range d.Previous {
			d.Previous[i].State = store.AttemptUnknown
		}
		return voicetask.Verdict{}, nil
	})
	w := newWorld(t, voicetask.Config{Gates: []voicetask.Gate{spoil}}, providertest.Step{Outcome: provider.OutcomeProviderFault}, providertest.Step{})
	require.Equal(t, 2, w.run(task()).Dials)
	require.Equal(t, store.AttemptEnded, w.row().Attempts[0].State)
}
