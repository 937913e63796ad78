package vapi

import (
	"strings"
	"testing"

	"github.com/superservices/voice/provider"
)

func TestOutcomeOf(t *testing.T) {
	for reason, want := range map[string]provider.Outcome{
		"customer-ended-call":                                          provider.OutcomeCompleted,
		"customer-ended-call-during-transfer":                          provider.OutcomeCompleted,
		"assistant-ended-call-with-hangup-task":                        provider.OutcomeCompleted,
		"assistant-said-end-call-phrase":                               provider.OutcomeCompleted,
		"call.in-progress.twilio-completed-call":                       provider.OutcomeCompleted,
		"call.ending.hook-executed-say":                                provider.OutcomeCompleted,
		"customer-busy":                                                provider.OutcomeBusy,
		"customer-did-not-answer":                                      provider.OutcomeNoAnswer,
		"voicemail":                                                    provider.OutcomeVoicemail,
		"exceeded-max-duration":                                        provider.OutcomeTimedOut,
		"silence-timed-out":                                            provider.OutcomeTimedOut,
		"manually-canceled":                                            provider.OutcomeCancelled,
		"twilio-reported-customer-misdialed":                           provider.OutcomeInvalidNumber,
		"worker-shutdown":                                              provider.OutcomeProviderFault,
		"assistant-not-found":                                          provider.OutcomeConfigError,
		" Customer-Busy\n":                                             provider.OutcomeBusy,
		"call.start.error-subscription-frozen":                         provider.OutcomeConfigError,
		"call.start.error-vapifault-database-error":                    provider.OutcomeProviderFault,
		"call.start.error-vapi-number-outbound-daily-limit":            provider.OutcomeRateLimited,
		"call.start.error-subscription-concurrency-limit-reached":      provider.OutcomeRateLimited,
		"call.in-progress.error-vapifault-openai-401-unauthorized":     provider.OutcomeProviderFault,
		"pipeline-error-openai-401-unauthorized":                       provider.OutcomeConfigError,
		"call.in-progress.error-vapifault-custom-llm-401-unauthorized": provider.OutcomeConfigError,

		// The one who did not answer, or was busy, is whom the call was handed to.
		"call.forwarding.no-answer":     provider.OutcomeCompleted,
		"call.forwarding.operator-busy": provider.OutcomeCompleted,

		// Not on today's list.
		"call.forwarding.something-new":                                   provider.OutcomeCompleted,
		"call.start.error-get-transfer-plan":                              provider.OutcomeConfigError,
		"call.start.error-vapifault-brand-new":                            provider.OutcomeProviderFault,
		"call.in-progress.error-providerfault-outbound-sip-486-busy-here": provider.OutcomeBusy,
		"call.in-progress.error-providerfault-outbound-sip-600-busy":      provider.OutcomeBusy,
		"call.in-progress.error-providerfault-outbound-sip-603-decline":   provider.OutcomeDeclined,
		"call.in-progress.error-providerfault-outbound-sip-404-not-found": provider.OutcomeInvalidNumber,
		"call.in-progress.error-providerfault-outbound-sip-484-x":         provider.OutcomeInvalidNumber,
		"call.in-progress.error-providerfault-outbound-sip-487-x":         provider.OutcomeNoAnswer,
		"call.in-progress.error-providerfault-outbound-sip-415-x":         provider.OutcomeConfigError,
		"call.in-progress.error-providerfault-outbound-sip-500-x":         provider.OutcomeProviderFault,
		"call.in-progress.error-vapifault-newllm-429-exceeded-quota":      provider.OutcomeProviderFault,
		"pipeline-error-newllm-429-exceeded-quota":                        provider.OutcomeConfigError,
		"pipeline-error-newllm-503-server-overloaded-error":               provider.OutcomeProviderFault,
		"call.in-progress.error-vapifault-newvoice-voice-failed":          provider.OutcomeProviderFault,
		"pipeline-error-newvoice-voice-not-found":                         provider.OutcomeConfigError,
		"lambda-longcalls-not-accepted":                                   provider.OutcomeConfigError,
		"telnyx-customer-busy":                                            provider.OutcomeBusy,
		"telnyx-no-answer":                                                provider.OutcomeNoAnswer,
		"customer-declined":                                               provider.OutcomeDeclined,
		"voicemail-detected":                                              provider.OutcomeVoicemail,
		"":                                                                provider.OutcomeUnknown,
	} {
		if got, mapped := outcomeOf(reason); got != want || !mapped {
			t.Errorf("%s: got %s (mapped %v), want %s", reason, got, mapped, want)
		}
	}
	for _, reason := range []string{
		"something-new", "call.in-progress.error-vapifault-brand-new", "call.in-progress.brand-new", "pipeline-error-brand-new", "\x00", "customer",
	} {
		if got, mapped := outcomeOf(reason); got != provider.OutcomeUnknown || mapped {
			t.Errorf("%s: got %s (mapped %v), want unknown, unmapped", reason, got, mapped)
		}
	}
}

// Every value of Vapi's list, against the class that its documentation supports.
func TestOutcomeOfEveryKnownReason(t *testing.T) {
	classes := map[string]provider.Outcome{
		"completed": provider.OutcomeCompleted, "customer-busy": provider.OutcomeBusy, "customer-no-answer": provider.OutcomeNoAnswer,
		"voicemail": provider.OutcomeVoicemail, "customer-rejected": provider.OutcomeDeclined, "invalid-number": provider.OutcomeInvalidNumber,
		"provider-fault-retryable": provider.OutcomeProviderFault, "provider-fault-config": provider.OutcomeConfigError,
		"rate-limited": provider.OutcomeRateLimited, "cancelled": provider.OutcomeCancelled, "timeout": provider.OutcomeTimedOut,
		"unknown": provider.OutcomeUnknown,
	}
	// Where the list is disagreed with, and why: nowhere at present.
	disagree := map[string]provider.Outcome{}
	n := 0
	for line := range strings.Lines(string(shared(t, "vapi/ended_reasons.tsv"))) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) < 2 || fields[0] == "value" || strings.HasPrefix(line, "#") {
			t.Logf("not a row: %q", line)
			continue
		}
		want, ok := classes[fields[1]]
		if d, not := disagree[fields[0]]; not {
			want = d
		}
		if got, mapped := outcomeOf(fields[0]); got != want || !mapped || !ok {
			t.Errorf("%s: got %s (mapped %v), the list says %s", fields[0], got, mapped, fields[1])
		}
		n++
	}
	if n < 500 {
		t.Errorf("only %d rows", n)
	}
	t.Logf("%d values", n)
}

func FuzzOutcomeOf(f *testing.F) {
	for r := range exactReasons {
		f.Add(r)
	}
	f.Add("call.in-progress.error-providerfault-outbound-sip-486-busy-here")
	f.Fuzz(func(t *testing.T, reason string) {
		o, mapped := outcomeOf(reason)
		if o == "" || !mapped && o != provider.OutcomeUnknown {
			t.Errorf("%q: got %q, mapped %v", reason, o, mapped)
		}
		if again, _ := outcomeOf(reason); again != o {
			t.Errorf("%q: %s, then %s", reason, o, again)
		}
	})
}
