package vapi

import (
	"testing"

	"github.com/superservices/voice/provider"
)

// The policy dials again after a fault if nobody answered, as far as it knows. So a
// call whose callee spoke, or may have, says that it was answered, though Vapi left
// out when.
func TestFaultsThatMayHaveStruckInATalk(t *testing.T) {
	const (
		midTalk = `"endedReason":"call.in-progress.error-vapifault-worker-died"`
		loud    = `,"artifact":{"messages":[{"role":"bot","message":"Hi"},{"role":"user","message":"Hello"}]}`
		at      = `,"endedAt":"2026-03-26T15:43:40Z"`
	)
	for fields, want := range map[string]bool{
		midTalk + at + loud: true, // they spoke
		midTalk + loud:      true,
		midTalk + at:        false, // by the whole object it never connected
		`"endedReason":"pipeline-error-openai-500-server-error"` + at + loud: true,
		`"endedReason":"customer-busy"` + at:                                 false,
		`"endedReason":"call.start.error-vapifault-get-org"` + at:            false,
	} {
		c := callOf(t, `{"id":"c","status":"ended","createdAt":"2026-03-26T15:43:00Z",`+fields+`}`)
		if got := !c.AnsweredAt.IsZero(); got != want {
			t.Errorf("%s: answered at %s", fields, c.AnsweredAt)
		}
	}
	// A status update does not tell whether they spoke, and the one before may be lost.
	for reason, want := range map[string]bool{
		"call.in-progress.error-vapifault-worker-died":                              true,
		"pipeline-error-openai-500-server-error":                                    true,
		"call.in-progress.error-providerfault-outbound-sip-503-service-unavailable": false,
		"call.in-progress.error-vapifault-transport-never-connected":                false,
		"call.start.error-vapifault-get-org":                                        false,
		"call.start.error-subscription-concurrency-limit-reached":                   false,
		"twilio-failed-to-connect-call":                                             false,
		"customer-did-not-answer":                                                   false,
		"customer-busy":                                                             false,
		"scheduled-call-deleted":                                                    false,
		"assistant-not-found":                                                       false,
	} {
		e, _, err := decodeMessage([]byte(`{"message":{"type":"status-update","timestamp":1774539820000,"status":"ended","endedReason":"` + reason + `",
			"call":{"id":"c","assistantOverrides":{"metadata":{"voice_key":"t/1"}}}}}`))
		if err != nil || e == nil || e.Call.Status != provider.StatusEnded {
			t.Fatalf("%s: %+v, %v", reason, e, err)
		}
		if got := !e.Call.AnsweredAt.IsZero(); got != want || got && e.Call.NoSpeech {
			t.Errorf("%s: answered at %s, no speech %t", reason, e.Call.AnsweredAt, e.Call.NoSpeech)
		}
	}
}
