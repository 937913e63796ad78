package provider

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Requests, calls and events end up in log lines and in the messages of failed tests.
// What prints them, with whatever verb, shows ids, states and sizes: never whom a call
// reached or what was said. Their JSON is whole.

// Format writes r without number, name, instructions and data, whatever the verb.
func (r Request) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "provider.Request{Key:%q AgentID:%q To:%s ToName:%s Instructions:%s Data:%s}",
		r.Key, r.AgentID, size(len(r.To)), size(len(r.ToName)), size(len(r.Instructions)), size(len(r.Data)))
}

// LogValue is r without number, name, instructions and data.
func (r Request) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Format writes c without transcript, summary, recording and the vendor's words,
// whatever the verb.
func (c Call) Format(s fmt.State, _ rune) {
	var b strings.Builder
	fmt.Fprintf(&b, "provider.Call{ID:%q Key:%q Status:%s Outcome:%s", string(c.ID), c.Key, c.Status, c.Outcome)
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"CreatedAt", c.CreatedAt}, {"AnsweredAt", c.AnsweredAt}, {"EndedAt", c.EndedAt}} {
		if !t.at.IsZero() {
			fmt.Fprintf(&b, " %s:%s", t.name, t.at.Format(time.RFC3339Nano))
		}
	}
	fmt.Fprintf(&b, " CostUSD:%v NoSpeech:%t Reason:%s Transcript:%s Summary:%s RecordingURL:%s}",
		c.CostUSD, c.NoSpeech, size(len(c.Reason)), size(len(c.Transcript)), size(len(c.Summary)), size(len(c.RecordingURL)))
	_, _ = s.Write([]byte(b.String()))
}

// LogValue is c without transcript, summary, recording and the vendor's words.
func (c Call) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Format writes e as its Call is written, whatever the verb.
func (e Event) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "provider.Event{ID:%q Provider:%q Key:%q At:%s Call:%v}", e.ID, e.Provider, e.Key, e.At.Format(time.RFC3339Nano), e.Call)
}

// LogValue is e as its Call is logged.
func (e Event) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }

// size stands for a text that is not shown.
func size(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("[%d bytes]", n)
}
