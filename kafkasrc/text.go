package kafkasrc

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxHeaderText is the longest value of a dead-letter header.
const maxHeaderText = 1024

// headerText makes s fit for a header and a log line: valid UTF-8 of at most
// maxHeaderText bytes, without control characters and line breaks of any kind.
func headerText(s string) string {
	if len(s) > 8*maxHeaderText {
		s = s[:8*maxHeaderText] // a hostile text is not worth more
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
	if len(s) <= maxHeaderText {
		return s
	}
	cut := maxHeaderText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// errorText is an error's text for a header or a log line. Errors of the host and of
// libraries quote their input; so long runs of digits are masked, which may be phone numbers,
// quoted text that occurs in the record's value, and whatever longer piece of it they repeat.
func errorText(err error, value []byte) string {
	s := err.Error()
	if len(s) > 2*maxHeaderText {
		s = s[:2*maxHeaderText] // searching for more of it in a large value would take long
	}
	return headerText(maskDigits(maskQuoted(maskPieces(s, value), value)))
}

// pieceBytes of a record in a row, in an error's text, are a piece of it; names of fields
// are shorter.
const pieceBytes = 24

// maskPieces replaces by "…" each piece of value in s, as it is or with Go's escapes (%q).
func maskPieces(s string, value []byte) string {
	if len(s) < pieceBytes || len(value) < pieceBytes {
		return s
	}
	repeated := make(map[string]bool, len(s)) // pieces of s, and whether the value has them
	for i := 0; i+pieceBytes <= len(s); i++ {
		repeated[s[i:i+pieceBytes]] = false
	}
	for _, text := range [][]byte{value, strconv.AppendQuote(nil, string(value))} {
		for i := 0; i+pieceBytes <= len(text); i++ {
			if known, ok := repeated[string(text[i:i+pieceBytes])]; ok && !known {
				repeated[string(text[i:i+pieceBytes])] = true
			}
		}
	}
	covered := make([]bool, len(s))
	for i := 0; i+pieceBytes <= len(s); i++ {
		for j := 0; repeated[s[i:i+pieceBytes]] && j < pieceBytes; j++ {
			covered[i+j] = true
		}
	}
	var out strings.Builder
	for i := range len(s) {
		switch {
		case !covered[i]:
			out.WriteByte(s[i])
		case i == 0 || !covered[i-1]:
			out.WriteString("…")
		}
	}
	return out.String()
}

const minDigits = 5

// maskDigits replaces runs of minDigits and more digits, of any script, by one "#".
func maskDigits(s string) string {
	var out strings.Builder
	for len(s) > 0 {
		end, n := 0, 0
		for i, r := range s {
			if !unicode.IsDigit(r) {
				break
			}
			end, n = i+utf8.RuneLen(r), n+1
		}
		switch {
		case n >= minDigits:
			out.WriteByte('#')
		case n > 0:
			out.WriteString(s[:end])
		default:
			_, end = utf8.DecodeRuneInString(s)
			out.WriteString(s[:end])
		}
		s = s[end:]
	}
	return out.String()
}

// maskQuoted empties quotes whose content occurs in value.
func maskQuoted(s string, value []byte) string {
	var out strings.Builder
	for {
		i := strings.IndexAny(s, "\"'`")
		if i < 0 {
			break
		}
		out.WriteString(s[:i+1])
		quote := s[i : i+1]
		inner, rest, closed := strings.Cut(s[i+1:], quote)
		if occurs(inner, value) {
			inner = "…"
		}
		out.WriteString(inner)
		if closed {
			out.WriteString(quote)
		}
		s = rest
	}
	out.WriteString(s)
	return out.String()
}

// occurs reports whether s stands in value, plainly or with JSON's escapes for quotes, other
// than as the name of a field: names are no secrets and help.
func occurs(s string, value []byte) bool {
	s = strings.TrimRight(strings.TrimRight(s, "."), `\`)
	if len(s) < 2 {
		return false
	}
	for rest := value; ; {
		i := bytes.Index(rest, []byte(s))
		if i < 0 {
			return false
		}
		behind := bytes.TrimLeft(bytes.TrimPrefix(rest[i+len(s):], []byte(`"`)), " \t\r\n")
		if isName := i > 0 && rest[i-1] == '"' && len(behind) > 0 && behind[0] == ':'; !isName {
			return true
		}
		rest = rest[i+1:]
	}
}
