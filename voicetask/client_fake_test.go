package voicetask_test

import (
	"context"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/superservices/voice/voicetask"
)

// fakeTemporal is a Temporal server as a Client sees it: it keeps what it was asked,
// in order, and answers as scripted.
type fakeTemporal struct {
	mu      sync.Mutex
	started []client.StartWorkflowOptions
	inputs  []voicetask.Task
	signals []sentSignal
	cancels []string

	// The scripted answers; nil errors are successes.
	startErr, signalErr, cancelErr, queryErr, describeErr, resultErr error

	startErrs []error // of the first starts, before startErr

	onStart func()
	state   voicetask.State
	result  voicetask.Result
	status  enumspb.WorkflowExecutionStatus
}

type sentSignal struct {
	workflowID, name string
	arg              any
}

func (f *fakeTemporal) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onStart != nil {
		f.onStart()
	}
	f.started = append(f.started, o)
	f.inputs = append(f.inputs, args[0].(voicetask.Task))
	if len(f.startErrs) > 0 {
		err := f.startErrs[0]
		f.startErrs = f.startErrs[1:]
		return nil, err
	}
	return nil, f.startErr
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, workflowID, _, name string, arg any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signals = append(f.signals, sentSignal{workflowID, name, arg})
	return f.signalErr
}

func (f *fakeTemporal) CancelWorkflow(_ context.Context, workflowID, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancels = append(f.cancels, workflowID)
	return f.cancelErr
}

func (f *fakeTemporal) QueryWorkflow(_ context.Context, _, _, query string, _ ...any) (converter.EncodedValue, error) {
	if f.queryErr != nil {
		return nil, f.queryErr
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(f.state)
	return client.NewValue(payloads), err
}

func (f *fakeTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return fakeRun{f: f}
}

func (f *fakeTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if f.describeErr != nil {
		return nil, f.describeErr
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: f.status}}, nil
}

type fakeRun struct {
	client.WorkflowRun
	f *fakeTemporal
}

func (r fakeRun) Get(_ context.Context, out any) error {
	if r.f.resultErr != nil {
		return r.f.resultErr
	}
	*out.(*voicetask.Result) = r.f.result
	return nil
}
