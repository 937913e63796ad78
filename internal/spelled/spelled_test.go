package spelled

import "testing"

func TestReplace(t *testing.T) {
	const number = "+14155550123"
	hide := func(string) string { return "#" }
	for in, want := range map[string]string{
		"":                          "",
		"no digits":                 "no digits",
		"to +1 (415) 555-0123.":     "to #.",
		"to 415.555.0123, please":   "to #, please",
		"to 41-55-550-123":          "to #",
		"to 555 0123":               "to #",
		"to 0123":                   "to 0123",
		"at 2026-01-07 10:00":       "at 2026-01-07 10:00",
		"another: +4915112345678":   "another: +4915112345678",
		"to 415\u00a0555\u20110123": "to #",
		"twice: 4155550123 and (415) 555 01 23 !": "twice: # and # !",
	} {
		if got := Replace(in, number, hide); got != want {
			t.Errorf("Replace(%q) = %q, want %q", in, got, want)
		}
	}
	for _, none := range []string{"", "12345", "key-4155550123"} {
		if got := Replace("4155550123", none, hide); got != "4155550123" {
			t.Errorf("looking for %q replaced: %q", none, got)
		}
	}
}
