package voicetask

import "regexp"

// numberLike is what could be a phone number in somebody else's words.
var numberLike = regexp.MustCompile(`\+?\d[\d\s().-]{5,}\d`)

// masked blanks what could be a phone number: vendors and gates put them into
// reasons, and what it is used for cannot be encrypted by a data converter.
func masked(s string) string {
	return numberLike.ReplaceAllStringFunc(s, maskedNumber)
}

// maskedNumber keeps the beginning and the last two digits of a number.
func maskedNumber(number string) string {
	const head, tail = 2, 2
	if len(number) <= head+tail {
		return "…"
	}
	return number[:head] + "…" + number[len(number)-tail:]
}
