package security

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// digitsInARow of a number, whatever stands between them, give it away.
const digitsInARow = 9

// haystack collects text by the place where it was seen, and is searched for canaries.
// Safe for concurrent use.
type haystack struct {
	mu      sync.Mutex
	places  map[string][][]byte
	numbers map[string]string // digits -> number
}

func newHaystack() *haystack {
	return &haystack{places: map[string][][]byte{}, numbers: map[string]string{}}
}

// watch makes the search look for a number in any spelling.
func (h *haystack) watch(number string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := onlyDigits(number)
	for i := 0; i+digitsInARow <= len(d); i++ {
		h.numbers[d[i:i+digitsInARow]] = number
	}
}

func (h *haystack) add(place string, text ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range text {
		h.places[place] = append(h.places[place], []byte(t))
	}
}

// Write lets a haystack be the place "log" of a slog.Handler.
func (h *haystack) Write(p []byte) (int, error) {
	h.add(placeLog, string(p))
	return len(p), nil
}

// size is how much was seen at a place: an empty place proves nothing.
func (h *haystack) size(place string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.places[place] {
		n += len(t)
	}
	return n
}

// search returns what of the words, in any case and in base64, is seen at a place, each
// find with what is around it; searchNumbers what of the watched numbers is.
func (h *haystack) search(place string, words ...string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for _, text := range h.places[place] {
		lower := bytes.ToLower(text)
		for _, word := range words {
			found = append(found, around(lower, []byte(word))...)
			for _, coded := range inBase64(word) {
				found = append(found, around(text, []byte(coded))...)
			}
		}
	}
	return found
}

func (h *haystack) searchNumbers(place string) (found []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, text := range h.places[place] {
		found = append(found, h.numbersIn(text)...)
	}
	return found
}

func around(text, word []byte) (found []string) {
	const before, after, most = 60, 60, 50
	for at := 0; len(found) < most; {
		i := bytes.Index(text[at:], word)
		if i < 0 {
			break
		}
		i += at
		found = append(found, fmt.Sprintf("%q", text[max(0, i-before):min(len(text), i+len(word)+after)]))
		at = i + len(word)
	}
	return found
}

// inBase64 is how a word looks within base64: at each of the three offsets, without the
// characters that its neighbours decide.
func inBase64(word string) (all []string) {
	for offset := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + word + "xxx"))
		first := []int{0, 2, 3}[offset]
		last := (offset + len(word)) * 8 / 6
		all = append(all, text[first:last])
	}
	return all
}

// timestamps are no numbers, though among thousands their nanoseconds look like one.
var timestamps = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?`)

// random digits are none either: of thousands of ids, hashes and timers' nanoseconds some hold
// nine digits of one of thousands of numbers.
var random = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{32}|Duration"?[:=][0-9.]+`)

// numbersIn finds watched numbers: digits with what people write between them.
func (h *haystack) numbersIn(text []byte) (found []string) {
	text = random.ReplaceAll(timestamps.ReplaceAll(text, []byte("<time>")), []byte("<random>"))
	var digits []byte
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] >= '0' && text[i] <= '9' {
			digits = append(digits, text[i])
			if len(digits) >= digitsInARow {
				if number, ok := h.numbers[string(digits[len(digits)-digitsInARow:])]; ok {
					found = append(found, fmt.Sprintf("%s in %q", number, text[max(0, i-60):min(len(text), i+40)]))
				}
			}
			continue
		}
		if i == len(text) || !strings.ContainsRune(" ()-./\u00a0", rune(text[i])) {
			digits = digits[:0]
		}
	}
	return found
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// TestSearch: the search finds what it should, or its silence proves nothing.
func TestSearch(t *testing.T) {
	h := newHaystack()
	const number = "+12125550147"
	h.watch(number)
	for i, spelled := range spellings(number) {
		h.add(fmt.Sprint("spelled ", i), "x "+spelled+" y")
		require.NotEmpty(t, h.searchNumbers(fmt.Sprint("spelled ", i)), spelled)
	}
	for i, text := range []string{
		"a " + canaryWord + "x", "a " + strings.ToUpper(canaryWord), "\x00\x01" + canaryWord + "\xff",
		base64.StdEncoding.EncodeToString([]byte(canaryWord + "x")), base64.StdEncoding.EncodeToString([]byte("1" + canaryWord + "x")),
		base64.StdEncoding.EncodeToString([]byte("12" + canaryWord)), base64.RawURLEncoding.EncodeToString([]byte("123" + canaryWord)),
	} {
		h.add(fmt.Sprint("word ", i), text)
		require.NotEmpty(t, h.search(fmt.Sprint("word ", i), canaryWord), text)
	}
	h.add("beside", "task 12125550-0147-4000-8000-2125550147ab of "+number)
	require.Len(t, h.searchNumbers("beside"), 3, "a number beside a UUID is found, at each of its places, and none in it")
	h.add("random", `12125550-0147-4000-8000-2125550147ab {"Duration":12125550147} Duration=1.2125550147s 212555014700aa212555014700aa21255501`)
	require.Empty(t, h.searchNumbers("random"))
	h.add("clean", "2026-01-07T10:00:00.123456789Z +1…47 task-17 1212555", "+1 212 555")
	require.Empty(t, h.search("clean", canaryWord, secretWord))
	require.Empty(t, h.searchNumbers("clean"))
	require.Positive(t, h.size("clean"))
}
