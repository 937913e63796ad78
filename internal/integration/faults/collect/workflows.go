package collect

import (
	"context"
	"fmt"

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
			Query: fmt.Sprintf("TaskQueue = %q", queue), PageSize: 1000, NextPageToken: page,
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
		Query: fmt.Sprintf("TaskQueue = %q AND ExecutionStatus = 'Running'", queue),
	})
	return resp.GetCount(), err
}
