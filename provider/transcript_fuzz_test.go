package provider_test

import (
	"testing"

	"github.com/superservices/voice/provider"
)

// What was read as turns is written and read as the same turns.
func FuzzTurns(f *testing.F) {
	f.Add("AI: a\nUser: b")
	f.Fuzz(func(t *testing.T, text string) {
		once := provider.Transcript(provider.Turns(text))
		if again := provider.Transcript(provider.Turns(once)); again != once {
			t.Errorf("%q: %q, then %q", text, once, again)
		}
	})
}
