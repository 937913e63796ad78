package store

import (
	"fmt"
	"log/slog"
	"time"
)

// Format writes r without number, task, result and reasons, whatever the verb: rows
// end up in log lines and in the messages of failed tests. Its JSON is whole.
func (r Record) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "store.Record{ID:%q TenantID:%q RunID:%q Status:%s Outcome:%s Version:%d Owner:%q DueAt:%s CancelRequestedAt:%s To:%s Reason:%s Task:%s Result:%s Attempts:%v}",
		r.ID, r.TenantID, r.RunID, r.Status, r.Outcome, r.Version, r.Owner, moment(r.DueAt), moment(r.CancelRequestedAt),
		size(len(r.To)), size(len(r.Reason)), size(len(r.Task)), size(len(r.Result)), r.Attempts)
}

// LogValue is r without number, task, result and reasons.
func (r Record) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Format writes a without the vendor's words, whatever the verb.
func (a Attempt) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{N:%d Key:%q Provider:%q State:%s Sends:%d CallID:%q OtherCallIDs:%q Kind:%s Outcome:%s Reason:%s CostUSD:%v NoSpeech:%t SentAt:%s DialledAt:%s AnsweredAt:%s EndedAt:%s NotBefore:%s}",
		a.N, a.Key, a.Provider, a.State, a.Sends, string(a.CallID), a.OtherCallIDs, a.Kind, a.Outcome, size(len(a.Reason)), a.CostUSD, a.NoSpeech,
		moment(a.SentAt), moment(a.DialledAt), moment(a.AnsweredAt), moment(a.EndedAt), moment(a.NotBefore))
}

// LogValue is a without the vendor's words.
func (a Attempt) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(a)) }

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// size stands for a text that is not shown.
func size(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("[%d bytes]", n)
}
