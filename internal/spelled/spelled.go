// Package spelled finds a phone number in other people's words, however they spell it.
package spelled

import (
	"regexp"
	"strings"
	"unicode"
)

// groups are digits with what people write between them.
var groups = regexp.MustCompile(`\+?\(?\d[\d\s().\x{a0}\x{2010}-\x{2015}/-]*\d`)

// telling digits in a row, of a number, tell whose it is.
const telling = 6

// Replace returns text with each group of digits that tells of number replaced. A number
// that holds letters, or hardly any digits, is not looked for.
func Replace(text, number string, by func(group string) string) string {
	digits := Digits(number)
	if len(digits) < telling || strings.ContainsFunc(number, unicode.IsLetter) {
		return text
	}
	return groups.ReplaceAllStringFunc(text, func(group string) string {
		if Share(group, digits) {
			return by(group)
		}
		return group
	})
}

// Share reports whether two texts have so many digits in a row in common that one tells
// of the other.
func Share(a, b string) bool {
	a, b = Digits(a), Digits(b)
	for i := 0; i+telling <= len(a); i++ {
		if strings.Contains(b, a[i:i+telling]) {
			return true
		}
	}
	return false
}

// Digits returns the digits of s.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
