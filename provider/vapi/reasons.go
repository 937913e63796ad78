package vapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/superservices/voice/provider"
)

// Vapi explains each end by an endedReason: some 600 values, of which a tenth came
// or went within two years. So they are classified by rules, in order, and the
// value itself is kept beside the outcome. The rules follow the prefixes that
// Vapi documents ("vapifault" = a fault or a credential of Vapi's, "providerfault" =
// a third party's 5xx, "pipeline-error-" = the older form, with the account's own
// keys) and give each value that is known today the class that its documentation
// supports; a test holds them against the full list.
//
// No value says that the callee declined: mobile networks report that as busy.

// exactReasons are those that no pattern describes.
var exactReasons = map[string]provider.Outcome{
	"customer-busy":                      provider.OutcomeBusy,
	"customer-did-not-answer":            provider.OutcomeNoAnswer,
	"voicemail":                          provider.OutcomeVoicemail,
	"twilio-reported-customer-misdialed": provider.OutcomeInvalidNumber,
	"exceeded-max-duration":              provider.OutcomeTimedOut,
	"silence-timed-out":                  provider.OutcomeTimedOut,
	"manually-canceled":                  provider.OutcomeCancelled,
	"scheduled-call-deleted":             provider.OutcomeCancelled,
	"call-deleted":                       provider.OutcomeCancelled,
	"vonage-completed":                   provider.OutcomeCompleted,
	"assistant-forwarded-call":           provider.OutcomeCompleted,
	"assistant-request-returned-forwarding-phone-number": provider.OutcomeCompleted,
	// Vonage refused the destination, by Vapi's own notes; a decline is possible.
	// Neither is worth another dial, and the first wants somebody to know.
	"vonage-rejected":     provider.OutcomeConfigError,
	"vonage-disconnected": provider.OutcomeProviderFault,
	// Bad number, a country not enabled, or the carrier: Vapi cannot tell.
	"twilio-failed-to-connect-call":                                   provider.OutcomeProviderFault,
	"vonage-failed-to-connect-call":                                   provider.OutcomeProviderFault,
	"worker-shutdown":                                                 provider.OutcomeProviderFault,
	"assistant-join-timed-out":                                        provider.OutcomeProviderFault,
	"assistant-not-found":                                             provider.OutcomeConfigError,
	"assistant-not-valid":                                             provider.OutcomeConfigError,
	"phone-call-provider-closed-websocket":                            provider.OutcomeProviderFault,
	"phone-call-provider-bypass-enabled-but-no-call-received":         provider.OutcomeConfigError,
	"customer-did-not-give-microphone-permission":                     provider.OutcomeUnknown, // web calls
	"call.in-progress.error-assistant-did-not-receive-customer-audio": provider.OutcomeTimedOut,
}

// rule gives every reason that matches the outcome.
type rule struct {
	outcome provider.Outcome
	match   func(reason string) bool
}

// rules are tried in order. A change of order changes outcomes: each comment says
// what must come before what.
var rules = []rule{
	// Inbound calls and hooks: not about a call of ours.
	{provider.OutcomeUnknown, has("inbound")},
	{provider.OutcomeUnknown, begins("call.ringing.hook-executed-")},

	// Never dialled. Before the words, since "call.start.error-get-transport" and
	// the like hold many of them.
	{provider.OutcomeRateLimited, both(begins("call.start."), has("concurrency", "rate-limit", "-limit"))},
	{provider.OutcomeProviderFault, both(begins("call.start."), has("vapifault"))},
	{provider.OutcomeConfigError, begins("call.start.", "call-start-", "assistant-request-")},

	// The callee was reached. "call.forwarding.no-answer" is about the one the
	// call was handed to, so this stands before every word about answering.
	{provider.OutcomeCompleted, begins("call.forwarding.", "call.ending.hook-executed-", "customer-ended-call", "assistant-ended-call", "assistant-said-")},
	{provider.OutcomeCompleted, both(has("transfer"), not(has("fault")))},
	{provider.OutcomeCompleted, both(ends("-completed-call"), not(isError))},

	// The carrier's SIP code, where there is one, says it best.
	{provider.OutcomeBusy, sip("486", "600")},
	{provider.OutcomeDeclined, sip("603", "607", "608")},
	{provider.OutcomeInvalidNumber, sip("404", "410", "484", "604")},
	{provider.OutcomeNoAnswer, sip("408", "480", "487")},
	{provider.OutcomeConfigError, sip("401", "403", "407", "415", "488", "606")},
	{provider.OutcomeProviderFault, sip()},

	// Too much at once at a model, a voice or a transcriber. Before the quotas,
	// which share the 429.
	{provider.OutcomeRateLimited, has("rate-limit", "concurrent", "concurrency", "system-busy")},

	// What somebody must set right, and the same on each call.
	{provider.OutcomeConfigError, has("configfault", "invalid-schema", "parsing-failed", "no-available", "longcalls-not-accepted")},
	{provider.OutcomeConfigError, both(has("-custom-llm-"), has("-400-", "-401-", "-403-", "-429-"))}, // the account's own endpoint
	// A credential or quota: Vapi's own is a passing fault of Vapi's, any other the account's.
	{provider.OutcomeProviderFault, both(has("vapifault"), account)},
	{provider.OutcomeConfigError, both(isError, account)},

	// What passes. The numbers before the words: "503-server-overloaded",
	// but "400-bad-request-validation-failed".
	{provider.OutcomeProviderFault, both(isError, code5xx.MatchString)},
	{provider.OutcomeConfigError, both(isError, has("-400-", "-404-", "not-found", "invalid", "missing-samples", "validation", "must-be", "not-allowed", "only-for", "blocked-content", "blocked-voice", "disabled-by-owner", "not-fine-tuned", "unsupported"))},
	{provider.OutcomeProviderFault, both(isError, has("failed", "timed-out", "timeout", "server-error", "worker-", "transport-", "econnreset", "hang-up", "network-error", "unexpected-error", "request-canceled"))},

	// Words for values yet to come, where they are not part of an error.
	{provider.OutcomeVoicemail, both(not(isError), has("voicemail"))},
	{provider.OutcomeInvalidNumber, both(not(isError), has("misdialed", "invalid-number"))},
	{provider.OutcomeBusy, both(not(isError), has("busy"))},
	{provider.OutcomeNoAnswer, both(not(isError), has("no-answer", "did-not-answer"))},
	{provider.OutcomeDeclined, both(not(isError), has("declined", "customer-rejected"))},
	{provider.OutcomeCancelled, both(not(isError), has("cancel"))},
	{provider.OutcomeTimedOut, both(not(isError), has("timed-out", "timeout", "max-duration"))},
}

// outcomeOf classifies an endedReason. mapped is false for one that no rule knows:
// its outcome is unknown, which is never dialled again by itself. An absent reason
// is unknown too, but nothing new.
func outcomeOf(reason string) (o provider.Outcome, mapped bool) {
	r := strings.ToLower(strings.TrimSpace(reason))
	if r == "" {
		return provider.OutcomeUnknown, true
	}
	if o, ok := exactReasons[r]; ok {
		return o, true
	}
	for _, rule := range rules {
		if rule.match(r) {
			return rule.outcome, true
		}
	}
	return provider.OutcomeUnknown, false
}

// Words of an endedMessage that tell apart what one endedReason lumps together.
var (
	saysBadNumber = regexp.MustCompile(`(?i)\b(unallocated|unassigned|misdialed|does not exist|no such number)\b|\bnot (a )?(valid|in service)\b|\binvalid (phone |to )?number\b|\bsip[^0-9]{0,10}(404|410|484|604)\b`)
	saysForbidden = regexp.MustCompile(`(?i)\bpermissions?\b|\bnot (enabled|authorized|allowed|permitted)\b|\bgeo`)
)

// sharpen reads the human text beside a reason that stands for a bad number, a
// country the account may not call and a fault of the carrier alike. Only the words
// that name one of the first two change the outcome.
func sharpen(o provider.Outcome, reason, message string) provider.Outcome {
	switch {
	case !has("failed-to-connect")(strings.ToLower(reason)):
	case saysForbidden.MatchString(message):
		return provider.OutcomeConfigError
	case saysBadNumber.MatchString(message):
		return provider.OutcomeInvalidNumber
	}
	return o
}

// neverConnected reports whether a call that ended for this reason, with outcome o,
// cannot have been answered.
func neverConnected(reason string, o provider.Outcome) bool {
	switch o {
	case provider.OutcomeNoAnswer, provider.OutcomeBusy, provider.OutcomeDeclined, provider.OutcomeInvalidNumber:
		return true
	}
	return has("outbound-sip-", "failed-to-connect", "transport-never-connected")(reason) ||
		begins("call.start.", "call-start-", "scheduled-call-")(reason)
}

// mayHaveTalked reports whether a call that ended for this reason, with outcome o, may
// have broken off in the middle of a talk.
func mayHaveTalked(reason string, o provider.Outcome) bool {
	r := strings.ToLower(reason)
	return !neverConnected(r, o) &&
		begins("call.in-progress.", "pipeline-error-", "worker-shutdown", "vonage-disconnected", "phone-call-provider-closed-")(r)
}

var (
	code5xx = regexp.MustCompile(`(^|[^0-9])5[0-9][0-9]([^0-9]|$)`)
	sipCode = regexp.MustCompile(`\boutbound-sip-([0-9]{3})\b`)

	isError = has("error", "fault")
	// account: credentials, quotas, plans and money at a model, voice or transcriber.
	account = has("-401", "-403", "-429", "quota", "credits", "funds", "payment", "api-key", "auth-failed",
		"unauthorized", "credentials", "blocked-account", "requested-upgrade", "character-limit", "out-of-characters")
)

func has(words ...string) func(string) bool {
	return func(r string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(r, w) })
	}
}

func begins(prefixes ...string) func(string) bool {
	return func(r string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(r, p) })
	}
}

func ends(suffix string) func(string) bool {
	return func(r string) bool { return strings.HasSuffix(r, suffix) }
}

func both(a, b func(string) bool) func(string) bool {
	return func(r string) bool { return a(r) && b(r) }
}

func not(a func(string) bool) func(string) bool {
	return func(r string) bool { return !a(r) }
}

// sip matches the SIP codes given, or any if none are.
func sip(codes ...string) func(string) bool {
	return func(r string) bool {
		m := sipCode.FindStringSubmatch(r)
		return m != nil && (len(codes) == 0 || slices.Contains(codes, m[1]))
	}
}
