package voicetask

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/superservices/voice/internal/spelled"
)

// numberLike is what could be a phone number in somebody else's words: digits
// behind a plus, ten and more of them in a row, an area code in parentheses, three
// groups of three to five, or two of which the first begins with 0. Dates and times
// are none of these. SIP addresses are numbers too.
var numberLike = regexp.MustCompile(`\+\d[\d\s().-]{5,}\d` +
	`|\b\d{10,15}\b` +
	`|\(\d{2,5}\)[\s.-]?\d[\d\s.-]{4,}\d` +
	`|\b\d{3,5}[\s.-]\d{3,5}[\s.-]\d{3,5}\b` +
	`|\b0\d{2,4}[\s/-]\d{5,8}\b` +
	`|\b(?:sips?|tel):[^\s"'<>,;]+`)

// urlLike: an address may be a secret itself (a call's control URL, a database with
// its password), and path and query hold what was asked for.
var urlLike = regexp.MustCompile(`\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)

// masked blanks what could be a phone number, and addresses: vendors, stores and
// gates put them into their words, and what those are used for is not encrypted by
// a data converter.
func masked(s string) string {
	return numberLike.ReplaceAllStringFunc(urlLike.ReplaceAllString(s, "[url]"), maskedNumber)
}

// hidden is masked for words about t: its callee's number, in whatever spelling, and
// name are blanked too. A task id that happens to be all digits stays: it is what an
// operator looks for.
func hidden(t Task, s string) string {
	if t.ID != "" && strings.Contains(s, t.ID) && masked(t.ID) != t.ID && !spelled.Share(t.ID, t.Data.ContactNumber) {
		parts, id := strings.Split(s, t.ID), t.ID
		t.ID = ""
		for i := range parts {
			parts[i] = hidden(t, parts[i])
		}
		return strings.Join(parts, id)
	}
	if s == "" {
		return s
	}
	number := t.Data.ContactNumber
	const shortest = 5 // an emergency number would only garble
	for _, private := range []string{number, userPart(number)} {
		if len(private) >= shortest {
			s = strings.ReplaceAll(s, private, maskedNumber(number))
		}
	}
	if name := t.Data.ContactName; utf8.RuneCountInString(name) > 2 { // shorter ones would only garble
		s = strings.ReplaceAll(s, name, "[name]")
	}
	return masked(spelled.Replace(s, number, maskedNumber))
}

// userPart is "ada@example.org" of "sip:ada@example.org".
func userPart(number string) string {
	_, user, uri := strings.Cut(number, ":")
	if !uri {
		return ""
	}
	return user
}

// maskedNumber keeps the beginning and the last two digits of a number; of a short
// one the last two only.
func maskedNumber(number string) string {
	const head, tail, short = 2, 2, 8
	shown := []rune(number) // a SIP URI may hold any text
	switch {
	case len(shown) <= head+tail:
		return "…"
	case len(shown) < short:
		return "…" + string(shown[len(shown)-tail:])
	}
	return string(shown[:head]) + "…" + string(shown[len(shown)-tail:])
}

// quiet is err with its words hidden. It is still err to errors.Is and errors.As.
func quiet(t Task, err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	if words := hidden(t, said); words != said {
		return &quietError{words: words, err: err}
	}
	return err
}

type quietError struct {
	words string
	err   error
}

func (e *quietError) Error() string { return e.words }
func (e *quietError) Unwrap() error { return e.err }

// storable drops from somebody else's words what a database's text cannot hold:
// NUL, and what is not UTF-8. A result must never fail to be written because of it.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// cut shortens s to at most so many bytes, and not within a character: databases
// and Temporal refuse text that is not UTF-8.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
