package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// stage is one engine with one task on it, as a scenario sees it.
type stage struct {
	t      *testing.T
	engine voicetask.Workflow
	fake   *providertest.Fake
}

func (s stage) must(err error) {
	if err != nil {
		s.t.Errorf("%v", err)
	}
}
func (s stage) deliver(key string) { s.must(s.engine.Deliver(context.Background(), s.fake.Event(key))) }
func (s stage) cancel()            { s.must(s.engine.Cancel(context.Background(), "t1")) }
func (s stage) hold()              { s.must(s.engine.Hold(context.Background(), "t1", "why")) }
func (s stage) resume()            { s.must(s.engine.Resume(context.Background(), "t1")) }

// act is what happens beside the task, so long after its submission.
type act struct {
	after time.Duration
	do    func(s stage)
}

func delivered(after time.Duration, key string) act {
	return act{after, func(s stage) { s.deliver(key) }}
}

type scenario struct {
	steps  []providertest.Step
	traits *provider.Traits // nil = the fake's
	cfg    func(cfg *voicetask.Config)
	task   func(t *voicetask.Task)
	acts   []act
	want   provider.Outcome
	dials  int // phones rung
}

var fault = providertest.Step{Outcome: provider.OutcomeProviderFault}

var scenarios = map[string]scenario{
	"answered, told by an event": {acts: []act{delivered(32*time.Second, "t1/1")}, want: provider.OutcomeCompleted, dials: 1},
	"answered, found by polling": {want: provider.OutcomeCompleted, dials: 1},
	"answered, no events at all": {traits: &provider.Traits{}, want: provider.OutcomeCompleted, dials: 1},
	"every step told":            {acts: []act{delivered(2500*time.Millisecond, "t1/1"), delivered(10*time.Second, "t1/1"), delivered(32*time.Second, "t1/1"), delivered(33*time.Second, "t1/1")}, want: provider.OutcomeCompleted, dials: 1},
	"busy":                       {steps: []providertest.Step{{Outcome: provider.OutcomeBusy}}, want: provider.OutcomeBusy, dials: 1},
	"voicemail":                  {steps: []providertest.Step{{Outcome: provider.OutcomeVoicemail}}, want: provider.OutcomeVoicemail, dials: 1},
	"no answer, told":            {steps: []providertest.Step{{Outcome: provider.OutcomeNoAnswer}}, acts: []act{delivered(32*time.Second, "t1/1")}, want: provider.OutcomeNoAnswer, dials: 1},
	"unknown":                    {steps: []providertest.Step{{Outcome: provider.OutcomeUnknown}}, want: provider.OutcomeUnknown, dials: 1},
	"a fault, then answered":     {steps: []providertest.Step{fault, {}}, acts: []act{delivered(32*time.Second, "t1/1")}, want: provider.OutcomeCompleted, dials: 2},
	"a fault, found by polling":  {steps: []providertest.Step{fault, {}}, want: provider.OutcomeCompleted, dials: 2},
	"faults only":                {steps: []providertest.Step{fault}, want: provider.OutcomeProviderFault, dials: 3},
	"a fault in mid-call":        {steps: []providertest.Step{{Outcome: provider.OutcomeProviderFault, Answered: true}}, want: provider.OutcomeProviderFault, dials: 1},
	"at once, as the host says": {steps: []providertest.Step{{Outcome: provider.OutcomeBusy}, {}}, cfg: func(c *voicetask.Config) {
		c.Policy.Redial = map[provider.Outcome]voicetask.Redial{provider.OutcomeBusy: {}}
	}, want: provider.OutcomeCompleted, dials: 2},
	"rate limited":                 {steps: []providertest.Step{{Fail: fails(provider.KindRateLimited)}, {}}, want: provider.OutcomeCompleted, dials: 1},
	"never sent":                   {steps: []providertest.Step{{Fail: fails(provider.KindUnavailable)}}, want: provider.OutcomeProviderFault, dials: 0},
	"never sent, then again":       {steps: []providertest.Step{{Fail: fails(provider.KindUnavailable)}, {Fail: fails(provider.KindUnavailable)}, {Fail: fails(provider.KindUnavailable)}, {}}, cfg: func(c *voicetask.Config) { c.Policy.Redial = voicetask.DefaultRedial() }, want: provider.OutcomeCompleted, dials: 1},
	"refused":                      {steps: []providertest.Step{{Fail: fails(provider.KindUnauthenticated)}}, want: provider.OutcomeConfigError, dials: 0},
	"reply lost, found":            {steps: []providertest.Step{{LoseReply: true}}, want: provider.OutcomeCompleted, dials: 1},
	"reply lost, told":             {steps: []providertest.Step{{LoseReply: true, Hidden: time.Hour}}, acts: []act{delivered(40*time.Second, "t1/1")}, want: provider.OutcomeCompleted, dials: 1},
	"reply lost, never found":      {steps: []providertest.Step{{LoseReply: true, Hidden: time.Hour}}, want: provider.OutcomeUnknown, dials: 1},
	"ended at once":                {steps: []providertest.Step{{Outcome: provider.OutcomeBusy, Blocking: true}}, want: provider.OutcomeBusy, dials: 1},
	"past its deadline":            {steps: []providertest.Step{{Lasts: time.Hour}}, want: provider.OutcomeTimedOut, dials: 1},
	"past its deadline, no polls":  {steps: []providertest.Step{{Lasts: time.Hour}}, cfg: func(c *voicetask.Config) { c.Policy.PollInterval = -1 }, acts: []act{delivered(20*time.Minute, "t1/1")}, want: provider.OutcomeTimedOut, dials: 1},
	"ended before its deadline":    {cfg: func(c *voicetask.Config) { c.Policy.PollInterval = -1 }, want: provider.OutcomeCompleted, dials: 1},
	"cancelled before the dial":    {task: later(time.Hour), acts: []act{{time.Minute, stage.cancel}}, want: provider.OutcomeCancelled, dials: 0},
	"cancelled in the call":        {steps: []providertest.Step{{Lasts: time.Hour}}, acts: []act{{time.Minute, stage.cancel}}, want: provider.OutcomeCancelled, dials: 1},
	"cancelled while it rings":     {steps: []providertest.Step{{Lasts: time.Hour}}, acts: []act{{10 * time.Second, stage.cancel}}, want: provider.OutcomeCancelled, dials: 1},
	"cancelled between two dials":  {steps: []providertest.Step{fault}, acts: []act{delivered(32*time.Second, "t1/1"), {35 * time.Second, stage.cancel}}, want: provider.OutcomeCancelled, dials: 1},
	"cancelled too late":           {steps: []providertest.Step{{Outcome: provider.OutcomeBusy, Lasts: 20 * time.Second}}, acts: []act{{time.Minute, stage.cancel}}, want: provider.OutcomeBusy, dials: 1},
	"cancelled between two sends":  {steps: []providertest.Step{{Fail: fails(provider.KindUnavailable)}}, acts: []act{{5 * time.Second, stage.cancel}}, want: provider.OutcomeCancelled, dials: 0},
	"cancelled, reply lost":        {steps: []providertest.Step{{LoseReply: true, Hidden: time.Minute, Lasts: time.Hour}}, acts: []act{{30 * time.Second, stage.cancel}}, want: provider.OutcomeCancelled, dials: 1},
	"cancelled, reply never found": {steps: []providertest.Step{{LoseReply: true, Hidden: 2 * time.Hour}}, acts: []act{{30 * time.Second, stage.cancel}}, want: provider.OutcomeUnknown, dials: 1},
	"cancelled on hold":            {task: later(time.Minute), acts: []act{{time.Second, stage.hold}, {time.Hour, stage.cancel}}, want: provider.OutcomeCancelled, dials: 0},
	"held and resumed":             {task: later(time.Minute), acts: []act{{time.Second, stage.hold}, {time.Hour, stage.resume}}, want: provider.OutcomeCompleted, dials: 1},
	"held in the call":             {steps: []providertest.Step{fault, {}}, acts: []act{{10 * time.Second, stage.hold}, delivered(32*time.Second, "t1/1"), {time.Hour, stage.resume}}, want: provider.OutcomeCompleted, dials: 2},
	"put off":                      {task: later(time.Hour), want: provider.OutcomeCompleted, dials: 1},
	"out of hours":                 {cfg: func(c *voicetask.Config) { c.Hours = &voicetask.Hours{} }, task: func(t *voicetask.Task) { t.TimeZone = "America/New_York" }, want: provider.OutcomeCompleted, dials: 1},
	"no zone":                      {cfg: func(c *voicetask.Config) { c.Hours = &voicetask.Hours{} }, task: func(t *voicetask.Task) { t.TimeZone = "" }, want: provider.OutcomeConfigError, dials: 0},
	"too late":                     {task: func(t *voicetask.Task) { t.NotAfter = start.Add(-time.Second) }, want: provider.OutcomeCancelled, dials: 0},
	"refused by a gate":            {cfg: func(c *voicetask.Config) { c.Gates = []voicetask.Gate{refusing(1)} }, want: provider.OutcomeCancelled, dials: 0},
	"refused by a gate, later":     {steps: []providertest.Step{fault}, cfg: func(c *voicetask.Config) { c.Gates = []voicetask.Gate{refusing(2)} }, want: provider.OutcomeCancelled, dials: 1},
	"a gate without an answer":     {cfg: func(c *voicetask.Config) { c.Gates = []voicetask.Gate{failing(2)} }, want: provider.OutcomeCompleted, dials: 1},
	"refused by Prepare": {cfg: func(c *voicetask.Config) {
		c.Prepare = func(context.Context, voicetask.Task, *provider.Request) error { return voicetask.ErrInvalidTask }
	}, want: provider.OutcomeConfigError, dials: 0},
	"no provider":   {task: func(t *voicetask.Task) { t.Data.Provider = "twilio" }, want: provider.OutcomeConfigError, dials: 0},
	"a second call": {acts: []act{{10 * time.Second, secondCall}, delivered(32*time.Second, "t1/1")}, want: provider.OutcomeCompleted, dials: 1},
	"a policy that does not work": {cfg: func(c *voicetask.Config) {
		c.PolicyFor = func(context.Context, voicetask.Task) (voicetask.Policy, error) {
			return voicetask.Policy{MaxDials: -1}, nil
		}
	}, want: provider.OutcomeConfigError, dials: 0},
	"cancelled before a redial":     {steps: []providertest.Step{fault}, cfg: func(c *voicetask.Config) { c.Gates = []voicetask.Gate{putsOff(2)} }, acts: []act{delivered(32*time.Second, "t1/1"), {10 * time.Minute, stage.cancel}}, want: provider.OutcomeCancelled, dials: 1},
	"late report of the first call": {steps: []providertest.Step{fault, {}}, acts: []act{delivered(32*time.Second, "t1/1"), delivered(80*time.Second, "t1/2"), delivered(81*time.Second, "t1/1")}, want: provider.OutcomeCompleted, dials: 2},
}

func later(d time.Duration) func(t *voicetask.Task) {
	return func(t *voicetask.Task) { t.NotBefore = start.Add(d) }
}

// refusing refuses the n-th dial.
func refusing(n int) voicetask.Gate {
	return voicetask.GateFunc(func(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
		return voicetask.Verdict{Refuse: d.N == n, Rule: "suppression", Reason: "asked not to be called"}, nil
	})
}

// putsOff puts the n-th dial off for an hour.
func putsOff(n int) voicetask.Gate {
	return voicetask.GateFunc(func(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
		if d.N == n {
			return voicetask.Verdict{Until: d.At.Add(time.Hour)}, nil
		}
		return voicetask.Verdict{}, nil
	})
}

// failing has no answer for the first n questions.
func failing(n int) voicetask.Gate {
	asked := 0
	return voicetask.GateFunc(func(context.Context, voicetask.Dial) (voicetask.Verdict, error) {
		if asked++; asked <= n {
			return voicetask.Verdict{}, errors.New("service down")
		}
		return voicetask.Verdict{}, nil
	})
}

func secondCall(s stage) {
	s.must(s.engine.Deliver(context.Background(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "call-x", Status: provider.StatusRinging}}))
}

// TestBothEnginesAgree: the workflow and Direct come to the same record, but for
// times, tokens and the owner.
func TestBothEnginesAgree(t *testing.T) {
	for name, sc := range scenarios {
		t.Run(name, func(t *testing.T) {
			temporal, rung := sc.onTemporal(t)
			require.Equal(t, sc.want, temporal.Outcome, "on Temporal")
			require.Equal(t, sc.dials, rung, "phones rung by the workflow")
			var direct store.Record
			synctest.Test(t, func(t *testing.T) { direct, rung = sc.onDirect(t) })
			require.Equal(t, sc.want, direct.Outcome, "on Direct")
			require.Equal(t, sc.dials, rung, "phones rung by Direct")
			wantRow, wantResult := comparable(t, temporal)
			row, result := comparable(t, direct)
			require.Equal(t, wantRow, row)
			require.Equal(t, wantResult, result)
		})
	}
}

func (sc scenario) config(t *testing.T) (voicetask.Config, voicetask.Task, *hooked) {
	t.Helper()
	fake := providertest.NewFake("vapi", sc.steps...)
	p := &hooked{Fake: fake, traits: sc.traits}
	cfg := voicetask.Config{AllowVolatile: true}
	if sc.cfg != nil {
		sc.cfg(&cfg)
	}
	in := task()
	if sc.task != nil {
		sc.task(&in)
	}
	return cfg, in, p
}

func (sc scenario) onTemporal(t *testing.T) (store.Record, int) {
	t.Helper()
	cfg, in, p := sc.config(t)
	w := newWorldOn(t, cfg, p.Fake, p)
	for _, a := range sc.acts {
		w.after(a.after, func() { a.do(stage{t, w.client, p.Fake}) })
	}
	_, _ = w.Run(in) // the row tells, also of a selection error
	return w.row(), p.Dials()
}

// onDirect runs in a bubble, with a clock that starts when the environment's does.
func (sc scenario) onDirect(t *testing.T) (store.Record, int) {
	t.Helper()
	cfg, in, p := sc.config(t)
	o := newOffice(t, cfg, p)
	defer o.close()
	for _, a := range sc.acts {
		time.AfterFunc(a.after, func() { a.do(stage{t, o.Direct, p.Fake}) })
	}
	require.NoError(t, o.Submit(t.Context(), in))
	_, err := o.Wait(t.Context(), "t1")
	require.NoError(t, err)
	time.Sleep(2 * time.Hour) // what comes late has come
	return rowOf(t, o.store, "t1"), p.Dials()
}

// comparable is r without what depends on the engine.
func comparable(t *testing.T, r store.Record) (store.Record, voicetask.Result) {
	t.Helper()
	res := storedResult(t, r)
	res.Data.StartTime, res.Data.EndTime = presence(res.Data.StartTime), presence(res.Data.EndTime)
	res.Data.Duration = voicetask.Seconds(res.Data.Duration.Duration().Round(10 * time.Second).Seconds()) // a step of Direct comes up to a second late
	if res.Dials == 0 {
		res.Data.Provider = "" // it depends on who was asked last
	}
	r.Result, r.Version, r.Owner = nil, 0, ""
	for _, at := range []*time.Time{&r.CreatedAt, &r.UpdatedAt, &r.LeaseUntil, &r.CancelRequestedAt, &r.DueAt} {
		*at = presence(*at)
	}
	r.LeaseUntil = time.Time{}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.Token = ""
		for _, at := range []*time.Time{&a.NotBefore, &a.ReservedAt, &a.SentAt, &a.DialledAt, &a.AnsweredAt, &a.EndedAt} {
			*at = presence(*at)
		}
	}
	return r, res
}

// presence keeps of a time only whether there is one.
func presence(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return time.Unix(0, 0)
}
