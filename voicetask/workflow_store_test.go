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

// onFaultyStore is a world on a store that can be made to fail.
func onFaultyStore(t *testing.T, cfg voicetask.Config, steps ...providertest.Step) (*world, *faultyStore) {
	t.Helper()
	s := newFaultyStore()
	cfg.Store = s
	w := newWorld(t, cfg, steps...)
	s.UseClock(w.Now)
	return w, s
}

// TestStoreDownBeforeTheDial: no dial while it is down.
func TestStoreDownBeforeTheDial(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	s.before = func(op string, _ store.Record) error {
		if op == "create" || since(w.Now()) >= 10*time.Minute {
			return nil
		}
		require.Empty(t, w.fake.Requests())
		return errStoreDown
	}
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, w.fake.Dials())
	sent := since(w.row().Attempts[0].SentAt)
	require.GreaterOrEqual(t, sent, 10*time.Minute)
	require.LessOrEqual(t, sent, 11*time.Minute)
}

// TestStoreFailsAtEachWriteBeforeTheDial, once each: the dial still goes out once.
func TestStoreFailsAtEachWriteBeforeTheDial(t *testing.T) {
	for _, state := range []store.AttemptState{store.AttemptReserved, store.AttemptSending} {
		for _, applied := range []bool{false, true} {
			t.Run(string(state)+map[bool]string{true: ", reply lost", false: ", refused"}[applied], func(t *testing.T) {
				w, s := onFaultyStore(t, voicetask.Config{})
				failed := false
				fail := func(op string, r store.Record) error {
					if failed || !reaches(op, r, state) {
						return nil
					}
					failed = true
					return errStoreDown
				}
				if applied {
					s.after = fail
				} else {
					s.before = fail
				}
				res := w.run(task())
				require.True(t, failed)
				require.Equal(t, provider.OutcomeCompleted, res.Outcome)
				require.Len(t, w.fake.Requests(), 1)
				require.Equal(t, 1, w.row().Attempts[0].Sends)
				require.Len(t, w.row().Attempts, 1)
			})
		}
	}
}

// TestStoreLostWhilePassingTheFence: the write was applied, its reply lost, and the
// store is gone. Nobody knows whether this was us, so nobody dials: unknown, though
// nobody rang.
func TestStoreLostWhilePassingTheFence(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	down := false
	s.after = func(op string, r store.Record) error {
		if !reaches(op, r, store.AttemptSending) {
			return nil
		}
		down = true
		return errStoreDown
	}
	s.before = func(string, store.Record) error {
		if down && since(w.Now()) < time.Minute {
			return errStoreDown
		}
		return nil
	}
	res := w.run(task())
	require.Equal(t, provider.OutcomeUnknown, res.Outcome)
	require.Empty(t, w.fake.Requests())
	require.Equal(t, []string{provider.NoticeUnknownOutcome}, w.notices.kinds())
}

// TestStoreDownAfterThePlace: the id is kept by the workflow, the call is followed,
// and the row is put right in the end. The store stumbles for longer than the
// activity tries, in a bubble, since it tries by the wall clock.
func TestStoreDownAfterThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := onFaultyStore(t, voicetask.Config{Policy: voicetask.Policy{EventGrace: 40 * time.Second}})
		s.before = func(op string, r store.Record) error {
			if reaches(op, r, store.AttemptPlaced) || (since(w.Now()) < 30*time.Second && len(w.fake.Requests()) > 0) {
				return errStoreDown
			}
			return nil
		}
		res := w.run(task())
		require.Equal(t, provider.OutcomeCompleted, res.Outcome)
		require.Equal(t, provider.CallID("call-1"), res.Data.CallID)
		require.Equal(t, 1, w.fake.Dials())
		require.Len(t, w.fake.Requests(), 1)
		a := w.row().Attempts[0]
		require.Equal(t, store.AttemptEnded, a.State)
		require.Equal(t, provider.CallID("call-1"), a.CallID)
		require.Equal(t, provider.OutcomeCompleted, a.Outcome)
	})
}

// TestStoreStumblesAfterThePlace for a moment only.
func TestStoreStumblesAfterThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := onFaultyStore(t, voicetask.Config{})
		failures := 0
		s.before = func(op string, r store.Record) error {
			if reaches(op, r, store.AttemptPlaced) && failures < 3 {
				failures++
				return errStoreDown
			}
			return nil
		}
		w.after(20*time.Second, func() {
			w.must(errIf(w.row().Attempts[0].CallID != "call-1", "the row says %+v", w.row().Attempts[0]))
		})
		require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
		require.Equal(t, 3, failures)
	})
}

// TestStoreDownAfterACertainRefusal: the row still says sending, so the dial is
// looked for, and not sent again.
func TestStoreDownAfterACertainRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := onFaultyStore(t, voicetask.Config{}, providertest.Step{Fail: fails(provider.KindUnavailable)})
		s.before = func(op string, r store.Record) error {
			if reaches(op, r, store.AttemptNotSent) {
				return errStoreDown
			}
			return nil
		}
		res := w.run(task())
		require.Equal(t, provider.OutcomeUnknown, res.Outcome)
		require.Len(t, w.fake.Requests(), 1)
	})
}

// TestStoreDownAtTheEnd: the result is written when it takes it, however late.
func TestStoreDownAtTheEnd(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	refused := 0
	s.before = func(op string, r store.Record) error {
		if op == "update" && r.Status.Terminal() && since(w.Now()) < 2*time.Hour {
			refused++
			return errStoreDown
		}
		return nil
	}
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, store.StatusCompleted, w.row().Status)
	require.Greater(t, refused, 100)
	require.GreaterOrEqual(t, w.Now().Sub(start), 2*time.Hour)
}

// TestLostReplyOfTheLastWrite: the result is there, and stays as it is.
func TestLostReplyOfTheLastWrite(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	lost := false
	s.after = func(op string, r store.Record) error {
		if !lost && r.Status.Terminal() {
			lost = true
			return errStoreDown
		}
		return nil
	}
	require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
	require.True(t, lost)
}

// TestConflictsAreReadAgain: somebody else writes the row all the time.
func TestConflictsAreReadAgain(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	busy := false
	s.before = func(op string, r store.Record) error {
		if op != "update" {
			return nil
		}
		if busy = !busy; busy { // each second write meets a newer row
			fresh, err := s.Memory.Get(context.Background(), r.ID)
			require.NoError(t, err)
			_, err = s.Memory.Update(context.Background(), fresh)
			require.NoError(t, err)
		}
		return nil
	}
	res := w.run(task())
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 1, w.row().Attempts[0].Sends)
	require.Equal(t, 1, w.fake.Dials())
}

// TestRowTakenOverBeforeTheSend: a later execution reserves the row while this one
// prepares its request; the one that lost the row does not dial.
func TestRowTakenOverBeforeTheSend(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	taken := false
	s.before = func(op string, r store.Record) error {
		if taken || !reaches(op, r, store.AttemptSending) {
			return nil
		}
		taken = true
		fresh, err := s.Memory.Get(context.Background(), r.ID)
		require.NoError(t, err)
		fresh.Attempts[0].Token = "a later execution"
		_, err = s.Memory.Update(context.Background(), fresh)
		require.NoError(t, err)
		return nil
	}
	res := w.run(task())
	require.True(t, taken)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Len(t, w.fake.Requests(), 1, "by the execution that took it back")
	require.Positive(t, since(w.row().Attempts[0].SentAt))
}

// TestVolatileStoreThatLostItsRow cannot fence: what may have rung is unknown.
func TestVolatileStoreThatLostItsRow(t *testing.T) {
	s := &losing{Memory: store.NewMemory()}
	cfg := voicetask.Config{Store: s, Policy: always()}
	places := 0
	fake := providertest.NewFake("vapi")
	p := &hooked{Fake: fake}
	p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
		places++
		s.Memory = store.NewMemory() // the process of the store died
		return provider.Call{}, fails(provider.KindUnavailable)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, cfg, fake, p)
		res := w.run(task())
		require.Equal(t, provider.OutcomeUnknown, res.Outcome)
		require.Equal(t, 1, places)
		require.Equal(t, store.AttemptUnknown, w.row().Attempts[0].State)
		require.Equal(t, []string{provider.NoticeUnknownOutcome}, w.notices.kinds())
	})
}

// losing is a Memory that can be replaced by an empty one.
type losing struct{ *store.Memory }
