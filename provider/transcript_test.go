package provider_test

import (
	"reflect"
	"testing"

	"github.com/superservices/voice/provider"
)

func TestTranscript(t *testing.T) {
	got := provider.Transcript([]provider.Turn{
		{Speaker: provider.SpeakerAgent, Text: " Hello,\nthis is "}, {Speaker: provider.SpeakerAgent, Text: "Anna."},
		{Speaker: provider.SpeakerCallee, Text: " \n"}, {Speaker: provider.SpeakerCallee, Text: "Yes: User: what?"},
	})
	want := "AI: Hello, this is Anna.\nUser: Yes: User: what?"
	if got != want {
		t.Errorf("got %q", got)
	}
	turns := provider.Turns(want)
	if len(turns) != 2 || turns[1] != (provider.Turn{Speaker: provider.SpeakerCallee, Text: "Yes: User: what?"}) {
		t.Errorf("got %+v", turns)
	}
	if again := provider.Transcript(turns); again != want {
		t.Errorf("written again: %q", again)
	}
}

func TestTurnsOfForeignText(t *testing.T) {
	for text, want := range map[string][]provider.Turn{
		"":                       nil,
		"They spoke of lunch.":   nil,
		"AI: a\n\n b \nAI: c\n":  {{Speaker: provider.SpeakerAgent, Text: "a b c"}},
		"User:\nAI:b\r\nUser: c": {{Speaker: provider.SpeakerAgent, Text: "b"}, {Speaker: provider.SpeakerCallee, Text: "c"}},
	} {
		if got := provider.Turns(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}
