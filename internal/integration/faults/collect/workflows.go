package collect

import (
	"context"
	"crypto/rand"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Workflows lists the executions of a task queue, as "temporal workflow list" does.
func Workflows(ctx context.Context, c client.Client, queue string) ([]audit.Workflow, error) {
	var (
		all  []audit.Workflow
		page []byte
	)
	for {
		resp, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("TaskQueue = '%s'", queue), PageSize: 1000, NextPageToken: page,
		})
		if err != nil {
			return nil, fmt.Errorf("collect: listing workflows: %w", err)
		}
		for _, w := range resp.GetExecutions() {
			all = append(all, audit.Workflow{ID: w.GetExecution().GetWorkflowId(), Status: w.GetStatus().String()})
		}
		if page = resp.GetNextPageToken(); len(page) == 0 {
			return all, nil
		}
	}
}

// Running counts the executions of a task queue that have not ended.
func Running(ctx context.Context, c client.Client, queue string) (int64, error) {
	resp, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: fmt.Sprintf("TaskQueue = '%s' AND ExecutionStatus = 'Running'", queue),
	})
	return resp.GetCount(), err
}

// Pollers are the identities of those who ask a task queue for workflow tasks and for
// activities both.
func Pollers(ctx context.Context, c client.Client, queue string) (map[string]bool, error) {
	kinds := map[string]int{}
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		d, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: client.DefaultNamespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: kind,
		})
		if err != nil {
			return nil, fmt.Errorf("collect: asking who polls: %w", err)
		}
		for _, p := range d.GetPollers() {
			kinds[p.GetIdentity()]++
		}
	}
	both := map[string]bool{}
	for name, n := range kinds {
		both[name] = n == 2
	}
	return both, nil
}

// HistoryLengths are the numbers of events of the executions that have not ended.
func HistoryLengths(ctx context.Context, c client.Client, queue string) (map[string]int64, error) {
	all, err := Workflows(ctx, c, queue)
	if err != nil {
		return nil, err
	}
	lengths := map[string]int64{}
	for _, w := range all {
		if w.Status != running {
			continue
		}
		d, err := c.DescribeWorkflowExecution(ctx, w.ID, "")
		if err != nil {
			return nil, err
		}
		lengths[w.ID] = d.GetWorkflowExecutionInfo().GetHistoryLength()
	}
	return lengths, nil
}

// running is the status of an execution that has not ended.
const running = "Running"

// ResetRunning turns the executions that have not ended back to their first workflow
// task, as "temporal workflow reset" does, and returns how many.
func ResetRunning(ctx context.Context, c client.Client, queue string) (n int, err error) {
	all, err := Workflows(ctx, c, queue)
	if err != nil {
		return 0, err
	}
	for _, w := range all {
		if w.Status != running {
			continue
		}
		if Reset(ctx, c, w.ID) == nil { // else it has ended meanwhile
			n++
		}
	}
	return n, nil
}

// Reset turns one execution back to its first workflow task.
func Reset(ctx context.Context, c client.Client, id string) error {
	const firstTaskCompleted = 4 // started, scheduled, started, completed
	_, err := c.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		Reason: "fault harness", WorkflowTaskFinishEventId: firstTaskCompleted, RequestId: rand.Text(),
	})
	return err
}

// Forget deletes every execution of a task queue, as the end of their retention does.
func Forget(ctx context.Context, c client.Client, queue string) error {
	all, err := Workflows(ctx, c, queue)
	if err != nil {
		return err
	}
	for _, w := range all {
		_, err := c.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: client.DefaultNamespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: w.ID},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
