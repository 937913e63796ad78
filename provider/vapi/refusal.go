package vapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/superservices/voice/provider"
)

// refusal is what a refused POST /call means.
type refusal struct {
	kind      provider.Kind // "" with badNumber
	badNumber bool          // an answer, not an error: the callee's number is none
}

// decodeRefusal reads Vapi's error body, {"message": string or []string, "error":
// ..., "statusCode": ...}. It is not ok for anything but a JSON object, such as the
// HTML of a gateway.
func decodeRefusal(body []byte) (said []string, ok bool) {
	var e struct {
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if len(body) == 0 || decode(body, &e) != nil || strings.TrimSpace(string(body)) == "null" {
		return nil, false
	}
	if said = texts(e.Message); said == nil {
		said = texts(e.Error)
	}
	return said, true
}

func texts(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil && len(many) > 0 {
		return many
	}
	return nil
}

// readRefusal classifies an answer of 4xx. Vapi uses status 400 for a malformed
// number, an empty wallet, a full line and a mistake of ours alike, so its words
// decide where there are any; a project that went by the status alone took eleven
// customers for wrong numbers when its wallet was empty.
//
// 401, 403 and 429 speak for themselves, since whatever stands before the API
// refuses with them before a request gets through. Any other status counts only in
// Vapi's JSON.
func readRefusal(status int, body []byte) refusal {
	kind := provider.KindFromHTTP(status)
	if !kind.NotPlaced() {
		return refusal{kind: kind}
	}
	said, ok := decodeRefusal(body)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusUnauthorized:
		return refusal{kind: kind}
	case !ok && status == http.StatusForbidden:
		return refusal{kind: kind}
	case !ok:
		return refusal{kind: provider.KindOutcomeUnknown}
	case status == http.StatusForbidden && !anyOf(said, aboutMoney.MatchString):
		return refusal{kind: kind}
	}
	return readWords(said, kind)
}

var (
	aboutLines = regexp.MustCompile(`(?i)concurren`)
	aboutMoney = regexp.MustCompile(`(?i)\b(wallet|credits?|balance|subscription|frozen|billing|payment)\b`)
	aboutShape = regexp.MustCompile(`(?i)\bshould not exist\b|\bmust (not )?be\b|\bshould not be empty\b`)
	aboutLimit = regexp.MustCompile(`(?i)\blimit|\btoo many\b`)

	// calleesNumber begins a message about the one number that is the callee's: others
	// are in an assistant's tools, its forwarding number and the number called from.
	calleesNumber = regexp.MustCompile(`(?i)^\W*((the|invalid)\W+)?customers?(\.\d+)?\.(number|sipuri)\b`)
	saysInvalid   = regexp.MustCompile(`(?i)\b(in)?valid\b|\be\.?164\b|\bmust be (longer|shorter) than\b|\bmust match\b`)
)

// readWords classifies a refusal by what Vapi said; kind is what the status says.
func readWords(said []string, kind provider.Kind) refusal {
	switch {
	case anyOf(said, aboutLines.MatchString): // before money: "subscription concurrency limit"
		return refusal{kind: provider.KindRateLimited}
	case anyOf(said, aboutMoney.MatchString):
		return refusal{kind: provider.KindRejected}
	case anyOf(said, limited): // before numbers: a limit may name the one it kept from being dialled
		return refusal{kind: provider.KindRateLimited}
	// Only if it is about nothing else: with a mistake of ours in the same
	// request every number would look bad.
	case len(said) > 0 && !anyOf(said, not(badNumber)):
		return refusal{badNumber: true}
	case anyOf(said, aboutShape.MatchString):
		return refusal{kind: provider.KindInvalidRequest}
	}
	return refusal{kind: kind}
}

// limited: "must not be greater than the limit" is about the request's shape.
func limited(said string) bool { return aboutLimit.MatchString(said) && !aboutShape.MatchString(said) }

// badNumber reports whether Vapi calls the callee's number malformed. Whoever reads
// more into its words than that writes customers off for a mistake of ours.
func badNumber(said string) bool {
	return calleesNumber.MatchString(said) && saysInvalid.MatchString(said) && !aboutLimit.MatchString(said) && !shouldNotExist.MatchString(said)
}

var shouldNotExist = regexp.MustCompile(`(?i)should not exist`)

func anyOf(said []string, is func(string) bool) bool {
	return slices.ContainsFunc(said, is)
}
