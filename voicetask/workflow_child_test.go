package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// hostWorkflow is a host's own workflow with a call in it.
func hostWorkflow(ctx workflow.Context, t voicetask.Task) (voicetask.Result, error) {
	var res voicetask.Result
	err := voicetask.ExecuteChild(ctx, t).Get(ctx, &res)
	return res, err
}

// host runs hostWorkflow on an environment of its own.
func host(t *testing.T, w any, steps ...providertest.Step) (*testsuite.TestWorkflowEnvironment, *voicetasktest.Env) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(start)
	env.RegisterWorkflow(w)
	return env, voicetasktest.Register(t, env, voicetask.Config{}, steps...)
}

func TestExecuteChild(t *testing.T) {
	env, e := host(t, hostWorkflow)
	e.DeliverAfter(30*time.Second, func() provider.Event { return e.Fake.Event("t1/1") })
	env.ExecuteWorkflow(hostWorkflow, task())
	require.NoError(t, env.GetWorkflowError())
	var res voicetask.Result
	require.NoError(t, env.GetWorkflowResult(&res))
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, 30*time.Second, env.Now().Sub(start), "the event reached the child by its id")
	require.Equal(t, store.StatusCompleted, rowOf(t, e.Store, "t1").Status)
}

// TestParentCancelledHangsUp, and the parent learns how the call ended.
func TestParentCancelledHangsUp(t *testing.T) {
	env, e := host(t, hostWorkflow, providertest.Step{Lasts: 10 * time.Minute})
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(hostWorkflow, task())
	require.True(t, env.IsWorkflowCompleted())
	row := rowOf(t, e.Store, "t1")
	require.Equal(t, provider.OutcomeCancelled, row.Outcome)
	require.Equal(t, time.Minute, since(row.Attempts[0].EndedAt))
	var res voicetask.Result
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, env.GetWorkflowResult(&res))
	require.Equal(t, provider.OutcomeCancelled, res.Outcome)
}

// TestParentThatClosesHangsUp although it did not wait for the call.
func TestParentThatClosesHangsUp(t *testing.T) {
	leaves := func(ctx workflow.Context, t voicetask.Task) error {
		if err := voicetask.ExecuteChild(ctx, t).GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return err
		}
		return workflow.Sleep(ctx, time.Minute)
	}
	env, e := host(t, leaves, providertest.Step{Lasts: 10 * time.Minute})
	env.ExecuteWorkflow(leaves, task())
	require.NoError(t, env.GetWorkflowError())
	row := rowOf(t, e.Store, "t1")
	require.Equal(t, provider.OutcomeCancelled, row.Outcome)
	require.Equal(t, time.Minute, since(row.Attempts[0].EndedAt))
}

// TestChildOptionsOfTheHostAreKept, but for what makes the task findable and unique.
func TestChildOptionsOfTheHostAreKept(t *testing.T) {
	var seen *workflow.Info
	inspects := func(ctx workflow.Context, t voicetask.Task) error {
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID: "of-the-host", TaskQueue: "calls", WorkflowRunTimeout: time.Hour,
		})
		return voicetask.ExecuteChild(ctx, t).Get(ctx, nil)
	}
	env, _ := host(t, inspects)
	env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) { seen = info })
	env.ExecuteWorkflow(inspects, task())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, "voice-task-t1", seen.WorkflowExecution.ID)
	require.Equal(t, "calls", seen.TaskQueueName)
	require.Equal(t, time.Hour, seen.WorkflowRunTimeout)
}
