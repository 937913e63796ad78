package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"text/tabwriter"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// page is how many rows are read at once.
const page = 500

// maybeUnknown are the statuses of a task that may have an unknown dial: it has failed or
// was cancelled, or is about to.
var maybeUnknown = []store.Status{store.StatusFailed, store.StatusCancelled, store.StatusProcessing, store.StatusInProgress, store.StatusHold}

// unknown lists the dials that end unknown.
func (d desk) unknown(ctx context.Context) error {
	w := d.table("TASK", "KEY", "PROVIDER", "SINCE", "CALLEE", "WHY")
	q := store.Query{Statuses: maybeUnknown, Limit: page}
	found := 0
	for {
		all, err := d.rows.List(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range all {
			for _, a := range r.Attempts {
				if a.Outcome == provider.OutcomeUnknown || untold(r, a) {
					found++
					row(w, r.ID, a.Key, a.Provider, when(a.SentAt), callee(r), a.Kind)
				}
			}
		}
		if len(all) < q.Limit {
			break
		}
		q.After = all[len(all)-1].ID
	}
	if found == 0 {
		_, err := fmt.Fprintln(d.out, "no dial is unknown")
		return err
	}
	return w.Flush()
}

// untold is a call that was seen after its task had ended unknown, and whose end nobody
// has told.
func untold(r store.Record, a store.Attempt) bool {
	return r.Status.Terminal() && r.Outcome == provider.OutcomeUnknown && a.State == store.AttemptPlaced
}

// show prints a task's row. What the callee said is not for a terminal.
func (d desk) show(ctx context.Context, taskID string) error {
	r, err := d.rows.Get(ctx, taskID)
	if err != nil {
		return err
	}
	running, err := d.tasks.Running(ctx, taskID)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "task %s to %s by agent %s: %s %s, followed: %t, due %s, since %s\n",
		r.ID, callee(r), r.AgentID, r.Status, r.Outcome, running, when(r.DueAt), when(r.CreatedAt))
	if r.Reason != "" {
		fmt.Fprintf(d.out, "reason: %q\n", masked(r.Reason))
	}
	w := d.table("KEY", "PROVIDER", "STATE", "OUTCOME", "SENDS", "SENT", "ANSWERED", "ENDED", "CALL", "USD", "REASON")
	for _, a := range r.Attempts {
		row(w, a.Key, a.Provider, a.State, a.Outcome, a.Sends, when(a.SentAt), when(a.AnsweredAt), when(a.EndedAt), a.CallID, a.CostUSD, masked(a.Reason))
	}
	return w.Flush()
}

// settle takes the person's word on a dial that is unknown.
func (d desk) settle(ctx context.Context, args []string) error {
	key, outcome := args[0], provider.Outcome(args[1])
	if !outcome.Valid() || outcome == provider.OutcomeUnknown {
		return fmt.Errorf("%q is no outcome: use completed, voicemail, no_answer, busy, declined, invalid_number, cancelled, timed_out, rate_limited, provider_fault or config_error", outcome)
	}
	return d.tasks.Settle(ctx, key, provider.Call{Outcome: outcome, Reason: "settled by an operator"})
}

func (d desk) hold(ctx context.Context, args []string) error {
	return d.tasks.Hold(ctx, args[0], args[1])
}

// again submits a finished task's payload under a new id. It may ring: that is for the
// person to decide, who knows what became of the first one.
func (d desk) again(ctx context.Context, args []string) error {
	old, err := d.rows.Get(ctx, args[0])
	switch {
	case err != nil:
		return err
	case args[1] == args[0]:
		return errors.New("the new id is the old one: a task id is carried out once")
	case !old.Status.Terminal():
		return fmt.Errorf("the task is %s: settle or cancel it first", old.Status)
	case len(old.Task) == 0:
		return errors.New("the task was erased: nobody knows any more whom to call")
	}
	t, err := voicetask.ParseTask(old.Task)
	if err != nil {
		return err
	}
	t.ID = args[1]
	t.RetryAttempt++
	if taken, err := d.rows.Get(ctx, t.ID); err == nil && !sameCallee(taken, old) {
		return fmt.Errorf("%s is another task: choose an id that is free", t.ID)
	}
	if err := d.tasks.Submit(ctx, t); err != nil {
		return fmt.Errorf("%w; the task may be accepted all the same: look at it (show), and try again with the same new id", err)
	}
	return nil
}

// sameCallee tells a repeated "again" from an id that belongs to somebody else.
func sameCallee(a, b store.Record) bool { return a.To == b.To && a.AgentID == b.AgentID }

func (d desk) table(heads ...any) *tabwriter.Writer {
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	row(w, heads...)
	return w
}

// row writes one line; its cells are quoted where they hold more than plain text.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			_, _ = io.WriteString(w, "\t")
		}
		text := fmt.Sprint(c)
		if text == "" {
			text = "-"
		}
		for _, r := range text {
			if r < ' ' || r == 0x7f {
				text = fmt.Sprintf("%q", text)
				break
			}
		}
		_, _ = io.WriteString(w, text)
	}
	_, _ = io.WriteString(w, "\n")
}

// numbers are long digits with what people write between them.
var numbers = regexp.MustCompile(`\+?\d[\d ().-]{5,}\d`)

func masked(words string) string { return numbers.ReplaceAllString(words, "…") }

// callee is the number, masked: enough to tell two apart on the phone.
func callee(r store.Record) string {
	number := []rune(r.To)
	if len(number) < 8 {
		return "…"
	}
	return string(number[:2]) + "…" + string(number[len(number)-2:])
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
