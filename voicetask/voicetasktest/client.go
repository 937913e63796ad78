package voicetasktest

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
)

// testClient is the part of a Temporal client that voicetask.Client needs, on a
// test environment: the tests then submit and deliver through the same code as a
// service.
type testClient struct {
	env *testsuite.TestWorkflowEnvironment
}

// errNoServer is what needs a server that is not there.
var errNoServer = errors.New("voicetasktest: no Temporal server here")

func (c testClient) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	c.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: o.ID, TaskQueue: o.TaskQueue})
	c.env.ExecuteWorkflow(workflow, args...)
	return nil, nil
}

func (c testClient) SignalWorkflow(_ context.Context, workflowID, _, signalName string, arg any) error {
	if err := c.env.SignalWorkflowByID(workflowID, signalName, arg); err != nil {
		return serviceerror.NewNotFound(err.Error())
	}
	return nil
}

func (c testClient) QueryWorkflow(_ context.Context, workflowID, _, queryType string, args ...any) (converter.EncodedValue, error) {
	return c.env.QueryWorkflowByID(workflowID, queryType, args...)
}

func (c testClient) CancelWorkflow(_ context.Context, workflowID, _ string) error {
	c.env.CancelWorkflowByID(workflowID, "")
	return nil
}

func (c testClient) GetWorkflow(context.Context, string, string) client.WorkflowRun { return noRun{} }

func (c testClient) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return nil, errNoServer
}

// noRun is a run that only a server could tell of.
type noRun struct{ client.WorkflowRun }

func (noRun) Get(context.Context, any) error { return errNoServer }
