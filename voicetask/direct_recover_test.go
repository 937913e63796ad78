package voicetask_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// left is the row of a Direct process that died in the middle of a dial.
func left(t *testing.T, o *office, a store.Attempt, change func(r *store.Record)) {
	t.Helper()
	a.N, a.Key, a.Provider, a.Token, a.ReservedAt = 1, "t1/1", "vapi", "of the dead", start
	seed(t, o.store, func(r *store.Record) {
		r.Owner, r.LeaseUntil, r.Status, r.DueAt = "direct:dead", start.Add(30*time.Second), store.StatusProcessing, start.Add(15*time.Minute)
		r.Attempts = []store.Attempt{a}
		if change != nil {
			change(r)
		}
	})
}

// TestRecoverAfterACrashInTheMiddleOfADial.
func TestRecoverAfterACrashInTheMiddleOfADial(t *testing.T) {
	for name, c := range map[string]struct {
		attempt store.Attempt
		rang    bool // the dead one's request went out
		want    provider.Outcome
		dials   int
	}{
		"reserved: nobody dialled":                {store.Attempt{State: store.AttemptReserved}, false, provider.OutcomeCompleted, 1},
		"sending: the call is found":              {store.Attempt{State: store.AttemptSending, Sends: 1, SentAt: start}, true, provider.OutcomeCompleted, 1},
		"sending: and nothing is to be found":     {store.Attempt{State: store.AttemptSending, Sends: 1, SentAt: start}, false, provider.OutcomeUnknown, 0},
		"not sent: it is sent again":              {store.Attempt{State: store.AttemptNotSent, Sends: 1, Kind: provider.KindUnavailable, NotBefore: start.Add(10 * time.Second)}, false, provider.OutcomeCompleted, 1},
		"ended, used up: final all the same":      {store.Attempt{State: store.AttemptEnded, Sends: 3, Kind: provider.KindUnavailable, Outcome: provider.OutcomeProviderFault, EndedAt: start}, false, provider.OutcomeProviderFault, 0},
		"placed: it is followed":                  {store.Attempt{State: store.AttemptPlaced, Sends: 1, CallID: "call-1", SentAt: start, DialledAt: start}, true, provider.OutcomeCompleted, 1},
		"unknown: it stays so":                    {store.Attempt{State: store.AttemptUnknown, Sends: 1, Outcome: provider.OutcomeUnknown}, false, provider.OutcomeUnknown, 0},
		"ended, and not recorded":                 {store.Attempt{State: store.AttemptEnded, Sends: 1, CallID: "call-9", Outcome: provider.OutcomeBusy, EndedAt: start}, false, provider.OutcomeBusy, 0},
		"ended by a fault, and not dialled again": {store.Attempt{State: store.AttemptEnded, Sends: 1, CallID: "call-9", Outcome: provider.OutcomeProviderFault, EndedAt: start}, false, provider.OutcomeCompleted, 1},
		"aborted": {store.Attempt{State: store.AttemptAborted}, false, provider.OutcomeCompleted, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := fakeHook(providertest.Step{Lasts: 3 * time.Minute})
				o := stillOffice(t, voicetask.Config{}, p)
				left(t, o, c.attempt, nil)
				if c.rang {
					_, err := p.Fake.Place(t.Context(), provider.Request{Key: "t1/1"})
					require.NoError(t, err)
				}
				o.run()
				defer o.close()
				time.Sleep(20 * time.Second)
				require.Equal(t, "direct:dead", rowOf(t, o.store, "t1").Owner, "the lease holds")
				res := o.wait()
				require.Equal(t, c.want, res.Outcome)
				require.Equal(t, c.dials, p.Dials())
				require.Less(t, o.now().Sub(start), 30*time.Minute)
				time.Sleep(time.Hour)
				require.Equal(t, c.dials, p.Dials())
			})
		})
	}
}

// TestRecoverOfACallThatIsUp: its process died between the call's id and the write of when
// it looks at it next, while the phone rang, say. Where Place blocks, it may be alive.
func TestRecoverOfACallThatIsUp(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := fakeHook(providertest.Step{Lasts: 3 * time.Minute})
			p.traits = &provider.Traits{Blocking: blocking}
			o := stillOffice(t, voicetask.Config{}, p)
			up := store.Attempt{State: store.AttemptPlaced, Sends: 1, CallID: "call-1", SentAt: start, DialledAt: start}
			left(t, o, up, func(r *store.Record) { r.Status = store.StatusInProgress })
			_, err := p.Fake.Place(t.Context(), provider.Request{Key: "t1/1"})
			require.NoError(t, err)
			o.run()
			defer o.close()
			require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
			require.Equal(t, 1, p.Dials())
			took := o.now().Sub(start)
			require.Equal(t, blocking, took > 4*time.Minute, took)
		})
	}
}

// TestRecoverOfItsOwn: the store went away as the call was placed, and took neither its id
// nor when it is looked at next. It is followed once the store is back.
func TestRecoverOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := fakeHook(providertest.Step{Lasts: 2 * time.Minute}), newFaultyStore()
		var down atomic.Bool
		o := newOffice(t, voicetask.Config{Store: s}, p)
		defer o.close()
		s.refuse(func(op string, r store.Record) error {
			if !down.Load() && !reaches(op, r, store.AttemptPlaced) {
				return nil
			}
			down.Store(true)
			return errStoreDown
		})
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(3 * time.Minute)
		require.True(t, down.Load())
		s.refuse(nil)
		res := o.wait()
		require.Equal(t, provider.OutcomeCompleted, res.Outcome)
		require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
		require.Equal(t, 1, p.Dials())
		require.Less(t, o.now().Sub(start), 5*time.Minute)
	})
}

// TestRecoverLeavesItsOwnAlone while they are in hand, as a Place that takes its time is.
func TestRecoverLeavesItsOwnAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			time.Sleep(50 * time.Second)
			return p.Fake.Place(ctx, req)
		}
		o := newOffice(t, voicetask.Config{}, p)
		defer o.close()
		require.NoError(t, o.Submit(t.Context(), task()))
		time.Sleep(45 * time.Second)
		before := rowOf(t, o.store, "t1")
		require.Equal(t, store.AttemptSending, before.Attempts[0].State)
		n, err := o.Recover(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, before, rowOf(t, o.store, "t1"))
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
	})
}

// TestRecoverCounts what it takes over, once.
func TestRecoverCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stillOffice(t, voicetask.Config{}, fakeHook())
		left(t, o, store.Attempt{State: store.AttemptReserved}, nil)
		n, err := o.Recover(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "the lease holds")
		time.Sleep(31 * time.Second)
		n, err = o.Recover(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		row := rowOf(t, o.store, "t1")
		require.NotEqual(t, "direct:dead", row.Owner)
		require.False(t, row.DueAt.After(o.now()))
		n, err = o.Recover(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)

		o.store.before = func(op string, _ store.Record) error { return errStoreDown }
		time.Sleep(time.Hour)
		_, err = stillOffice(t, voicetask.Config{Store: o.store, Now: o.now}, fakeHook()).Recover(t.Context())
		require.ErrorIs(t, err, errStoreDown)
	})
}

// TestRecoverLeavesWhatIsPutOffAlone: it is taken when it is due.
func TestRecoverLeavesWhatIsPutOffAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook()
		o := stillOffice(t, voicetask.Config{}, p)
		seed(t, o.store, func(r *store.Record) {
			r.Owner, r.LeaseUntil, r.Status, r.DueAt = "direct:dead", start, store.StatusScheduled, start.Add(time.Hour)
		})
		time.Sleep(time.Minute)
		n, err := o.Recover(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		o.run()
		defer o.close()
		require.Equal(t, provider.OutcomeCompleted, o.wait().Outcome)
		require.GreaterOrEqual(t, since(rowOf(t, o.store, "t1").Attempts[0].SentAt), time.Hour)
	})
}

// TestTwoProcessesOnOneStore: one crashes, the other carries on; nobody is called
// twice.
func TestTwoProcessesOnOneStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fakeHook(providertest.Step{Lasts: 10 * time.Minute})
		s, clock := newFaultyStore(), clockFromStart()
		first := newOffice(t, voicetask.Config{Store: s, Now: clock}, p)
		second := newOffice(t, voicetask.Config{Store: s, Now: clock}, p)
		defer second.close()
		require.NoError(t, first.Submit(t.Context(), task()))
		time.Sleep(time.Minute)
		elsewhere, err := second.Running(t.Context(), "t1")
		require.NoError(t, err)
		_ = elsewhere // whether the lease still holds depends on when it was renewed last
		first.close() // the call is up, and nothing in hand
		require.Equal(t, provider.OutcomeCompleted, second.wait().Outcome)
		require.Equal(t, 1, p.Dials())
		require.Len(t, p.Requests(), 1)
	})
}

// TestTheOtherEngineTakesOverWhatDied: a workflow finds the row of a dead Direct.
func TestRunningElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stillOffice(t, voicetask.Config{}, fakeHook())
		left(t, o, store.Attempt{State: store.AttemptReserved}, nil)
		running, err := o.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.True(t, running, "another process has a lease")
		time.Sleep(time.Minute)
		running, err = o.Running(t.Context(), "t1")
		require.NoError(t, err)
		require.False(t, running)
	})
}
