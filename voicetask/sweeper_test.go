package voicetask_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

func TestNewSweeperErrors(t *testing.T) {
	cfg := workable(t)
	_, err := voicetask.NewSweeper(cfg, nil)
	require.ErrorContains(t, err, "NewClient")
	w := newDesk(t).Client
	_, err = voicetask.NewSweeper(voicetask.Config{}, w)
	require.ErrorContains(t, err, "Config.Providers")
	cfg.Store = justStore{store.NewMemory()}
	_, err = voicetask.NewSweeper(cfg, w)
	require.ErrorContains(t, err, "store.Lister")
	cfg.Store = struct {
		store.Store
		store.Lister
	}{store.NewMemory(), store.NewMemory()}
	_, err = voicetask.NewSweeper(cfg, w)
	require.NoError(t, err)
	cfg.Providers = registry(t, &lister{hooked: fakeHook()})
	_, err = voicetask.NewSweeper(cfg, w)
	require.ErrorContains(t, err, "store.Leaser")
	require.ErrorContains(t, err, `"vapi"`)
}

// TestSweeperTakesUpWhatNobodyFollows: an open row whose workflow is missing is
// handed to a new one, once.
func TestSweeperTakesUpWhatNobodyFollows(t *testing.T) {
	for name, c := range map[string]struct {
		row     func(r *store.Record)
		y       func(y *yard)
		started int
		cancels int
		status  store.Status
	}{
		"pending":        {row: func(r *store.Record) { r.DueAt = start }, started: 1},
		"scheduled, due": {row: func(r *store.Record) { r.Status, r.DueAt = store.StatusScheduled, start }, started: 1},
		"in mid-send": {row: func(r *store.Record) {
			r.Status, r.Attempts = store.StatusProcessing, []store.Attempt{attempt(store.AttemptSending)}
		}, started: 1},
		"placed": {row: func(r *store.Record) {
			r.Status, r.Attempts = store.StatusInProgress, []store.Attempt{attempt(store.AttemptPlaced)}
		}, started: 1},
		"placed, cut off": {row: func(r *store.Record) {
			r.Status, r.DueAt, r.Attempts = store.StatusInProgress, start.Add(time.Hour), []store.Attempt{attempt(store.AttemptPlaced)}
		}, started: 1},
		"not due yet":   {row: func(r *store.Record) { r.DueAt = start.Add(time.Hour) }},
		"on hold":       {row: func(r *store.Record) { r.Status, r.DueAt = store.StatusHold, start }, status: store.StatusHold},
		"ended":         {row: func(r *store.Record) { r.Status, r.Outcome = store.StatusFailed, provider.OutcomeBusy }, status: store.StatusFailed},
		"followed":      {row: func(r *store.Record) { r.DueAt = start }, y: func(y *yard) { y.temporal.onStart() }},
		"Temporal away": {row: func(r *store.Record) { r.DueAt = start }, y: func(y *yard) { y.temporal.describeErr = errors.New("unavailable") }},
		"Direct has it": {row: func(r *store.Record) { r.DueAt, r.Owner, r.LeaseUntil = start, "direct:x", start.Add(time.Hour) }},
		"Direct left it": {row: func(r *store.Record) {
			r.DueAt, r.Owner, r.LeaseUntil = start.Add(-time.Hour), "direct:x", start.Add(-time.Hour)
		}, started: 1},
		"cancelled":       {row: func(r *store.Record) { r.CancelRequestedAt = start }, y: func(y *yard) { y.temporal.cancelErr = errGone }, cancels: 1, status: store.StatusCancelled},
		"cancelled, held": {row: func(r *store.Record) { r.Status, r.CancelRequestedAt = store.StatusHold, start }, y: func(y *yard) { y.temporal.cancelErr = errGone }, cancels: 1, status: store.StatusCancelled},
		"cancelled in the call": {row: func(r *store.Record) {
			r.Status, r.CancelRequestedAt, r.Attempts = store.StatusInProgress, start, []store.Attempt{attempt(store.AttemptPlaced)}
		}, started: 1, cancels: 2},
		"cancelled in the call, followed": {row: func(r *store.Record) {
			r.Status, r.CancelRequestedAt, r.Attempts = store.StatusInProgress, start, []store.Attempt{attempt(store.AttemptPlaced)}
		}, y: func(y *yard) { y.temporal.onStart() }, cancels: 2},
		"unreadable": {row: func(r *store.Record) { r.Task = []byte("[]") }, status: store.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, voicetask.Config{})
				before := seed(t, y.store, c.row)
				if c.y != nil {
					c.y(y)
				}
				y.sweepFor(150 * time.Second)
				require.Len(t, y.temporal.started, c.started)
				require.GreaterOrEqual(t, len(y.temporal.cancels), c.cancels)
				require.LessOrEqual(t, len(y.temporal.cancels), 2*c.cancels, "told again, and not at each look")
				if c.status == "" {
					c.status = before.Status
				}
				require.Equal(t, c.status, y.row(t).Status)
				require.Zero(t, y.p.Dials(), "the sweeper never dials")
				if c.started > 0 {
					require.Equal(t, []string{provider.NoticeUnfollowed}, y.notices.kinds())
					require.Equal(t, "t1", y.temporal.inputs[0].ID)
				}
			})
		})
	}
}

// TestSweeperGivesSubmitTime: a row that is being submitted is not started beside it.
func TestSweeperGivesSubmitTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		seed(t, y.store, func(r *store.Record) { r.DueAt = start })
		y.sweepFor(29 * time.Second)
		require.Empty(t, y.temporal.started)
	})
}

// TestSweeperRecordsAResultThatTheStoreLost: the workflow completed, the row is open.
func TestSweeperRecordsAResultThatTheStoreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		seed(t, y.store, func(r *store.Record) { r.DueAt = start })
		y.temporal.describeErr, y.temporal.status, y.temporal.resultErr = nil, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil
		y.temporal.result = voicetask.Result{TaskID: "t1", Status: store.StatusCompleted, Outcome: provider.OutcomeVoicemail, Reason: "outcome: x", Dials: 1}
		y.sweepFor(time.Minute)
		require.Empty(t, y.temporal.started)
		require.Equal(t, provider.OutcomeVoicemail, y.row(t).Outcome)
	})
}

// TestSweeperSeesEveryRow, also behind pages of rows that are followed.
func TestSweeperSeesEveryRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		const rows = 1234
		for i := range rows {
			seed(t, y.store, func(r *store.Record) { r.ID, r.DueAt = voicetaskID(i), start })
		}
		y.temporal.onStart = nil // nothing ever runs
		y.sweepFor(70 * time.Second)
		require.Len(t, y.temporal.started, rows)
	})
}

// TestSweeperGoesOnAfterTrouble with the server.
func TestSweeperGoesOnAfterTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		seed(t, y.store, func(r *store.Record) { r.DueAt = start })
		y.temporal.onStart, y.temporal.startErrs = nil, []error{errors.New("unavailable")}
		y.sweepFor(130 * time.Second)
		require.Len(t, y.temporal.started, 2)
	})
}

// TestLateEvidenceClearsAnUnknownDial: a call that turns up after the dial ended
// unknown gives the task its outcome.
func TestLateEvidenceClearsAnUnknownDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Hidden: 3 * time.Hour})
		y.ring("t1/1")
		unknownTask(t, y)
		y.sweepFor(2 * time.Hour)
		require.Equal(t, provider.OutcomeUnknown, y.row(t).Outcome, "not found proves nothing")
		y.sweepFor(3 * time.Hour)
		row := y.row(t)
		require.Equal(t, provider.OutcomeBusy, row.Outcome)
		require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
		require.True(t, row.DueAt.IsZero())
		require.Equal(t, provider.OutcomeBusy, storedResult(t, row).Outcome)
		require.Equal(t, 1, y.p.Dials(), "nothing was dialled again")
	})
}

// TestLateLooksAreFewAndEnd: an unknown dial costs some dozens of questions, for a day.
func TestLateLooksAreFewAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		finds := 0
		y := newYard(t, voicetask.Config{Providers: registry(t, &counting{hooked: p, finds: &finds})})
		unknownTask(t, y)
		y.sweepFor(26 * time.Hour)
		require.Greater(t, finds, 20)
		require.Less(t, finds, 50)
		require.True(t, y.row(t).DueAt.IsZero())
		require.Equal(t, provider.OutcomeUnknown, y.row(t).Outcome)
	})
}

// TestLateCallOfACancelledTaskIsEnded: no orphan call.
func TestLateCallOfACancelledTaskIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Lasts: time.Hour})
		c := y.ring("t1/1")
		seed(t, y.store, func(r *store.Record) {
			r.Status, r.Outcome, r.DueAt, r.CancelRequestedAt = store.StatusCancelled, provider.OutcomeCancelled, start, start
			r.Attempts = []store.Attempt{attempt(store.AttemptSending)}
		})
		y.sweepFor(5 * time.Minute)
		require.Equal(t, []provider.CallID{c.ID}, y.p.hungUp())
		row := y.row(t)
		require.Equal(t, store.AttemptEnded, row.Attempts[0].State)
		require.Equal(t, provider.OutcomeCancelled, row.Outcome)
	})
}

// TestUnknownIsDueForTheSweeper: what Direct and the workflow record as unknown is
// what the sweeper lists.
func TestUnknownIsDueForTheSweeper(t *testing.T) {
	w := newWorld(t, voicetask.Config{}, providertest.Step{LoseReply: true, Hidden: 5 * time.Hour})
	require.Equal(t, provider.OutcomeUnknown, w.run(task()).Outcome)
	require.False(t, w.row().DueAt.IsZero())
}

// unknownTask is a task that ended unknown.
func unknownTask(t *testing.T, y *yard) {
	t.Helper()
	seed(t, y.store, func(r *store.Record) {
		r.Status, r.Outcome, r.DueAt = store.StatusFailed, provider.OutcomeUnknown, start.Add(time.Minute)
		r.Attempts = []store.Attempt{attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Outcome = provider.OutcomeUnknown })}
	})
}

// counting counts what Find is asked.
type counting struct {
	*hooked
	finds *int
}

func (c *counting) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	*c.finds++
	return c.hooked.Find(ctx, key, since)
}
