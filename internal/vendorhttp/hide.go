package vendorhttp

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/superservices/voice/internal/spelled"
)

// maxText bounds foreign text in an error or a Reason, in bytes.
const maxText = 300

var (
	urlLike    = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]{1,15}://\S+|\bsips?:\S+|\btel:\S+`)
	bearerLike = regexp.MustCompile(`(?i)\b(bearer|basic)\s+\S+`)
	phoneLike  = regexp.MustCompile(`\+\s?\d[\d\s()-]{4,}\d|\b\d{7,}\b`)
)

// Scrub makes foreign text fit for an error, a log line or history: one line of
// at most 300 bytes without URLs, credentials, what looks like a phone number,
// and without the private strings given, numbers in any spelling (those of two bytes or fewer are left, they
// would only garble the text).
func Scrub(text string, private ...string) string {
	for _, p := range private {
		if len(p) > 2 {
			text = strings.ReplaceAll(text, p, "[private]")
			text = spelled.Replace(text, p, func(string) string { return "[number]" })
		}
	}
	text = strings.ToValidUTF8(text, "?")
	text = urlLike.ReplaceAllString(text, "[url]")
	text = bearerLike.ReplaceAllString(text, "[credential]")
	text = phoneLike.ReplaceAllString(text, "[number]")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return text
}

// hidden is a transport's error without what it must not say.
type hidden struct {
	text string
	err  error
}

func hide(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &hidden{text: Scrub(err.Error()), err: err}
}

func (h *hidden) Error() string { return h.text }

// Is matches what the hidden error matches; there is no Unwrap, on purpose.
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }

// Timeout reports whether the hidden error was a timeout, as net.Error has it.
func (h *hidden) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(h.err, &t) && t.Timeout()
}
