package vapi

import (
	"encoding/json"
	"net/http"
	"regexp"
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
	case status == http.StatusForbidden && !anyOf(said, aboutMoney):
		return refusal{kind: kind}
	}
	return readWords(said, kind)
}

var (
	aboutNumber = regexp.MustCompile(`(?i)\bcustomer\S*\.?(number|sipuri)\b|\be\.?164\b`)
	aboutLines  = regexp.MustCompile(`(?i)concurren`)
	aboutMoney  = regexp.MustCompile(`(?i)\b(wallet|credits?|balance|subscription|frozen|billing|payment)\b`)
	aboutShape  = regexp.MustCompile(`(?i)\bshould not exist\b|\bmust (not )?be\b|\bshould not be empty\b`)
	aboutLimit  = regexp.MustCompile(`(?i)\blimit|\btoo many\b`)
)

// readWords classifies a refusal by what Vapi said; kind is what the status says.
func readWords(said []string, kind provider.Kind) refusal {
	switch {
	// Only if it is about nothing else: with a mistake of ours in the same
	// request every number would look bad.
	case len(said) > 0 && allOf(said, aboutNumber) && !anyOf(said, shouldNotExist):
		return refusal{badNumber: true}
	case anyOf(said, aboutLines): // before money: "subscription concurrency limit"
		return refusal{kind: provider.KindRateLimited}
	case anyOf(said, aboutMoney):
		return refusal{kind: provider.KindRejected}
	case anyOf(said, aboutShape): // before limits: "must not be greater than the limit"
		return refusal{kind: provider.KindInvalidRequest}
	case anyOf(said, aboutLimit):
		return refusal{kind: provider.KindRateLimited}
	}
	return refusal{kind: kind}
}

var shouldNotExist = regexp.MustCompile(`(?i)should not exist`)

func anyOf(said []string, re *regexp.Regexp) bool {
	for _, s := range said {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

func allOf(said []string, re *regexp.Regexp) bool {
	for _, s := range said {
		if !re.MatchString(s) {
			return false
		}
	}
	return true
}
