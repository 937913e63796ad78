package voicetask_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestAPanicOfTheHostsCodeDoesNotEndTheSweeper, and with it the process and all its
// other tasks.
func TestAPanicOfTheHostsCodeDoesNotEndTheSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{PolicyFor: func(_ context.Context, t voicetask.Task) (voicetask.Policy, error) {
			panic("no such tenant: " + t.Data.ContactNumber)
		}}, providertest.Step{Lasts: 5 * time.Hour}, providertest.Step{Lasts: 5 * time.Hour})
		callUpWith(t, y, y.ring("t1/1"), func(r *store.Record) { r.DueAt = start.Add(-time.Hour) })
		late := y.ring("t2/1")
		seed(t, y.store, func(r *store.Record) {
			r.ID, r.Status, r.Outcome, r.DueAt = "t2", store.StatusFailed, provider.OutcomeUnknown, start
			r.Attempts = []store.Attempt{attempt(store.AttemptUnknown, func(a *store.Attempt) { a.Key, a.Outcome = "t2/1", provider.OutcomeUnknown })}
		})
		y.temporal.describeErr = errGone
		y.sweepFor(time.Minute)
		require.Len(t, y.temporal.started, 1, "what has nothing to do with its policy is done")
		y.sweepFor(20 * time.Minute)
		require.Equal(t, provider.OutcomeUnknown, rowOf(t, y.store, "t2").Outcome)
		require.NotEmpty(t, late.ID)
	})
}

// TestAPlatformThatHangsHoldsUpNoOtherTask: its questions are not asked one after the
// other, to the end of each one's patience.
func TestAPlatformThatHangsHoldsUpNoOtherTask(t *testing.T) {
	for name, seedStuck := range map[string]func(r *store.Record){
		"cancelled calls": func(r *store.Record) { r.CancelRequestedAt, r.DueAt = start.Add(-time.Hour), start.Add(-time.Hour) },
		"second calls": func(r *store.Record) {
			r.DueAt, r.Attempts[0].OtherCallIDs = start.Add(-time.Hour), []provider.CallID{"x"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := fakeHook()
				p.get = func(ctx context.Context, _ provider.CallID) (provider.Call, error) {
					<-ctx.Done()
					return provider.Call{}, ctx.Err()
				}
				y := newYard(t, voicetask.Config{Providers: registry(t, provider.Provider(p))})
				y.temporal.onStart()
				for i := range 200 {
					seed(t, y.store, func(r *store.Record) {
						r.ID, r.Owner, r.Status = voicetaskID(i), "temporal", store.StatusInProgress
						r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) {
							a.Key, a.CallID, a.DialledAt = r.ID+"/1", "c", start
						})}
						seedStuck(r)
					})
				}
				running := &notT1{Workflow: y.Client}
				seed(t, y.store, func(r *store.Record) { r.DueAt = start.Add(-time.Minute) })
				s := newSweeperFor(t, y, p, running)
				runFor(t, s, 5*time.Minute)
				require.NotEmpty(t, running.submitted)
			})
		})
	}
}

// notT1 says that everything runs but t1.
type notT1 struct {
	voicetask.Workflow
	submitted []string
}

func (n *notT1) Running(_ context.Context, id string) (bool, error) { return id != "t1", nil }

func (n *notT1) Submit(_ context.Context, t voicetask.Task) error {
	n.submitted = append(n.submitted, t.ID)
	return nil
}

func newSweeperFor(t *testing.T, y *yard, p provider.Provider, w voicetask.Workflow) *voicetask.Sweeper {
	t.Helper()
	s, err := voicetask.NewSweeper(voicetask.Config{Providers: registry(t, p), Store: y.store, Now: y.now, Observe: y.notices.observe}, w)
	require.NoError(t, err)
	return s
}

// TestUnknownDialsBehindEndedTasks: a store that ignores Query.DueFrom lists what is due
// no more first.
func TestUnknownDialsBehindEndedTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: time.Second})
		y.ring("t1/1")
		unknownTask(t, y)
		for i := range 600 {
			r := seed(t, y.store, func(r *store.Record) { r.ID = voicetaskID(i) })
			r.Status, r.Outcome, r.DueAt = store.StatusCompleted, provider.OutcomeCompleted, time.Time{}
			_, err := y.store.Update(t.Context(), r)
			require.NoError(t, err)
		}
		s, err := voicetask.NewSweeper(voicetask.Config{Providers: registry(t, provider.Provider(y.p)), Store: plainLister{y.store}, Now: y.now}, y.Client)
		require.NoError(t, err)
		runFor(t, s, 5*time.Minute)
		require.Equal(t, provider.OutcomeBusy, y.row(t).Outcome)
	})
}

// plainLister ignores Query.DueFrom, as a store may.
type plainLister struct{ *faultyStore }

func (p plainLister) List(ctx context.Context, q store.Query) ([]store.Record, error) {
	q.DueFrom = time.Time{}
	return p.faultyStore.List(ctx, q)
}

// TestATaskBehindACrowdOfTheSameMomentIsTakenUp: when the calling hours begin, tens of
// thousands are due at once.
func TestATaskBehindACrowdOfTheSameMomentIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		const crowd = 9000
		for i := range crowd {
			seed(t, y.store, func(r *store.Record) { r.ID, r.DueAt = voicetaskID(i), start.Add(-2*time.Minute) })
		}
		seed(t, y.store, func(r *store.Record) { r.DueAt = start.Add(-time.Minute) })
		w := &notT1{Workflow: y.Client}
		runFor(t, newSweeperFor(t, y, y.p, w), 4*time.Minute)
		require.NotEmpty(t, w.submitted)
	})
}

// TestARowThatCannotBeReadIsLeftToItsWorkflow: a newer version may have written it.
func TestARowThatCannotBeReadIsLeftToItsWorkflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		y.temporal.onStart()
		seed(t, y.store, func(r *store.Record) { r.Task, r.DueAt = []byte(`{"task_id":7}`), start.Add(-time.Hour) })
		y.sweepFor(5 * time.Minute)
		require.Equal(t, store.StatusPending, y.row(t).Status)
		y.temporal.describeErr = errGone
		y.sweepFor(time.Minute)
		require.Equal(t, provider.OutcomeConfigError, y.row(t).Outcome)
	})
}

// TestLiveCallsAreSeenOnEveryPage, in the order of ids.
func TestLiveCallsAreSeenOnEveryPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, voicetask.Config{})
		for i := range 600 {
			seed(t, y.store, func(r *store.Record) {
				r.ID, r.Owner, r.Status, r.DueAt = voicetaskID(i), "temporal", store.StatusInProgress, start.Add(time.Hour)
				r.Attempts = []store.Attempt{attempt(store.AttemptPlaced, func(a *store.Attempt) { a.Key, a.CallID = r.ID+"/1", "c" })}
			})
		}
		time.Sleep(time.Minute)
		callUp(t, y, nil)
		time.Sleep(time.Minute)
		w := &notT1{Workflow: y.Client}
		runFor(t, newSweeperFor(t, y, y.p, w), time.Minute)
		require.NotEmpty(t, w.submitted)
	})
}
