package provider

import "strings"

// Turn is what one side said before the other spoke again.
type Turn struct {
	Speaker Speaker
	Text    string // one line
}

// Speaker is one side of a call.
type Speaker string

// The two sides, as they stand at the beginning of a transcript's lines.
const (
	SpeakerAgent  Speaker = "AI"
	SpeakerCallee Speaker = "User"
)

// Transcript writes turns in the form that Call.Transcript has with every provider
// of this module: a line a turn, "AI: ..." or "User: ...". Turns without text are left
// out, and what one side says in several pieces is one turn.
func Transcript(turns []Turn) string {
	var b strings.Builder
	var last Speaker
	for _, t := range turns {
		text := strings.Join(strings.Fields(t.Text), " ")
		switch {
		case text == "":
			continue
		case t.Speaker == last:
			b.WriteString(" ")
		default:
			if last != "" {
				b.WriteString("\n")
			}
			b.WriteString(string(t.Speaker) + ": ")
			last = t.Speaker
		}
		b.WriteString(text)
	}
	return b.String()
}

// Turns reads a transcript. A line that begins with neither side continues the one
// before it; it is nil for a text that does not begin with a turn.
func Turns(transcript string) []Turn {
	var turns []Turn
	for line := range strings.Lines(transcript) {
		speaker, text := turnOf(strings.TrimSpace(line))
		last := len(turns) - 1
		switch {
		case text == "":
		case speaker != "" && (last < 0 || turns[last].Speaker != speaker):
			turns = append(turns, Turn{Speaker: speaker, Text: text})
		case last < 0:
			return nil
		default:
			turns[last].Text += " " + text
		}
	}
	return turns
}

func turnOf(line string) (Speaker, string) {
	for _, s := range []Speaker{SpeakerAgent, SpeakerCallee} {
		if text, ok := strings.CutPrefix(line, string(s)+":"); ok {
			return s, strings.TrimSpace(text)
		}
	}
	return "", line
}
