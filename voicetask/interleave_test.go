package voicetask_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// What the search of internal/fence found between two executions of one dial, made to
// happen in the activities themselves.

// reservedBy is a dial that another execution holds, which has not sent.
func reservedBy(token string) []store.Attempt {
	return []store.Attempt{{N: 1, Key: "t1/1", Provider: "vapi", State: store.AttemptReserved, Token: token, ReservedAt: start}}
}

// execute is one run of execute_call_activity for dial 1 of task "t1".
func execute(t *testing.T, ctx context.Context, cfg voicetask.Config) (voicetask.Dialled, error) {
	t.Helper()
	a, err := voicetask.NewActivities(cfg)
	require.NoError(t, err)
	return a.ExecuteCall(ctx, voicetask.CallInput{Task: task(), N: 1, Key: "t1/1"})
}

// TestWhatTheJudgeRefusesCannotPassTheFenceLater: another execution had reserved the
// dial and is frozen. What it holds is given up before the task is ended.
func TestWhatTheJudgeRefusesCannotPassTheFenceLater(t *testing.T) {
	fake, s := providertest.NewFake("vapi"), store.NewMemory()
	seed(t, s, func(r *store.Record) { r.Owner, r.Attempts = "temporal", reservedBy("frozen") })
	d, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, fake), Store: s, Gates: []voicetask.Gate{refusing(1)}})
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCancelled, d.End)
	require.Equal(t, store.AttemptAborted, rowOf(t, s, "t1").Attempts[0].State)
}

// TestWhatPassedTheFenceIsNotRefused: the other execution was faster than the judge.
func TestWhatPassedTheFenceIsNotRefused(t *testing.T) {
	fake, s := providertest.NewFake("vapi"), store.NewMemory()
	seed(t, s, func(r *store.Record) { r.Owner, r.Attempts = "temporal", reservedBy("another") })
	passes := voicetask.GateFunc(func(ctx context.Context, _ voicetask.Dial) (voicetask.Verdict, error) {
		_, err := store.Modify(ctx, s, "t1", func(r *store.Record) error {
			r.Attempts[0].State, r.Attempts[0].Sends, r.Attempts[0].SentAt = store.AttemptSending, 1, time.Now()
			return nil
		})
		return voicetask.Verdict{Refuse: true, Rule: "suppression"}, err
	})
	d, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, fake), Store: s, Gates: []voicetask.Gate{passes}})
	require.Error(t, err, "it is looked at again: %+v", d)
	require.Equal(t, store.AttemptSending, rowOf(t, s, "t1").Attempts[0].State)
}

// TestLateWriteOfTheSend: the store's answer was an error, and the write arrives after
// the row was read again. It was ours, and is made use of once.
func TestLateWriteOfTheSend(t *testing.T) {
	w, s := onFaultyStore(t, voicetask.Config{})
	var late *store.Record
	tries := 0
	s.before = func(op string, r store.Record) error {
		if !reaches(op, r, store.AttemptSending) {
			return nil
		}
		switch tries++; tries {
		case 1:
			late = &r
			return errStoreDown
		case 2:
			_, err := s.Memory.Update(context.Background(), *late)
			require.NoError(t, err)
		}
		return nil
	}
	res := w.run(task())
	require.Equal(t, 2, tries)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Len(t, w.fake.Requests(), 1)
	require.Equal(t, 1, w.row().Attempts[0].Sends)
}

// TestStopInTheMiddleOfTheSend: a worker that is stopped while it passes the fence
// finishes what it has begun; else nobody could tell whether it had sent.
func TestStopInTheMiddleOfTheSend(t *testing.T) {
	fake, s := providertest.NewFake("vapi"), newFaultyStore()
	seed(t, s, func(*store.Record) {})
	ctx, stop := context.WithCancel(t.Context())
	stopped := false
	s.before = func(op string, r store.Record) error {
		if reaches(op, r, store.AttemptSending) {
			stopped = true
			stop()
		}
		return nil
	}
	d, err := execute(t, ctx, voicetask.Config{Providers: registry(t, fake), Store: s})
	require.NoError(t, err)
	require.True(t, stopped)
	require.Equal(t, provider.CallID("call-1"), d.Call.ID)
	require.Equal(t, store.AttemptPlaced, rowOf(t, s, "t1").Attempts[0].State)
}

// TestLookingInVainGivesUpWhatItLookedFor and not a send that followed it.
func TestLookingInVainGivesUpWhatItLookedFor(t *testing.T) {
	s := store.NewMemory()
	long := time.Now().Add(-time.Hour)
	seed(t, s, func(r *store.Record) {
		r.Owner, r.Attempts = "temporal", reservedBy("first")
		r.Attempts[0].State, r.Attempts[0].Sends, r.Attempts[0].SentAt = store.AttemptSending, 1, long
	})
	p := &seeker{Fake: providertest.NewFake("vapi"), find: func() {
		_, err := store.Modify(context.Background(), s, "t1", func(r *store.Record) error { // not placed after all, and sent again
			r.Attempts[0].Token, r.Attempts[0].Sends, r.Attempts[0].SentAt = "second", 2, time.Now()
			return nil
		})
		require.NoError(t, err)
	}}
	_, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, p), Store: s})
	require.Error(t, err, "it is looked at again")
	a := rowOf(t, s, "t1").Attempts[0]
	require.Equal(t, store.AttemptSending, a.State)
	require.Equal(t, "second", a.Token)

	p.find = func() {}
	_, err = store.Modify(t.Context(), s, "t1", func(r *store.Record) error { r.Attempts[0].SentAt = long; return nil })
	require.NoError(t, err)
	d, err := execute(t, t.Context(), voicetask.Config{Providers: registry(t, p), Store: s})
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeUnknown, d.Call.Outcome)
}

// seeker does something while it looks for a call, and does not find it.
type seeker struct {
	*providertest.Fake
	find func()
}

func (s *seeker) Find(context.Context, string, time.Time) (provider.Call, error) {
	s.find()
	return provider.Call{}, fails(provider.KindNotFound)
}

// onServer runs execute_call_activity after an attempt whose heartbeat told details.
func onServer(t *testing.T, cfg voicetask.Config, details map[string]any, n int) (voicetask.Dialled, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute) // the SDK allows 3 s
	env.SetHeartbeatDetails(details)
	require.NoError(t, voicetask.RegisterActivities(env, cfg))
	value, err := env.ExecuteActivity(voicetask.ActivityName, voicetask.CallInput{Task: task(), N: n, Key: provider.Key("t1", n)})
	if err != nil {
		return voicetask.Dialled{}, err
	}
	var d voicetask.Dialled
	require.NoError(t, value.Get(&d))
	return d, nil
}

// TestRowLostWithTheDialsBefore: the second dial was being sent, and the store has lost
// the first one, too. That ends the task; it is not tried for ever.
func TestRowLostWithTheDialsBefore(t *testing.T) {
	fake, s, seen := providertest.NewFake("vapi"), store.NewMemory(), &notices{}
	d, err := onServer(t, voicetask.Config{Providers: registry(t, fake), Store: s, Observe: seen.observe}, map[string]any{"key": "t1/2", "send": 1}, 2)
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeUnknown, d.End)
	require.Equal(t, voicetask.RuleUnknown, d.Rule)
	require.Zero(t, fake.Dials())
	require.Equal(t, []string{provider.NoticeUnknownOutcome}, seen.kinds())
}

// TestIdThatOnlyTheHeartbeatKnows: the store was down when the call was placed, and the
// worker died then.
func TestIdThatOnlyTheHeartbeatKnows(t *testing.T) {
	for token, want := range map[string]provider.CallID{"mine": "call-7", "another": ""} {
		s := store.NewMemory()
		seed(t, s, func(r *store.Record) {
			r.Owner, r.Attempts = "temporal", reservedBy("mine")
			r.Attempts[0].State, r.Attempts[0].Sends, r.Attempts[0].SentAt = store.AttemptSending, 1, time.Now()
		})
		p := plain{providertest.NewFake("vapi")} // it cannot look for a call
		d, err := onServer(t, voicetask.Config{Providers: registry(t, p), Store: s}, map[string]any{"key": "t1/1", "token": token, "send": 1, "call_id": "call-7"}, 1)
		require.Equal(t, want, d.Call.ID)
		require.Equal(t, want, rowOf(t, s, "t1").Attempts[0].CallID)
		require.Equal(t, want == "", err != nil, "%v", err)
	}
}

// TestASenderThatWasPausedMayComeBack: the row is reserved by whoever left the word, so the
// store may have lost a write, or the sender have been held up for a moment. It is given one
// before the dial is unknown.
func TestASenderThatWasPausedMayComeBack(t *testing.T) {
	for ago, unknown := range map[time.Duration]bool{9 * time.Second: false, time.Minute: true, -time.Hour: true} {
		fake, s := providertest.NewFake("vapi"), store.NewMemory()
		seed(t, s, func(r *store.Record) {
			r.Owner, r.Attempts = "temporal", reservedBy("mine")
			r.Attempts[0].ReservedAt = time.Now().Add(-ago)
		})
		d, err := onServer(t, voicetask.Config{Providers: registry(t, fake), Store: s}, map[string]any{"key": "t1/1", "token": "mine", "send": 1}, 1)
		require.Equal(t, unknown, err == nil, "%v: %v", ago, err)
		require.Equal(t, unknown, d.Call.Outcome == provider.OutcomeUnknown, ago)
		require.Equal(t, unknown, rowOf(t, s, "t1").Attempts[0].State == store.AttemptUnknown, ago)
		require.Zero(t, fake.Dials())
	}
}
