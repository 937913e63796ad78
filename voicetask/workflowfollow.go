package voicetask

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

const (
	// hangUpGrace is how long the end of a call is waited for after it was hung up.
	hangUpGrace = time.Minute
	// hangUpLongest is for how long ending a call is tried.
	hangUpLongest = 30 * time.Minute
	// lateGrace is how long a call that was answered is waited on after its end for
	// what comes late: transcript, summary, cost.
	lateGrace = 5 * time.Second
)

// follow waits until the call of dial n has ended. It returns the rule by which we
// ended it ourselves, or "".
//
// While the platform sends events there is one timer and nothing else; polling
// starts after a silence, or at once where there are no events.
func (w *taskRun) follow(ctx workflow.Context, n int, d Dialled) (over string) {
	w.take(n)
	if w.call.Status == provider.StatusEnded {
		w.afterEnd(ctx, n, d)
		return ""
	}
	if ctx.Err() != nil || !d.CancelRequestedAt.IsZero() {
		return w.hangUp(ctx, n, RuleCancel)
	}
	deadline := workflow.Now(ctx).Add(w.policy.MaxCallDuration)
	w.show(ctx, State{Status: store.StatusInProgress, Dial: n, Until: deadline})

	polling := d.AwaitAfter == 0
	silence := d.AwaitAfter
	if !polling {
		limit := deadline.Sub(workflow.Now(ctx))
		if silence < 0 || silence > limit {
			silence = limit
		}
		over, silent := w.untilEvent(ctx, n, silence)
		switch {
		case over != "":
			return over
		case !silent:
			w.afterEnd(ctx, n, d)
			return ""
		}
		if d.AwaitAfter < 0 || !deadline.After(workflow.Now(ctx)) {
			return w.hangUp(ctx, n, RuleDeadline)
		}
	}
	return w.poll(ctx, n, deadline, d)
}

// untilEvent waits for an event that ends the call, for at most the silence.
func (w *taskRun) untilEvent(ctx workflow.Context, n int, silence time.Duration) (over string, silent bool) {
	ended, err := awaitFor(ctx, silence, "waiting for the platform's word", func() bool {
		w.take(n)
		return w.call.Status == provider.StatusEnded
	})
	switch {
	case ended:
		return "", false
	case err != nil:
		return w.hangUp(ctx, n, RuleCancel), false
	}
	return "", true
}

// poll follows the call by asking, until the deadline or a cancellation.
func (w *taskRun) poll(ctx workflow.Context, n int, deadline time.Time, d Dialled) (over string) {
	ended, err := w.awaitEnd(ctx, n, w.input(n), deadline.Sub(workflow.Now(ctx)), "longest call")
	switch {
	case ended:
		w.afterEnd(ctx, n, d)
		return ""
	case err != nil:
		return w.hangUp(ctx, n, RuleCancel)
	}
	return w.hangUp(ctx, n, RuleDeadline)
}

// take applies the events that have come for dial n. Those of another dial or
// another call are not ours to look at: the store has them.
func (w *taskRun) take(n int) {
	key := provider.Key(w.task.ID, n)
	for _, e := range w.events {
		c := e.Call
		if e.Provider != "" && w.provider != "" && e.Provider != w.provider {
			continue // one account has no say about another's dial
		}
		if (e.Key != "" && e.Key != key) || (e.Key == "" && c.ID != w.call.ID) || (c.ID != "" && w.call.ID != "" && c.ID != w.call.ID) {
			continue
		}
		w.call = w.call.Merge(c)
		w.state.CallID, w.state.Call = w.call.ID, w.call.Status
	}
	w.events = nil
}

// afterEnd waits a short, bounded time for what a platform with events tells after
// the end of a call that was answered.
func (w *taskRun) afterEnd(ctx workflow.Context, n int, d Dialled) {
	complete := func() bool {
		w.take(n)
		return w.call.Summary != "" || w.call.CostUSD != 0 || w.call.Transcript != ""
	}
	if d.AwaitAfter == 0 || w.call.AnsweredAt.IsZero() || complete() {
		return
	}
	_, _ = awaitFor(ctx, lateGrace, "late details of the call", complete) // late is not lost: the row takes it
}

// hangUp ends the call of dial n by rule and waits, for a bounded time, until the
// platform says that it has ended. It returns rule, or "" when it turns out that
// the call had ended by itself before. Nothing here is cancelled any more.
func (w *taskRun) hangUp(ctx workflow.Context, n int, rule string) (over string) {
	began := workflow.Now(ctx)
	detached, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	in := w.input(n)
	in.Cancel = rule == RuleCancel
	var c provider.Call
	if workflow.ExecuteActivity(endOptions(detached, n, in.Policy), ActivityEndCall, in).Get(detached, &c) == nil {
		w.call = w.call.Merge(c)
	}
	w.take(n)
	if w.call.Status != provider.StatusEnded && w.call.ID != "" {
		in.CallID, in.Policy = w.call.ID, hangUpPolicy(in.Policy)
		w.awaitEnd(detached, n, in, hangUpGrace, "waiting for the end of the call")
		// In vain: the platform's own limits end it, and its events still reach the row.
	}
	if w.call.Status == provider.StatusEnded && !w.call.EndedAt.IsZero() && w.call.EndedAt.Before(began.Add(-clockSlack)) {
		return ""
	}
	return rule
}

// awaitEnd runs await_call_activity until it or an event tells the end of the
// call, or limit has passed. Its error is the cancellation of ctx.
func (w *taskRun) awaitEnd(ctx workflow.Context, n int, in CallInput, limit time.Duration, summary string) (ended bool, err error) {
	detached, stop := workflow.NewDisconnectedContext(ctx)
	defer stop() // a poll that still runs is of no more use
	future := workflow.ExecuteActivity(awaitCallOptions(detached, n, in.Policy), ActivityAwaitCall, in)
	done := false
	return awaitFor(ctx, limit, summary, func() bool {
		w.take(n)
		if future.IsReady() && !done {
			done = true
			var c provider.Call
			if future.Get(detached, &c) == nil {
				w.call = w.call.Merge(c)
			}
		}
		return w.call.Status == provider.StatusEnded
	})
}

// hangUpPolicy polls faster: an end is near.
func hangUpPolicy(p Policy) Policy {
	p.PollInterval = 2 * time.Second
	return p
}
