package voicetask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// activities implements Activity for Temporal and for Direct alike: what differs
// is the name under which a task is claimed, for how long, and whether a Temporal
// server can bear witness.
type activities struct {
	cfg    Config
	engine string
	lease  time.Duration // of a claim; 0 = without end (Temporal)

	breakers *breakers
}

// NewActivities checks cfg and returns the activities, wrapped by cfg.Wrap.
func NewActivities(cfg Config) (Activity, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return newActivities(cfg, ownerTemporal, 0), nil
}

// newActivities trusts cfg.
func newActivities(cfg Config, engine string, lease time.Duration) Activity {
	cfg = cfg.withDefaults()
	cfg.warn()
	var a Activity = &activities{cfg: cfg, engine: engine, lease: lease, breakers: newBreakers(cfg.Breaker)}
	if cfg.Wrap != nil {
		a = cfg.Wrap(a)
	}
	return a
}

func (a *activities) now() time.Time { return a.cfg.Now().UTC() }

func (a *activities) leaseUntil() time.Time {
	if a.lease == 0 {
		return time.Time{}
	}
	return a.now().Add(a.lease)
}

func (a *activities) notice(ctx context.Context, kind, prov string, taskID, key string) {
	a.cfg.Observe(ctx, provider.Notice{Kind: kind, Provider: prov, TaskID: taskID, Key: key, N: 1})
}

// get reads a task's row.
func (a *activities) get(ctx context.Context, id string) (store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r, err := a.cfg.Store.Get(ctx, id)
	if err != nil {
		return r, fmt.Errorf("voicetask: reading task %s: %w", id, err)
	}
	return r, nil
}

// record reads a task's row, and creates it for a task that was started without
// Submit (a child workflow).
func (a *activities) record(ctx context.Context, t Task) (r store.Record, created bool, err error) {
	r, err = a.get(ctx, t.ID)
	if !errors.Is(err, store.ErrNotFound) {
		return r, false, err
	}
	fresh, err := pendingRecord(t, a.now())
	if err != nil {
		return store.Record{}, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r, err = a.cfg.Store.Create(ctx, fresh)
	if errors.Is(err, store.ErrExists) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("voicetask: creating task %s: %w", t.ID, err)
	}
	return r, true, nil
}

// move applies a transition to r and writes it, again from the stored row when
// somebody else has changed it meanwhile. An error of change is returned as it is,
// and nothing was written then.
func (a *activities) move(ctx context.Context, r *store.Record, change func(*store.Record) error) error {
	const tries = 20
	for range tries {
		next := *r
		next.Attempts = append([]store.Attempt(nil), r.Attempts...)
		if err := change(&next); err != nil {
			return err
		}
		if erased(*r) {
			blank(&next) // whatever the engine still has to say about it
		}
		bounded, cancel := context.WithTimeout(ctx, storeTimeout)
		updated, err := a.cfg.Store.Update(bounded, next)
		cancel()
		if err == nil {
			*r = updated
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("voicetask: writing task %s: %w", r.ID, err)
		}
		fresh, err := a.get(ctx, r.ID)
		if err != nil {
			return err
		}
		*r = fresh
	}
	return fmt.Errorf("voicetask: task %s: %w", r.ID, store.ErrConflict)
}

// observe writes what a call's snapshot proves about dial n, if anything is new,
// and raises the alarm for a second call.
func (a *activities) observe(ctx context.Context, r *store.Record, n int, prov string, c provider.Call) error {
	second := false
	c = writable(c)
	err := a.move(ctx, r, func(r *store.Record) error {
		o, err := fence.Observe(r, n, c, a.now())
		if err != nil {
			return err
		}
		second = o.Second && o.Changed // once
		if !o.Changed {
			return errNoChange
		}
		return nil
	})
	if second {
		a.notice(ctx, provider.NoticeSecondCall, prov, r.ID, provider.Key(r.ID, n))
		a.cfg.Logger.ErrorContext(ctx, "two calls were placed under one key", "task_id", r.ID, "dial", n, "provider", prov)
	}
	if errors.Is(err, errNoChange) {
		return nil
	}
	return err
}

// errNoChange ends a move that has nothing to write.
var errNoChange = errors.New("voicetask: nothing to write")

// pendingRecord is the row that Submit writes first.
func pendingRecord(t Task, now time.Time) (store.Record, error) {
	raw, err := t.MarshalJSON()
	if err != nil {
		return store.Record{}, fmt.Errorf("%w: %w", ErrInvalidTask, err)
	}
	if len(raw) > maxTask {
		return store.Record{}, invalid("the task is %d bytes long: Temporal carries at most %d", len(raw), maxTask)
	}
	due := now
	if t.NotBefore.After(due) {
		due = t.NotBefore
	}
	return store.Record{
		ID: t.ID, TenantID: t.TenantID, RunID: t.RunID, Status: store.StatusPending, DueAt: due.UTC(),
		AgentID: t.AgentID, To: storable(t.Data.ContactNumber), Task: raw,
	}, nil
}

// maxTranscript and maxSummary are how much of them enters workflow history; the
// whole is in the store. maxTask is what leaves room for them in a payload, of
// which Temporal takes 2 MiB.
const (
	maxTranscript = 256 << 10
	maxSummary    = 32 << 10
	maxTask       = 1536 << 10
)

// forHistory drops what must not enter workflow history.
func forHistory(c provider.Call) provider.Call {
	c = writable(c)
	c.Raw = nil
	c.Transcript, c.Summary = cut(c.Transcript, maxTranscript), cut(c.Summary, maxSummary)
	return c
}

// draft is what events and long transcripts leave in Record.Result before the task
// has ended.
func draft(r store.Record) Result {
	var d Result
	if len(r.Result) > 0 {
		_ = json.Unmarshal(r.Result, &d) // only this package writes it; a foreign one is no draft
	}
	return d
}

// keepDraft notes in r what the call of dial n brings that a row of attempts has no
// place for. There is one draft, and it is the last dial's: what comes late of an
// earlier dial, or of a second call under the key, must not displace it.
func keepDraft(r *store.Record, n int, c provider.Call) (changed bool, err error) {
	if c.Transcript == "" && c.Summary == "" && c.RecordingURL == "" && c.From == "" {
		return false, nil
	}
	a := fence.Find(r, n)
	if a == nil || n != len(r.Attempts) {
		return false, nil
	}
	fill(&c.ID, a.CallID)
	if a.CallID != "" && c.ID != a.CallID {
		return false, nil
	}
	d := draft(*r)
	if d.Data.CallID != c.ID && !r.Status.Terminal() {
		d = Result{TaskID: r.ID}
	}
	if d.Data.CallID != c.ID && d.Data.CallID != "" {
		return false, nil // the result is of another dial
	}
	before := d.Data
	if fence.Outdated(*a, c) { // what is there already is better
		replace(&c.Transcript, before.Transcript)
		replace(&c.Summary, before.CallSummary)
		replace(&c.RecordingURL, before.RecordingURL)
		replace(&c.CostUSD, before.CostUSD)
	}
	d.Data.enrich(c)
	if d.Data.Transcript == before.Transcript && d.Data.CallSummary == before.CallSummary && d.Data.RecordingURL == before.RecordingURL &&
		d.Data.AssistantNumber == before.AssistantNumber && d.Data.CostUSD == before.CostUSD && d.Data.CallID == before.CallID {
		return false, nil
	}
	r.Result, err = json.Marshal(d)
	return true, err
}
