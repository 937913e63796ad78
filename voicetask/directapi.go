package voicetask

import (
	"context"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Deliver takes a platform's event: the row has it, and the task is looked at at
// once. ErrUnknownCall: not ours.
func (d *Direct) Deliver(ctx context.Context, e provider.Event) error {
	_, err := d.ledger.deliver(ctx, e)
	d.nudge()
	return err
}

// Cancel gives the task up; Run hangs up a call that is up.
func (d *Direct) Cancel(ctx context.Context, taskID string) error {
	rec, err := d.ledger.requestCancel(ctx, taskID)
	if err != nil || rec.Status.Terminal() {
		return err
	}
	return d.soon(ctx, taskID)
}

// Hold keeps the task from its next dial until Resume.
func (d *Direct) Hold(ctx context.Context, taskID, why string) error {
	return d.ledger.hold(ctx, taskID, why)
}

// Resume is the inverse of Hold.
func (d *Direct) Resume(ctx context.Context, taskID string) error {
	if err := d.ledger.resume(ctx, taskID); err != nil {
		return err
	}
	d.nudge()
	return nil
}

// soon makes a task due now.
func (d *Direct) soon(ctx context.Context, taskID string) error {
	_, err := d.ledger.modify(ctx, taskID, func(r *store.Record) error {
		if r.Status.Terminal() {
			return errNoChange
		}
		r.DueAt = d.raw.now()
		return nil
	})
	d.nudge()
	return err
}

// State says from the row what the task is doing.
func (d *Direct) State(ctx context.Context, taskID string) (State, error) {
	rec, err := d.ledger.get(ctx, taskID)
	if err != nil {
		return State{}, err
	}
	return stateOf(rec), nil
}

// Wait returns the result once the task has ended. It looks at the row, often at
// first and every two seconds later.
func (d *Direct) Wait(ctx context.Context, taskID string) (Result, error) {
	return d.ledger.wait(ctx, taskID)
}

// Settle is an operator's or late evidence's word on a dial whose outcome is unknown.
func (d *Direct) Settle(ctx context.Context, key string, end provider.Call) error {
	return d.ledger.settle(ctx, key, end)
}

// Erase blanks the personal data of a finished task's row and keeps the ledger.
func (d *Direct) Erase(ctx context.Context, taskID string) error { return d.ledger.erase(ctx, taskID) }

// Running reports whether a Direct process follows the task: this one while Run
// runs, or another whose lease holds.
func (d *Direct) Running(ctx context.Context, taskID string) (bool, error) {
	rec, err := d.ledger.get(ctx, taskID)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	here := d.running && rec.Owner == d.owner
	d.mu.Unlock()
	elsewhere := directOwned(rec) && rec.Owner != d.owner && rec.LeaseUntil.After(d.raw.now())
	return !rec.Status.Terminal() && (here || elsewhere), nil
}
