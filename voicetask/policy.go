package voicetask

import (
	"fmt"
	"slices"
	"time"

	"github.com/superservices/voice/provider"
)

// Defaults of Policy, and the bounds of the activity that dials.
const (
	DefaultMaxDials        = 3
	DefaultMaxCallDuration = 15 * time.Minute
	DefaultRingTimeout     = 45 * time.Second
	DefaultPollInterval    = 20 * time.Second
	DefaultEventGrace      = 2 * time.Minute

	// blockingCallDuration is the default MaxCallDuration where Place blocks.
	blockingCallDuration = 13 * time.Minute
	// executeTimeout is the seed's: one run of execute_call_activity.
	executeTimeout   = 15 * time.Minute
	heartbeatTimeout = 7 * time.Second
	// executeMargin is kept free at the end of executeTimeout to write down what
	// Place answered.
	executeMargin = 15 * time.Second
)

// Policy says how long and how often. It is resolved once per dial and kept in
// history. Zero fields take the defaults.
type Policy struct {
	// MaxDials defaults to 3 (MAX_CALL_RETRIES). Each dial may be sent up to 3 times
	// while it provably did not go out; a dial that used them up is final by default.
	MaxDials int
	// MaxCallDuration defaults to 15 min; then the call is ended: timed_out.
	MaxCallDuration time.Duration
	// RingTimeout defaults to 45 s.
	RingTimeout time.Duration
	// PollInterval defaults to 20 s; negative = wait for events and the deadline only.
	PollInterval time.Duration
	// EventGrace is the silence before polling starts where the platform sends
	// events; default 2 min.
	EventGrace time.Duration
	// Redial is by outcome; nil = DefaultRedial; an outcome not in it is final.
	Redial map[provider.Outcome]Redial
}

// Redial says what follows one outcome. OutcomeUnknown is never redialled.
type Redial struct {
	// After is the wait before the 1st, 2nd ... redial for this outcome; the last
	// repeats; empty = at once.
	After []time.Duration
	// Max is the number of redials for this outcome; 0 = as MaxDials allows.
	Max int
}

// DefaultRedial is provider_fault and rate_limited after 10 s, 20 s, 40 s, 1 min.
// It returns a new map each time.
func DefaultRedial() map[provider.Outcome]Redial {
	after := []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute}
	return map[provider.Outcome]Redial{
		provider.OutcomeProviderFault: {After: after},
		provider.OutcomeRateLimited:   {After: slices.Clone(after)},
	}
}

// resolved fills the defaults.
func (p Policy) resolved(traits provider.Traits) Policy {
	if p.MaxCallDuration == 0 && traits.Blocking {
		p.MaxCallDuration = blockingCallDuration
	}
	fill(&p.MaxDials, DefaultMaxDials)
	fill(&p.MaxCallDuration, DefaultMaxCallDuration)
	fill(&p.RingTimeout, DefaultRingTimeout)
	fill(&p.PollInterval, DefaultPollInterval)
	fill(&p.EventGrace, DefaultEventGrace)
	if p.Redial == nil {
		p.Redial = DefaultRedial()
	}
	return p
}

// check reports what is wrong with a policy as the host set it.
func (p Policy) check() error {
	switch {
	case p.MaxDials < 0:
		return fmt.Errorf("MaxDials is %d: use 1 or more, or 0 for %d", p.MaxDials, DefaultMaxDials)
	case p.MaxCallDuration < 0:
		return fmt.Errorf("MaxCallDuration is %v: use a positive duration, or 0 for %v", p.MaxCallDuration, DefaultMaxCallDuration)
	case p.RingTimeout < 0:
		return fmt.Errorf("RingTimeout is %v: use a positive duration, or 0 for %v", p.RingTimeout, DefaultRingTimeout)
	case p.EventGrace < 0:
		return fmt.Errorf("EventGrace is %v: use a positive duration, or 0 for %v", p.EventGrace, DefaultEventGrace)
	case p.RingTimeout > executeTimeout-2*executeMargin:
		return fmt.Errorf("RingTimeout is %v: the activity that dials may take %v in all", p.RingTimeout, executeTimeout)
	}
	for o, r := range p.Redial {
		switch {
		case !o.Valid():
			return fmt.Errorf("Redial[%q] is no outcome: use the provider.Outcome constants", o)
		case o == provider.OutcomeUnknown:
			return fmt.Errorf("Redial[%q] is set: a dial of unknown outcome may have rung and is never redialled", o)
		case r.Max < 0:
			return fmt.Errorf("Redial[%q].Max is negative", o)
		}
		for _, d := range r.After {
			if d < 0 {
				return fmt.Errorf("Redial[%q].After holds a negative duration", o)
			}
		}
	}
	return nil
}

// fits reports whether a call of a blocking provider fits into one run of the
// activity under the resolved policy p.
func (p Policy) fits(traits provider.Traits) error {
	if !traits.Blocking {
		return nil
	}
	if longest := p.RingTimeout + p.MaxCallDuration; longest > executeTimeout-executeMargin {
		return fmt.Errorf("RingTimeout + MaxCallDuration is %v, but a blocking provider's call must fit into %v: lower Policy.MaxCallDuration",
			longest, executeTimeout-executeMargin)
	}
	return nil
}

// next decides what follows dial n of t, which ended with c under p. earlier are
// the outcomes of the dials before it. It is a function of its arguments only, so
// that the workflow may call it.
func (p Policy) next(t Task, n int, c provider.Call, earlier []provider.Outcome) (wait time.Duration, again bool, rule string) {
	if maybeRings(c) {
		return 0, false, RuleUnknown
	}
	redial, ok := p.Redial[c.Outcome]
	if !ok || c.Outcome == provider.OutcomeUnknown {
		return 0, false, RuleOutcome
	}
	if isFault(c.Outcome) && !c.AnsweredAt.IsZero() && !c.NoSpeech {
		return 0, false, RuleOutcome // the customer may have talked to us: not again
	}
	if n >= t.maxDials(p) {
		return 0, false, RuleMaxDials
	}
	before := 0
	for _, o := range earlier {
		if o == c.Outcome {
			before++
		}
	}
	if redial.Max > 0 && before >= redial.Max {
		return 0, false, RuleMaxDials
	}
	if len(redial.After) > 0 {
		wait = redial.After[min(before, len(redial.After)-1)]
	}
	return wait, true, RuleOutcome
}

// hungUpLate reports a call that was hung up at its deadline or later, where nobody had
// cancelled it: by us, and by a run that did not live to say so (its workflow was reset,
// or its Direct died, behind the hang-up). The platform calls that a cancellation.
func hungUpLate(c provider.Call, deadline time.Time) bool {
	return c.Outcome == provider.OutcomeCancelled && !c.EndedAt.IsZero() && !c.EndedAt.Before(deadline)
}

// maybeRings reports a dial of which it cannot be proved whether it went out.
func maybeRings(c provider.Call) bool {
	return c.Outcome == provider.OutcomeUnknown && c.ID == ""
}

// isFault reports an outcome that is the platform's doing and may strike in the
// middle of a conversation.
func isFault(o provider.Outcome) bool {
	switch o {
	case provider.OutcomeProviderFault, provider.OutcomeRateLimited, provider.OutcomeConfigError:
		return true
	}
	return false
}

// awaitAfter is the silence before polling starts: 0 at once, negative never.
func (p Policy) awaitAfter(traits provider.Traits) time.Duration {
	switch {
	case p.PollInterval < 0:
		return -1
	case traits.Events:
		return p.EventGrace
	}
	return 0
}
