package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
)

// Harness tells Run how to make a provider and how to trouble its platform.
//
// New is called for every check, and each hook means the platform that New made
// last: subtests do not run in parallel. A hook is there or is explained in
// Cannot. Whatever a hook does to "the next Place" is over after it.
type Harness struct {
	// New returns a provider on a fresh platform. Required.
	New func(t *testing.T) provider.Provider
	// Request returns a request that is safe to dial, under key. Its callee should
	// answer and talk until Finish or End, since Run looks at calls while they
	// live. Required.
	Request func(key string) provider.Request
	// Dials counts the phones rung so far.
	Dials func() int
	// LoseReply: the next Place is carried out and its reply lost.
	LoseReply func()
	// Trouble: the next Place meets it.
	Trouble func(kind Trouble)
	// Refuse: the next Place fails with k, and nothing is placed. It is asked for
	// every kind that is NotPlaced, but unsupported.
	Refuse func(k provider.Kind)
	// Finish ends a live call with o as if the callee had. It is asked for
	// completed and no_answer only. After no_answer no time of answer may be told,
	// although the call was live when Place returned.
	Finish func(id provider.CallID, o provider.Outcome)
	// Cannot says why this platform cannot be troubled so, by hook ("LoseReply")
	// or by hook and kind ("Trouble/find_lag", "Refuse/unavailable",
	// "Finish/no_answer"). Run prints and counts what is in it.
	Cannot map[string]string
}

// Trouble is what the platform does to the next Place.
type Trouble string

// Troubles.
const (
	// FaultAfterAccept: placed, then answered with a 5xx.
	FaultAfterAccept Trouble = "fault_after_accept"
	// ClosedConnection: placed, then a connection that was used before closes
	// without an answer. Clients that keep connections like to send again.
	ClosedConnection Trouble = "closed_connection"
	// Slow: placed; no answer while the caller's ctx lasts.
	Slow Trouble = "slow"
	// FindLag: placed and answered; Find misses the call at first, for less than
	// VisibilityLag. Keep it under a second: Run waits for it.
	FindLag Trouble = "find_lag"
)

// Names of the hooks, as Cannot has them.
const (
	hookDials     = "Dials"
	hookLoseReply = "LoseReply"
	hookTrouble   = "Trouble"
	hookRefuse    = "Refuse"
	hookFinish    = "Finish"
)

// kindsOf lists the kinds that Run asks each hook for.
var kindsOf = map[string][]string{
	hookDials:     nil,
	hookLoseReply: nil,
	hookTrouble:   {string(FaultAfterAccept), string(ClosedConnection), string(Slow), string(FindLag)},
	hookRefuse: {
		string(provider.KindInvalidRequest), string(provider.KindUnauthenticated), string(provider.KindNotFound),
		string(provider.KindRejected), string(provider.KindRateLimited), string(provider.KindUnavailable),
	},
	hookFinish: {string(provider.OutcomeCompleted), string(provider.OutcomeNoAnswer)},
}

func (h Harness) has(hook string) bool {
	switch hook {
	case hookDials:
		return h.Dials != nil
	case hookLoseReply:
		return h.LoseReply != nil
	case hookTrouble:
		return h.Trouble != nil
	case hookRefuse:
		return h.Refuse != nil
	case hookFinish:
		return h.Finish != nil
	}
	return false
}

// why returns the reason in Cannot for a hook, or a hook and kind.
func (h Harness) why(need string) (reason string, cannot bool) {
	if reason, cannot = h.Cannot[need]; cannot {
		return reason, true
	}
	hook, _, _ := strings.Cut(need, "/")
	reason, cannot = h.Cannot[hook]
	return reason, cannot
}

// problems lists hooks that are missing without a reason, and reasons that do not
// fit.
func (h Harness) problems() []string {
	var all []string
	for _, hook := range slices.Sorted(maps.Keys(kindsOf)) {
		if h.has(hook) {
			if _, both := h.Cannot[hook]; both {
				all = append(all, fmt.Sprintf("Harness.%s is set and is in Cannot: drop one of them", hook))
			}
			continue
		}
		if missing := h.unexplained(hook); len(missing) > 0 {
			all = append(all, fmt.Sprintf("Harness.%s is nil: set it, or say in Cannot why %s cannot be had", hook, strings.Join(missing, ", ")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Cannot)) {
		hook, kind, ofKind := strings.Cut(name, "/")
		kinds, known := kindsOf[hook]
		if !known || ofKind && !slices.Contains(kinds, kind) {
			all = append(all, fmt.Sprintf("Harness.Cannot[%q] names no hook or kind that Run asks for", name))
		}
		if strings.TrimSpace(h.Cannot[name]) == "" {
			all = append(all, fmt.Sprintf("Harness.Cannot[%q] gives no reason", name))
		}
	}
	return all
}

// unexplained lists what of a nil hook has no reason in Cannot.
func (h Harness) unexplained(hook string) []string {
	if _, whole := h.Cannot[hook]; whole {
		return nil
	}
	if len(kindsOf[hook]) == 0 {
		return []string{hook}
	}
	var missing []string
	for _, kind := range kindsOf[hook] {
		if _, ok := h.Cannot[hook+"/"+kind]; !ok {
			missing = append(missing, hook+"/"+kind)
		}
	}
	if len(missing) == len(kindsOf[hook]) {
		return []string{hook}
	}
	return missing
}
