package voicetask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// judge asks everything that may refuse or defer the dial, at the moment of
// dialling and never earlier. The zero Dialled lets it pass.
func (e *execution) judge(ctx context.Context) (Dialled, error) {
	now, t := e.now(), e.in.Task
	if err := e.policy.check(); err != nil {
		return Dialled{End: provider.OutcomeConfigError, Rule: RulePolicy, Reason: err.Error()}, nil
	}
	if err := e.policy.fits(e.traits); err != nil {
		return Dialled{End: provider.OutcomeConfigError, Rule: RulePolicy, Reason: err.Error()}, nil
	}
	switch {
	case e.rec.Status == store.StatusHold:
		return e.onHold(), nil
	case t.NotBefore.After(now):
		return e.until(t.NotBefore, RuleNotBefore, "the task asks not to be dialled earlier"), nil
	case e.in.NotBefore.After(now):
		return e.until(e.in.NotBefore, RuleRedial, "redial after "+string(e.in.Previous.Outcome)), nil
	case !t.NotAfter.IsZero() && now.After(t.NotAfter):
		return Dialled{End: provider.OutcomeCancelled, Rule: RuleNotAfter, Reason: "the task asks not to be dialled later"}, nil
	case e.switchedOff(ctx):
		return e.offUntil(now), nil
	}
	if verdict, err := e.judgeHours(ctx, now); err != nil || !verdict.passes() {
		return verdict, err
	}
	return e.judgeGates(ctx, now)
}

// switchedOff asks the kill switch: when a dial is judged, and again right before it
// is sent, since gates and stores may take their time in between. A switch that cannot
// answer is off.
func (e *execution) switchedOff(ctx context.Context) (off bool) {
	defer func() {
		if p := recover(); p != nil {
			off = true
			e.cfg.Logger.ErrorContext(ctx, "Config.Enabled panicked: taken for switched off", "task_id", e.in.Task.ID, "error", quiet(e.in.Task, panicked(p)))
		}
	}()
	return !e.cfg.Enabled()
}

func (e *execution) offUntil(now time.Time) Dialled {
	return e.until(now.Add(e.recheck(now)), RuleKillSwitch, "outgoing calls are switched off")
}

// onHold looks again after a while, should the signal that resumes be lost.
func (e *execution) onHold() Dialled {
	now := e.now()
	return Dialled{DialAt: now.Add(e.recheck(now)), Rule: RuleHold, Reason: strings.TrimPrefix(e.rec.Reason, RuleHold+": ")}
}

// passes reports that a verdict neither ends the task nor puts the dial off.
func (d Dialled) passes() bool { return d.End == "" && d.DialAt.IsZero() }

// until puts the dial off, unless the task wants no dial as late as that.
func (e *execution) until(at time.Time, rule, words string) Dialled {
	if notAfter := e.in.Task.NotAfter; !notAfter.IsZero() && at.After(notAfter) {
		return Dialled{End: provider.OutcomeCancelled, Rule: RuleNotAfter,
			Reason: fmt.Sprintf("put off by %s beyond the time after which the task asks not to be dialled", rule)}
	}
	return Dialled{DialAt: at.UTC(), Rule: rule, Reason: words}
}

// recheck grows with the time a task has waited, so that a switch that stays off
// for days costs a few looks a task, and one that comes back soon is seen soon.
func (e *execution) recheck(now time.Time) time.Duration {
	return min(max(now.Sub(e.rec.CreatedAt)/10, 10*time.Second), 5*time.Minute)
}

func (e *execution) judgeHours(ctx context.Context, now time.Time) (Dialled, error) {
	if e.cfg.Hours == nil {
		return Dialled{}, nil
	}
	at, err := e.cfg.Hours.opening(ctx, e.in.Task, now)
	switch {
	case errors.Is(err, errNoZone), errors.Is(err, errNoOpening):
		return Dialled{End: provider.OutcomeConfigError, Rule: RuleHours, Reason: err.Error()}, nil
	case err != nil:
		return Dialled{}, err
	case at.After(now):
		return e.until(at, RuleHours, "outside the calling hours of the callee"), nil
	}
	return Dialled{}, nil
}

func (e *execution) judgeGates(ctx context.Context, now time.Time) (Dialled, error) {
	d := Dial{Task: e.in.Task, N: e.in.N, Provider: e.provider.Name(), At: now, Previous: slices.Clone(e.rec.Attempts)}
	for i, gate := range e.cfg.Gates {
		v, err := gate.Check(ctx, d)
		if err != nil {
			return Dialled{}, fmt.Errorf("voicetask: Config.Gates[%d]: %w", i, err)
		}
		if v.Rule == "" {
			v.Rule = fmt.Sprintf("gate_%d", i+1)
		}
		switch {
		case v.Refuse:
			return Dialled{End: provider.OutcomeCancelled, Rule: v.Rule, Reason: v.Reason}, nil
		case v.Until.After(now):
			return e.until(v.Until, v.Rule, v.Reason), nil
		}
	}
	return Dialled{}, nil
}
