package voicetask

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// AwaitCall returns the call once it has ended. Until then it returns an error
// that is retried after the policy's PollInterval: a poll costs no history event
// and holds no slot in between. It looks at the row first, where an event may have
// noted the end although its signal was lost. Absence is never an end.
func (a *activities) AwaitCall(ctx context.Context, in CallInput) (provider.Call, error) {
	notYet := &later{delay: max(in.Policy.PollInterval, time.Second), why: "the call has not ended"}
	rec, storeErr := a.get(ctx, in.Task.ID)
	if errors.Is(storeErr, store.ErrNotFound) {
		storeErr = nil
	}
	known := provider.Call{ID: in.CallID, Key: in.Key}
	att := fence.Find(&rec, in.N)
	if att != nil {
		known = known.Merge(fence.CallOf(*att))
		if att.State == store.AttemptEnded {
			a.callEnded(ctx, in.Provider, in.Key, known)
			c := a.fuller(ctx, in, known)
			if a.summaryToCome(in.Provider, c) {
				return provider.Call{}, &later{delay: detailsGap, why: whySummary}
			}
			return c, nil
		}
	}
	p, ok := a.cfg.Providers.Lookup(in.Provider)
	if !ok {
		return provider.Call{}, fmt.Errorf("voicetask: provider %q is not registered on this worker: share one Config among the workers of a task queue", in.Provider)
	}
	if att != nil && len(att.OtherCallIDs) > 0 {
		a.endSecondCalls(ctx, p, *att)
	}
	c, err := a.askAbout(ctx, p, known, att)
	switch {
	case errors.Is(err, provider.ErrUnsupported) && storeErr == nil:
		return known, nil // only events tell
	case err != nil:
		return provider.Call{}, cmp.Or[error](storeErr, notYet)
	}
	c = known.Merge(c)
	if c.Status == provider.StatusEnded {
		if c.Outcome == provider.OutcomeUnknown && c.Reason != "" { // no rule knows it; of events their handlers tell
			a.notice(ctx, provider.NoticeUnmappedReason, in.Provider, in.Task.ID, in.Key)
		}
		a.callEnded(ctx, in.Provider, in.Key, c)
		if a.summaryToCome(in.Provider, c) && a.keepEnd(ctx, in, c) {
			return provider.Call{}, &later{delay: detailsGap, why: whySummary}
		}
		a.keepWhole(ctx, in, c)
		return forHistory(c), nil
	}
	if storeErr != nil {
		return provider.Call{}, storeErr // the row is not there to be told, the call is still up
	}
	if rec.ID != "" && (known.AnsweredAt.IsZero() && !c.AnsweredAt.IsZero() || known.ID == "" && c.ID != "") {
		// Answered is sticky in our own ledger: some platforms forget it.
		if err := a.observe(ctx, &rec, in.N, in.Provider, c); err != nil {
			return provider.Call{}, err
		}
	}
	return provider.Call{}, notYet
}

// detailsGap is how often a call that has ended is asked about for its summary.
const detailsGap = 5 * time.Second

const whySummary = "the call has ended: its summary is to come"

func (a *activities) summaryToCome(name string, c provider.Call) bool {
	p, ok := a.cfg.Providers.Lookup(name)
	return ok && a.detailsToCome(provider.TraitsOf(p).LateDetails, c)
}

// keepEnd writes down that the call has ended, and how, before its summary is waited for:
// the platform may be away when it is asked again.
func (a *activities) keepEnd(ctx context.Context, in CallInput, c provider.Call) (kept bool) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := store.Modify(ctx, a.cfg.Store, in.Task.ID, func(r *store.Record) error {
		c := forRow(*r, c)
		o, err := fence.Observe(r, in.N, c, a.now())
		if err != nil || o.Second {
			return cmp.Or(err, errNoChange)
		}
		_, err = keepDraft(r, in.N, c)
		return err
	})
	return err == nil // else the end itself matters more
}

// detailsToCome reports whether a call that a poll found ended is worth asking about
// again: afterwards nobody would, unless the platform sends events. The bound is by the
// platform's clock and ours; where they disagree there is no wait.
func (a *activities) detailsToCome(late time.Duration, c provider.Call) bool {
	if c.Status != provider.StatusEnded || c.AnsweredAt.IsZero() || c.EndedAt.IsZero() || c.Summary != "" {
		return false
	}
	ago := a.now().Sub(c.EndedAt)
	return ago >= -detailsGap && ago < late
}

// askAbout asks how a call stands. One that was told of without an id is looked for by
// its key.
func (a *activities) askAbout(ctx context.Context, p provider.Provider, known provider.Call, att *store.Attempt) (provider.Call, error) {
	if known.ID != "" || att == nil {
		return a.ask(ctx, p, known.ID)
	}
	e := &execution{activities: a, provider: p}
	if c, found := e.find(ctx, *att); found {
		return c, nil
	}
	return a.ask(ctx, p, known.ID)
}

// ask is Get, bounded.
func (a *activities) ask(ctx context.Context, p provider.Provider, id provider.CallID) (provider.Call, error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	return p.Get(ctx, id)
}

// fuller adds to a call that the row knows to have ended what only the platform
// knows: transcript, summary, cost. Failing that, the row's word is enough.
func (a *activities) fuller(ctx context.Context, in CallInput, c provider.Call) provider.Call {
	if p, ok := a.cfg.Providers.Lookup(in.Provider); ok && c.ID != "" {
		if more, err := a.ask(ctx, p, c.ID); err == nil {
			c = c.Merge(more)
		}
	}
	a.keepWhole(ctx, in, c)
	return forHistory(c)
}

// keepWhole stores a transcript that is too long for history.
func (a *activities) keepWhole(ctx context.Context, in CallInput, c provider.Call) {
	if len(c.Transcript) <= maxTranscript && len(c.Summary) <= maxSummary {
		return
	}
	_, err := store.Modify(ctx, a.cfg.Store, in.Task.ID, func(r *store.Record) error {
		if changed, err := keepDraft(r, in.N, forRow(*r, c)); err != nil || !changed {
			return errNoChange
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNoChange) {
		a.cfg.Logger.WarnContext(ctx, "a long transcript could not be stored whole", "task_id", in.Task.ID, "error", quiet(in.Task, err))
	}
}

// EndCall hangs up whatever was placed under the key and returns the call as it
// then stands; a zero Call if nothing is known to have been placed. For a task
// that was cancelled it first notes so in the row, which keeps a dial that has not
// passed the fence from passing it; if none has, the call returned is ended,
// cancelled and without an id.
func (a *activities) EndCall(ctx context.Context, in CallInput) (provider.Call, error) {
	if err := fault.Point(ctx, fault.EndBegun); err != nil {
		return provider.Call{}, err
	}
	rec, created, err := a.record(ctx, in.Task)
	if err != nil {
		a.endBlind(ctx, in)
		return provider.Call{}, err
	}
	if in.Cancel && rec.CancelRequestedAt.IsZero() && !rec.Status.Terminal() {
		err := a.move(ctx, &rec, func(r *store.Record) error {
			if r.CancelRequestedAt.IsZero() {
				r.CancelRequestedAt = a.now()
				hurry(r, a.now())
			}
			fence.Abort(r, in.N, RuleCancel)
			return nil
		})
		if err != nil {
			return provider.Call{}, err
		}
	}
	known := provider.Call{ID: in.CallID, Key: in.Key}
	att := fence.Find(&rec, in.N)
	if in.Cancel && known.ID == "" && !created && !mayHaveRung(att) { // a row that was missing proves nothing
		known.Status, known.Outcome = provider.StatusEnded, provider.OutcomeCancelled
		return known, nil
	}
	if att != nil {
		known = known.Merge(fence.CallOf(*att))
		if in.Provider == "" {
			in.Provider = att.Provider
		}
		if att.State == store.AttemptEnded {
			return a.fuller(ctx, in, known), nil
		}
	}
	p, ok := a.cfg.Providers.Lookup(in.Provider)
	if !ok {
		return known, nil // nothing was dialled, or nobody here can end it
	}
	if known.ID == "" && mayHaveRung(att) {
		e := &execution{activities: a, in: in, provider: p}
		if c, found := e.find(ctx, *att); found {
			known = known.Merge(c)
		}
	}
	if known.ID == "" {
		return provider.Call{}, nil
	}
	return a.hangUp(ctx, p, in, known)
}

// endBlind hangs up a call whose id is known although the store is down: a person who
// cancels must not wait for a database. The row is told when it is back.
func (a *activities) endBlind(ctx context.Context, in CallInput) {
	p, ok := a.cfg.Providers.Lookup(in.Provider)
	if !ok || in.CallID == "" {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTimeout)
	defer cancel()
	if err := p.End(bounded, in.CallID); err != nil && !errors.Is(err, provider.ErrUnsupported) {
		a.cfg.Logger.WarnContext(ctx, "a call could not be ended; it is tried again", "task_id", in.Task.ID, "dial", in.N, "error", quiet(in.Task, err))
	}
}

// mayHaveRung reports whether a dial has passed the fence and was not proved to have
// stayed here.
func mayHaveRung(a *store.Attempt) bool {
	if a == nil {
		return false
	}
	switch a.State {
	case store.AttemptReserved, store.AttemptAborted, store.AttemptNotSent:
		return false
	}
	return true
}

// hangUp ends a call and asks how it stands then. Where the platform cannot end a call,
// that of a task which is cancelled goes on: its end is waited for, while it may last.
func (a *activities) hangUp(ctx context.Context, p provider.Provider, in CallInput, known provider.Call) (provider.Call, error) {
	bounded, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	err := p.End(bounded, known.ID)
	cannot := errors.Is(err, provider.ErrUnsupported)
	if err != nil && !cannot {
		return provider.Call{}, fmt.Errorf("voicetask: ending the call of dial %d: %w", in.N, err)
	}
	c, err := a.ask(ctx, p, known.ID)
	if err != nil {
		c = provider.Call{}
	}
	c = known.Merge(c)
	switch {
	case c.Status == provider.StatusEnded:
		a.keepWhole(ctx, in, c)
	case cannot && in.Cancel && a.now().Before(c.CreatedAt.Add(in.Policy.MaxCallDuration)):
		return provider.Call{}, &later{delay: max(in.Policy.PollInterval, detailsGap), why: "the platform cannot end a call: waiting for its end"}
	}
	return forHistory(c), nil // its end is waited for
}

// RecordResult writes the result to the store, once: a task that has ended keeps
// the outcome it has, unless that was unknown. The workflow retries it until the
// store takes it.
func (a *activities) RecordResult(ctx context.Context, in ResultInput) error {
	if err := fault.Point(ctx, fault.RecordBegun); err != nil {
		return err
	}
	rec, _, err := a.record(ctx, in.Task)
	if errors.Is(err, ErrInvalidTask) { // a row that says so, without what does not fit
		rec, _, err = a.record(ctx, Task{ID: in.Task.ID, AgentID: in.Task.AgentID})
	}
	if err != nil {
		return err
	}
	err = a.move(ctx, &rec, func(r *store.Record) error {
		if err := fence.Claim(r, a.engine, a.now(), a.leaseUntil()); err != nil && !errors.Is(err, fence.ErrClosed) {
			return err
		}
		return finish(r, in, a.now())
	})
	if lost := fault.Point(ctx, fault.RecordWritten); lost != nil {
		return lost
	}
	var wait *later
	switch {
	case err == nil, errors.Is(err, errNoChange):
		a.lastEnded(ctx, rec)
		return nil
	case errors.As(err, &wait) && !rec.CancelRequestedAt.IsZero():
		a.endOpen(ctx, in.Task, rec)
	case errors.Is(err, fence.ErrOtherEngine):
		a.cfg.Logger.InfoContext(ctx, "the task is carried out by another engine: nothing written", "task_id", in.Task.ID, "engine", engineKind(rec.Owner))
		return nil
	}
	return err
}

// endOpen hangs up the open dial of a task that is being cancelled, of which its engine
// did not know: one that was started anew, say. The result waits for its end.
func (a *activities) endOpen(ctx context.Context, t Task, rec store.Record) {
	dial, open := openDial(rec)
	if !open {
		return
	}
	c, err := a.EndCall(ctx, CallInput{Task: t, N: dial.N, Key: dial.Key, Provider: dial.Provider, CallID: dial.CallID, Cancel: true})
	if err == nil && c.Status == provider.StatusEnded && c.ID != "" {
		err = a.observe(ctx, &rec, dial.N, dial.Provider, c)
	}
	if err != nil {
		a.cfg.Logger.WarnContext(ctx, "a cancelled task has a call that could not be ended; it is tried again", "task_id", t.ID, "dial", dial.N, "error", quiet(t, err))
	}
}

// finish makes r the record of a task that has ended with res. A terminal outcome
// moves only from unknown.
func finish(r *store.Record, in ResultInput, now time.Time) error {
	res := in.Result
	if r.Status.Terminal() && (r.Outcome != provider.OutcomeUnknown || res.Outcome == provider.OutcomeUnknown) {
		return errNoChange
	}
	told, err := overtaken(r, res, now)
	if err != nil {
		return err
	}
	if told.Reason != res.Reason || told.Data.CallID != res.Data.CallID { // of another dial than in tells of
		in.LastDial, in.NoSpeech = "", false
	}
	res = told
	in.Result = res
	settleLast(r, in, now)
	if last := len(r.Attempts); last > 0 && res.Outcome == provider.OutcomeUnknown {
		if a := r.Attempts[last-1]; a.State == store.AttemptEnded && a.Outcome != provider.OutcomeUnknown && a.Outcome != "" {
			// An event was faster than the engine's own "unknown".
			res.Outcome, res.Status, res.Reason = a.Outcome, statusFor(a.Outcome), reason(RuleOutcome, reason("told late", a.Reason))
			res.Data.enrich(fence.CallOf(a))
		}
	}
	if d := draft(*r); d.Data.CallID != "" && d.Data.CallID == res.Data.CallID {
		mergeDraft(&res.Data, d.Data)
	}
	raw, err := json.Marshal(res)
	if err != nil {
		return fmt.Errorf("voicetask: the result of task %s: %w", r.ID, err)
	}
	r.Status, r.Outcome, r.Reason = res.Status, res.Outcome, storable(res.Reason)
	r.Result, r.DueAt = raw, time.Time{}
	if a, open := undecided(*r); open {
		r.DueAt = lateLook(now, sentAt(a)) // the sweeper's
	} else if _, two := withSecondCall(*r); two {
		r.DueAt = now.UTC() // it may be up still, and nobody else looks
	}
	return nil
}

// mergeDraft takes from a draft what the result lacks, and the longer transcript.
func mergeDraft(c *CallResult, d CallResult) {
	if len(d.Transcript) > len(c.Transcript) {
		c.Transcript = d.Transcript
	}
	fill(&c.CallSummary, d.CallSummary)
	fill(&c.RecordingURL, d.RecordingURL)
	fill(&c.AssistantNumber, d.AssistantNumber)
	fill(&c.CostUSD, d.CostUSD)
}

// settleLast brings the ledger of the last dial to rest: a call that was followed
// to its end is ended, a reservation that was never used is given up.
func settleLast(r *store.Record, in ResultInput, now time.Time) {
	if len(r.Attempts) == 0 {
		return
	}
	res, last := in.Result, &r.Attempts[len(r.Attempts)-1]
	end := provider.Call{ID: cmp.Or(res.Data.CallID, last.CallID), Status: provider.StatusEnded, Outcome: cmp.Or(in.LastDial, res.Outcome),
		Reason: res.Data.CallEndReason, EndedAt: res.Data.EndTime, CostUSD: res.Data.CostUSD, NoSpeech: in.NoSpeech}
	if res.Data.Duration > 0 {
		end.AnsweredAt = res.Data.StartTime
	}
	switch last.State {
	case store.AttemptPlaced:
		if res.Outcome == provider.OutcomeUnknown && res.Data.CallID == "" {
			return // found since the dial was given up: its end is still to be told, or asked for
		}
		if end.ID == last.CallID {
			_, _ = fence.Observe(r, last.N, end, now) // the attempt is there
		}
	case store.AttemptSending:
		if end.ID != "" {
			_, _ = fence.Observe(r, last.N, end, now) // its id could not be stored when it was placed
		}
	default:
		fence.Abort(r, last.N, res.Reason)
	}
}
