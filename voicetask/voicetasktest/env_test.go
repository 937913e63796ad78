package voicetasktest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

func TestPlainCallIsRecorded(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{})
	res, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, store.StatusCompleted, res.Status)
	require.NotEmpty(t, res.Data.Transcript)
	require.Equal(t, 1, env.Fake.Dials())
	rec, err := env.Store.Get(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, store.StatusCompleted, rec.Status)
	require.Equal(t, store.AttemptEnded, rec.Attempts[0].State)
}

func TestEventEndsTheWait(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: 20 * time.Second})
	env.DeliverAfter(25*time.Second, func() provider.Event { return env.Fake.Event("t1/1") })
	res, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Equal(t, 25*time.Second, env.Now().Sub(voicetasktest.Start), "the event, not the poll, ended the wait")
}

// TestOneClock: the row, the fake and the workflow agree on what time it is.
func TestOneClock(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{})
	_, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	rec, err := env.Store.Get(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, voicetasktest.Start, rec.CreatedAt)
	require.Equal(t, voicetasktest.Start, rec.Attempts[0].SentAt)
	require.Equal(t, voicetasktest.Start, rec.Attempts[0].DialledAt)
	require.Equal(t, time.Wednesday, voicetasktest.Start.Weekday())
}

func TestTaskIsValid(t *testing.T) {
	task := voicetasktest.Task("t1")
	require.NoError(t, task.Validate())
	require.Equal(t, "t1", task.ID)
	require.Equal(t, "UTC", task.TimeZone)
}

// TestCallOfManyPolls: the environment alone would give an activity ten attempts.
func TestCallOfManyPolls(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{}, providertest.Step{Lasts: 14 * time.Minute})
	res, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
}

// TestWhatNeverWorksEnds: a host's test of it must not run for ever.
func TestWhatNeverWorksEnds(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{Gates: []voicetask.Gate{voicetask.GateFunc(
		func(context.Context, voicetask.Dial) (voicetask.Verdict, error) {
			return voicetask.Verdict{}, errors.New("down")
		},
	)}})
	env.SetWorkflowRunTimeout(24 * time.Hour)
	_, err := env.Run(voicetasktest.Task("t1"))
	require.Error(t, err)
	require.Empty(t, env.Fake.Requests())
}

// TestTaskOfManyWeeks needs to be allowed for.
func TestTaskOfManyWeeks(t *testing.T) {
	task := voicetasktest.Task("t1")
	task.NotBefore = voicetasktest.Start.AddDate(0, 2, 0)
	env := voicetasktest.New(t, voicetask.Config{})
	_, err := env.Run(task)
	require.Error(t, err, "31 days is what an environment gives")

	env = voicetasktest.New(t, voicetask.Config{})
	env.SetWorkflowRunTimeout(100 * 24 * time.Hour)
	res, err := env.Run(task)
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
}

func TestStoreAndProvidersOfTheHost(t *testing.T) {
	fake := providertest.NewFake("own")
	registry, err := provider.NewRegistry(fake)
	require.NoError(t, err)
	mine := store.NewMemory()
	env := voicetasktest.New(t, voicetask.Config{Providers: registry, Store: mine, DefaultProvider: "own"})
	fake.UseClock(env.Now)
	require.Nil(t, env.Fake)
	require.Same(t, mine, env.Store)
	_, err = env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	_, err = mine.Get(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, 1, fake.Dials())
}

func TestErrorsOfRun(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{})
	_, err := env.Run(voicetask.Task{ID: "a/b"})
	require.ErrorIs(t, err, voicetask.ErrInvalidTask)

	env = voicetasktest.New(t, voicetask.Config{})
	task := voicetasktest.Task("t1")
	task.Data.Provider = "twilio"
	res, err := env.Run(task)
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, voicetask.ErrTypeSelection, application.Type())
	require.Equal(t, store.StatusFailed, res.Status, "the stored result is there all the same")
}

// slow is a store that stands still once, for longer than the SDK's test environment waits
// by default: so does a machine.
type slow struct {
	store.Store
	once sync.Once
}

func (s *slow) Update(ctx context.Context, r store.Record) (store.Record, error) {
	s.once.Do(func() { time.Sleep(4 * time.Second) })
	return s.Store.Update(ctx, r)
}

func TestABusyMachineFailsNoTask(t *testing.T) {
	t.Parallel()
	env := voicetasktest.New(t, voicetask.Config{Store: &slow{Store: store.NewMemory()}, AllowVolatile: true})
	res, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
}

func TestChildOfTheHosts(t *testing.T) {
	parent := func(ctx workflow.Context, task voicetask.Task) (provider.Outcome, error) {
		var res voicetask.Result
		err := voicetask.ExecuteChild(ctx, task).Get(ctx, &res)
		return res.Outcome, err
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflow(parent)
	e := voicetasktest.Register(t, env, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeNoAnswer})
	env.ExecuteWorkflow(parent, voicetasktest.Task("t1"))
	require.NoError(t, env.GetWorkflowError())
	var o provider.Outcome
	require.NoError(t, env.GetWorkflowResult(&o))
	require.Equal(t, provider.OutcomeNoAnswer, o)
	require.Equal(t, 1, e.Fake.Dials())
}
