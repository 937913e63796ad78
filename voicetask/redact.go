package voicetask

import (
	"fmt"
	"log/slog"
)

// Tasks and results end up in log lines and in the messages of failed tests. What
// prints them, with whatever verb, shows ids, states and sizes. Their JSON is the wire
// contract, and whole.

// Format writes t without what is in its data and instructions, whatever the verb.
func (t Task) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "voicetask.Task{ID:%q AgentID:%q TenantID:%q RunID:%q Priority:%d MaxDials:%d Data:%v Instructions:%s ModelConfig:%s Callback:%s}",
		t.ID, t.AgentID, t.TenantID, t.RunID, t.Priority, t.MaxDials, t.Data, size(len(t.Instructions)), size(len(t.ModelConfig)), size(len(t.Callback)))
}

// LogValue is t without what is in its data and instructions.
func (t Task) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// Format writes d without number, name and the host's own keys, whatever the verb.
func (d Data) Format(s fmt.State, _ rune) {
	number := "-"
	if d.ContactNumber != "" {
		number = maskedNumber(d.ContactNumber)
	}
	_, _ = fmt.Fprintf(s, "{ContactNumber:%s ContactName:%s Provider:%q Quality:%q CallType:%q Room:%s Extra:[%d keys]}",
		number, size(len(d.ContactName)), d.Provider, d.Quality, d.CallType, size(len(d.Room)), len(d.Extra))
}

// LogValue is d without number, name and the host's own keys.
func (d Data) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(d)) }

// Format writes r without what was said and to whom, whatever the verb.
func (r Result) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "voicetask.Result{TaskID:%q Status:%s Outcome:%s Dials:%d Reason:%s Data:%v}", r.TaskID, r.Status, r.Outcome, r.Dials, size(len(r.Reason)), r.Data)
}

// LogValue is r without what was said and to whom.
func (r Result) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Format writes c without what was said and to whom, whatever the verb.
func (c CallResult) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{CallID:%q Provider:%q Duration:%v CostUSD:%v CallType:%q CallEndReason:%s Transcript:%s CallSummary:%s RecordingURL:%s Metadata:%s Error:%s}",
		string(c.CallID), c.Provider, c.Duration.Duration(), c.CostUSD, c.CallType, size(len(c.CallEndReason)), size(len(c.Transcript)), size(len(c.CallSummary)),
		size(len(c.RecordingURL)), size(len(c.Metadata)), size(len(c.Error)))
}

// LogValue is c without what was said and to whom.
func (c CallResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// LogValue is in as its parts are logged.
func (in CallInput) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%+v", in)) }

// LogValue is in as its parts are logged.
func (in ResultInput) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%+v", in)) }

// Format writes d without the words of gates and vendors, whatever the verb.
func (d Dialled) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "voicetask.Dialled{Call:%v Provider:%q DialAt:%v End:%s Rule:%q Reason:%s}", d.Call, d.Provider, d.DialAt, d.End, d.Rule, size(len(d.Reason)))
}

// LogValue is d without the words of gates and vendors.
func (d Dialled) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(d)) }

// LogValue is d as its parts are logged.
func (d Dial) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%+v", d)) }

// size stands for a text that is not shown.
func size(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("[%d bytes]", n)
}
