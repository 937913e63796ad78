package voicetask_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestHeldUpBehindTheFence: an execution that was frozen for longer than a few seconds
// between passing the fence and sending does not send: the phone would ring late.
func TestHeldUpBehindTheFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := onFaultyStore(t, voicetask.Config{})
		w.SetTestTimeout(time.Minute)
		frozen := false
		s.after = func(op string, r store.Record) error {
			if !frozen && reaches(op, r, store.AttemptSending) {
				frozen = true
				require.Empty(t, w.fake.Requests())
				time.Sleep(6 * time.Second) // by the clock of the machine
			}
			return nil
		}
		w.after(time.Second, func() { w.must(errIf(len(w.fake.Requests()) > 0, "sent late")) })
		require.Equal(t, provider.OutcomeCompleted, w.run(task()).Outcome)
		require.True(t, frozen)
		require.Len(t, w.fake.Requests(), 1)
		a := w.row().Attempts[0]
		require.Equal(t, 2, a.Sends, "the first of them was not used")
		require.Equal(t, provider.KindUnavailable, a.Kind)
	})
}

// TestExecuteHeartbeats while Place takes its time, and stops with it.
func TestExecuteHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := providertest.NewFake("vapi")
		p := &hooked{Fake: fake}
		p.place = func(ctx context.Context, req provider.Request) (provider.Call, error) {
			time.Sleep(25 * time.Second)
			return fake.Place(ctx, req)
		}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.SetTestTimeout(time.Minute)
		beats := 0
		env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { beats++ })
		require.NoError(t, voicetask.RegisterActivities(env, voicetask.Config{Providers: registry(t, p), Store: store.NewMemory()}))
		_, err := env.ExecuteActivity(voicetask.ActivityName, voicetask.CallInput{Task: task(), N: 1, Key: "t1/1"})
		require.NoError(t, err)
		require.Positive(t, beats)
	})
}

// TestExecuteStopsBeforeTheFenceWhenItsContextEnds: a worker that is being stopped
// hands over.
func TestExecuteStopsBeforeTheFenceWhenItsContextEnds(t *testing.T) {
	p, s := fakeHook(), store.NewMemory()
	ctx, cancel := context.WithCancelCause(t.Context())
	a, err := voicetask.NewActivities(voicetask.Config{Providers: registry(t, p), Store: s, Prepare: func(context.Context, voicetask.Task, *provider.Request) error {
		return nil
	}, Enabled: func() bool { return true }})
	require.NoError(t, err)
	cancel(errServerDown)
	_, err = a.ExecuteCall(ctx, voicetask.CallInput{Task: task(), N: 1, Key: "t1/1"})
	require.Error(t, err)
	require.Empty(t, p.Requests())
}
