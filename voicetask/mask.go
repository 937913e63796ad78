package voicetask

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// numberLike is what could be a phone number in somebody else's words: digits
// behind a plus, ten and more of them in a row, an area code in parentheses, three
// groups of three to five, or two of which the first begins with 0. Dates and times
// are none of these.
var numberLike = regexp.MustCompile(`\+\d[\d\s().-]{5,}\d` +
	`|\b\d{10,15}\b` +
	`|\(\d{2,5}\)[\s.-]?\d[\d\s.-]{4,}\d` +
	`|\b\d{3,5}[\s.-]\d{3,5}[\s.-]\d{3,5}\b` +
	`|\b0\d{2,4}[\s/-]\d{5,8}\b`)

// masked blanks what could be a phone number: vendors and gates put them into
// reasons, and what it is used for cannot be encrypted by a data converter.
func masked(s string) string {
	return numberLike.ReplaceAllStringFunc(s, maskedNumber)
}

// maskedNumber keeps the beginning and the last two digits of a number.
func maskedNumber(number string) string {
	const head, tail = 2, 2
	shown := []rune(number) // a SIP URI may hold any text
	if len(shown) <= head+tail {
		return "…"
	}
	return string(shown[:head]) + "…" + string(shown[len(shown)-tail:])
}

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
