package livekit

import (
	"net/http"
	"strconv"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// verdict is what an answer to CreateSIPParticipant that is not 200 means: the
// call has ended with outcome, or an error of kind, or (cancelled) the ringing
// ended without an answer, by its limit or by somebody's hand.
type verdict struct {
	outcome   provider.Outcome
	kind      provider.Kind
	cancelled bool
	bySIP     bool   // cancelled, in the words that the SIP service has for it
	code      string // the vendor's
}

const metaSIPStatus = "sip_status_code"

// judge reads the SIP status first, since LiveKit's own codes change with its
// versions: a busy line has been both resource_exhausted and failed_precondition,
// and a number that does not exist has the same not_found as a trunk that does not.
//
// Without a SIP status only that is certain which LiveKit says before it sends an
// INVITE (see notSent). A wrong "nobody was rung" would ring a phone twice, so
// whatever else there is, in codes or in words, is unknown, and looked for.
// A body that is not LiveKit's may stand for any of its answers (proxies replace
// them), so only a 401 is certain then: LiveKit's own check of the token answers
// in plain text, and where it stands for the trunk's 401 or 407 nobody rang either.
func judge(reply vendorhttp.Reply) verdict {
	e, ok := twirpErrorOf(reply.Body)
	switch {
	case reply.BodyErr != nil:
		return verdict{kind: provider.KindOutcomeUnknown}
	case !ok && reply.Status == http.StatusUnauthorized:
		return verdict{kind: provider.KindUnauthenticated, code: strconv.Itoa(reply.Status)}
	case !ok:
		return verdict{kind: provider.KindOutcomeUnknown, code: strconv.Itoa(reply.Status)}
	}
	if s, has := e.Meta[metaSIPStatus]; has {
		status, err := strconv.Atoi(s)
		if err != nil || status < 300 || status > 699 {
			return verdict{kind: provider.KindOutcomeUnknown, code: e.Code}
		}
		return verdict{outcome: outcomeOfSIP(status), code: "sip_" + strconv.Itoa(status)}
	}
	if e.invited {
		// An INVITE was answered, and its status was lost on the way (an older server,
		// a proxy that strips): the code alone may stand for a phone that rang.
		return verdict{kind: provider.KindOutcomeUnknown, code: e.Code}
	}
	switch {
	case e.Code == "canceled":
		return verdict{cancelled: true, bySIP: e.ranOut, code: e.Code}
	case e.notSent():
		return verdict{kind: kindOfCode[e.Code], code: e.Code}
	}
	// Among them deadline_exceeded (LiveKit gave up waiting; the phone may still
	// ring), internal and failed_precondition.
	return verdict{kind: provider.KindOutcomeUnknown, code: e.Code}
}

// notSent reports whether an answer without a SIP status proves that no phone rang.
// Of these codes the SIP side uses not_found, invalid_argument and unauthenticated
// too, for numbers and trunks that refuse without ringing anybody. It uses
// resource_exhausted and permission_denied for phones that did ring, busy and
// declined: those two prove nothing. Nor does unavailable, unless it says one of the
// two things that are known to come before the dial.
func (e twirpError) notSent() bool {
	switch e.Code {
	case "invalid_argument", "malformed", codeNotFound, "bad_route", "unauthenticated":
		return true
	case "unavailable":
		return e.nobodyTook
	}
	return false
}

// outcomeOfSIP maps the final status of an INVITE. What is not listed is unknown
// and never dialled again by itself.
func outcomeOfSIP(status int) provider.Outcome {
	switch status {
	case 486, 600:
		return provider.OutcomeBusy
	case 403, 603, 607, 608:
		return provider.OutcomeDeclined
	case 404, 410, 484, 604:
		return provider.OutcomeInvalidNumber
	case 408, 480, 487:
		return provider.OutcomeNoAnswer
	case 401, 402, 407: // the trunk wants other credentials, or money
		return provider.OutcomeConfigError
	}
	if status >= 500 && status <= 599 {
		return provider.OutcomeProviderFault
	}
	return provider.OutcomeUnknown
}

// judgeRoom classifies a CreateRoom that dispatches a dialling agent, where the
// room is the dial: only what is refused before anything is made is certain. With a
// recording (records) that is little: LiveKit asks for it when the room is made and the
// agent sent for, and answers with whatever its egress service has to say.
func judgeRoom(reply vendorhttp.Reply, records bool) verdict {
	e, ok := twirpErrorOf(reply.Body)
	code, kind := e.Code, kindOfCode[e.Code]
	if !ok {
		code, kind = strconv.Itoa(reply.Status), provider.KindFromHTTP(reply.Status)
	}
	certain := false
	switch {
	case reply.BodyErr != nil:
		return verdict{kind: provider.KindOutcomeUnknown}
	case kind == provider.KindUnauthenticated:
		certain = !records || code == "unauthenticated" || code == "401"
	case code == "malformed", code == "bad_route":
		certain = true
	case !ok: // 412 may stand for failed_precondition, which comes later
		certain = !records && reply.Status != http.StatusPreconditionFailed && kind.NotPlaced()
	case kind == provider.KindInvalidRequest, kind == provider.KindNotFound, kind == provider.KindRateLimited:
		certain = !records
	}
	if !certain {
		kind = provider.KindOutcomeUnknown
	}
	return verdict{kind: kind, code: code}
}
