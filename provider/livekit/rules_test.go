package livekit

import (
	"net/http"
	"strings"
	"testing"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// The answers of a real LiveKit to CreateSIPParticipant with wait_until_answered,
// of two versions, and what each of them means.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"486", 429, `{"code":"resource_exhausted","msg":"INVITE failed: sip status: 486: Busy Here","meta":{"sip_status_code":"486","sip_status":"Busy Here"}}`, verdict{outcome: provider.OutcomeBusy}},
		{"486, newer", 412, `{"code":"failed_precondition","msg":"twirp error unknown: INVITE failed","meta":{"sip_status_code":"486"}}`, verdict{outcome: provider.OutcomeBusy}},
		{"600", 429, `{"code":"resource_exhausted","meta":{"sip_status_code":"600"}}`, verdict{outcome: provider.OutcomeBusy}},
		{"603", 403, `{"code":"permission_denied","meta":{"sip_status_code":"603"}}`, verdict{outcome: provider.OutcomeDeclined}},
		{"403", 403, `{"code":"permission_denied","meta":{"sip_status_code":"403"}}`, verdict{outcome: provider.OutcomeDeclined}},
		{"607", 403, `{"code":"permission_denied","meta":{"sip_status_code":"607"}}`, verdict{outcome: provider.OutcomeDeclined}},
		{"608", 403, `{"code":"permission_denied","meta":{"sip_status_code":"608"}}`, verdict{outcome: provider.OutcomeDeclined}},
		{"404: as a wrong trunk", 404, `{"code":"not_found","meta":{"sip_status_code":"404"}}`, verdict{outcome: provider.OutcomeInvalidNumber}},
		{"410", 404, `{"code":"not_found","meta":{"sip_status_code":"410"}}`, verdict{outcome: provider.OutcomeInvalidNumber}},
		{"484: as a bad request", 400, `{"code":"invalid_argument","meta":{"sip_status_code":"484"}}`, verdict{outcome: provider.OutcomeInvalidNumber}},
		{"604", 404, `{"code":"not_found","meta":{"sip_status_code":"604"}}`, verdict{outcome: provider.OutcomeInvalidNumber}},
		{"480", 429, `{"code":"resource_exhausted","meta":{"sip_status_code":"480"}}`, verdict{outcome: provider.OutcomeNoAnswer}},
		{"408: as giving up", 408, `{"code":"deadline_exceeded","meta":{"sip_status_code":"408"}}`, verdict{outcome: provider.OutcomeNoAnswer}},
		{"487", 409, `{"code":"aborted","meta":{"sip_status_code":"487"}}`, verdict{outcome: provider.OutcomeNoAnswer}},
		{"500", 412, `{"code":"failed_precondition","meta":{"sip_status_code":"500"}}`, verdict{outcome: provider.OutcomeProviderFault}},
		{"503", 412, `{"code":"failed_precondition","meta":{"sip_status_code":"503"}}`, verdict{outcome: provider.OutcomeProviderFault}},
		{"407: the trunk's password", 401, `{"code":"unauthenticated","meta":{"sip_status_code":"407"}}`, verdict{outcome: provider.OutcomeConfigError}},
		{"488: no rule", 400, `{"code":"invalid_argument","meta":{"sip_status_code":"488"}}`, verdict{outcome: provider.OutcomeUnknown}},
		{"a status that is none", 404, `{"code":"not_found","meta":{"sip_status_code":"busy"}}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a status that is not final", 404, `{"code":"not_found","meta":{"sip_status_code":"180"}}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"ring limit, or ended while it rang", 408, `{"code":"canceled","msg":"sip request timed out"}`, verdict{cancelled: true, bySIP: true}},
		{"the same, of an older server", 408, `{"code":"canceled","msg":"twirp error unknown: sip request timed out"}`, verdict{cancelled: true, bySIP: true}},
		{"a server that shuts down", 408, `{"code":"canceled","msg":"client is closed"}`, verdict{cancelled: true}},
		{"wrong trunk", 404, `{"code":"not_found","msg":"requested sip trunk does not exist"}`, verdict{kind: provider.KindNotFound}},
		{"no number", 400, `{"code":"invalid_argument","msg":"missing sip callee number"}`, verdict{kind: provider.KindInvalidRequest}},
		{"no SIP service", 503, `{"code":"unavailable","msg":"no response from servers"}`, verdict{kind: provider.KindUnavailable}},
		{"no CPU left", 503, `{"code":"unavailable","msg":"cpu exhausted"}`, verdict{kind: provider.KindUnavailable}},
		{"grants", 401, `{"code":"unauthenticated","msg":"permissions denied"}`, verdict{kind: provider.KindUnauthenticated}},
		{"token, in plain text", 401, `invalid token: eyJ`, verdict{kind: provider.KindUnauthenticated}},
		{"486, stripped", 429, `{"code":"resource_exhausted","msg":"INVITE failed: sip status: 486: Busy Here"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"603, stripped", 403, `{"code":"permission_denied","msg":"INVITE failed: sip status: 603"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"486, stripped and silent", 429, `{"code":"resource_exhausted","msg":"rate limit"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"603, stripped and silent", 403, `{"code":"permission_denied","msg":"permissions denied"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"no number, newer", 400, `{"code":"invalid_argument","msg":"twirp error invalid_argument: missing sip callee number"}`, verdict{kind: provider.KindInvalidRequest}},
		{"no SIP service, older", 503, `{"code":"unavailable","msg":"twirp error unknown: no response from servers"}`, verdict{kind: provider.KindUnavailable}},
		{"unavailable in other words", 503, `{"code":"unavailable","msg":"connection lost"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"unavailable without a word", 503, `{"code":"unavailable"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"unavailable, and a message that is none", 503, `{"code":"unavailable","msg":{"no response from servers":1}}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a limit of the range", 400, `{"code":"out_of_range","msg":"x"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"wrong path", 404, `{"code":"bad_route"}`, verdict{kind: provider.KindNotFound}},
		{"LiveKit gave up; it may ring on", 408, `{"code":"deadline_exceeded","msg":"request timed out"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"failed after the INVITE", 412, `{"code":"failed_precondition","msg":"x"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"could not join the room", 500, `{"code":"internal","msg":"update room failed"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a code of tomorrow", 400, `{"code":"brand_new"}`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a proxy's 404 may hide a SIP 404", 404, `<html>`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a proxy's 429 may hide a busy line", 429, ``, verdict{kind: provider.KindOutcomeUnknown}},
		{"a proxy's 403 may hide a 603", 403, `Forbidden`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a proxy's 503", 503, `<html>`, verdict{kind: provider.KindOutcomeUnknown}},
		{"a redirect", 307, ``, verdict{kind: provider.KindOutcomeUnknown}},
		{"a 2xx that is none of LiveKit's", 202, `{}`, verdict{kind: provider.KindOutcomeUnknown}},
	} {
		got := judge(vendorhttp.Reply{Status: c.status, Body: []byte(c.body)})
		code := got.code
		got.code = ""
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if strings.Contains(code, " ") || strings.Contains(code, "eyJ") {
			t.Errorf("%s: the code is %q", c.name, code)
		}
	}
	cut := vendorhttp.Reply{Status: http.StatusNotFound, Body: []byte(`{"code":"not_found"}`), BodyErr: http.ErrBodyReadAfterClose}
	if got := judge(cut); got.kind != provider.KindOutcomeUnknown {
		t.Errorf("half an answer: %+v", got)
	}
}

// A participant's leaving: the reasons a real LiveKit gave, with what it said last.
func TestEndOf(t *testing.T) {
	const yes, no = true, false
	for _, c := range []struct {
		reason   string
		answered bool
		want     ending
	}{
		{"CLIENT_INITIATED", yes, ending{outcome: provider.OutcomeCompleted}},
		{"CLIENT_INITIATED", no, ending{outcome: provider.OutcomeProviderFault}},
		{"PARTICIPANT_REMOVED", yes, ending{outcome: provider.OutcomeCompleted}},
		{"PARTICIPANT_REMOVED", no, ending{outcome: provider.OutcomeCancelled}},
		{"ROOM_DELETED", yes, ending{outcome: provider.OutcomeCompleted}},
		{"ROOM_DELETED", no, ending{outcome: provider.OutcomeCancelled}},
		{"ROOM_CLOSED", no, ending{outcome: provider.OutcomeCancelled}},
		{"USER_REJECTED", no, ending{outcome: provider.OutcomeDeclined}},
		{"USER_UNAVAILABLE", no, ending{outcome: provider.OutcomeNoAnswer}},
		{"SIP_TRUNK_FAILURE", no, ending{outcome: provider.OutcomeProviderFault}},
		{"CONNECTION_TIMEOUT", yes, ending{outcome: provider.OutcomeProviderFault}},
		{"CONNECTION_TIMEOUT", no, ending{outcome: provider.OutcomeProviderFault}},
		{"DUPLICATE_IDENTITY", yes, ending{second: true}},
		{"MIGRATION", yes, ending{}},
		{"SERVER_SHUTDOWN", yes, ending{}},
		{"", no, ending{outcome: provider.OutcomeUnknown, unmapped: true}},
		{"17", yes, ending{outcome: provider.OutcomeUnknown, unmapped: true}},
	} {
		if got := endOf(c.reason, c.answered); got != c.want {
			t.Errorf("%s, answered %v: got %+v, want %+v", c.reason, c.answered, got, c.want)
		}
	}
}

func TestAnswered(t *testing.T) {
	for _, c := range []struct {
		attrs map[string]string
		want  provider.Status
	}{
		{map[string]string{}, provider.StatusQueued},
		{map[string]string{attrStatus: "dialing"}, provider.StatusQueued},
		{map[string]string{attrStatus: "ringing"}, provider.StatusRinging},
		{map[string]string{attrStatus: "active"}, provider.StatusInProgress},
		{map[string]string{attrStatus: "automation"}, provider.StatusInProgress},
		{map[string]string{attrStatus: "dialing", attrCallFull: "x"}, provider.StatusInProgress},
		{map[string]string{attrStatus: "ringing", attrCallTag: "x"}, provider.StatusInProgress},
		{map[string]string{attrStatus: "dialing", attrAnswered: "1795435210000"}, provider.StatusInProgress},
		{map[string]string{attrStatus: "hangup"}, provider.StatusEnded},
	} {
		if got := (participant{Attributes: c.attrs}).status(); got != c.want {
			t.Errorf("%v: got %s, want %s", c.attrs, got, c.want)
		}
	}
}
