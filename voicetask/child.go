package voicetask

import (
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"
)

// ExecuteChild runs t as a child of the host's workflow, with the id webhooks are
// sent to; when the parent closes the task is cancelled, which hangs up. Other
// ChildWorkflowOptions in ctx (task queue, memo) are kept.
func ExecuteChild(ctx workflow.Context, t Task) workflow.ChildWorkflowFuture {
	o := workflow.GetChildWorkflowOptions(ctx)
	o.WorkflowID = WorkflowID(t.ID)
	o.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	o.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL
	o.WaitForCancellation = true // the result tells how the call ended
	if o.StaticSummary == "" {
		o.StaticSummary = summary(t)
	}
	return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, o), WorkflowName, t)
}

// summary tells a person in the Web UI what the task is, without its number: the SDK
// hands it to the host's data converter, but not every host has one that encrypts.
func summary(t Task) string {
	callee := "no number"
	if t.Data.ContactNumber != "" {
		callee = maskedNumber(t.Data.ContactNumber)
	}
	return "Call " + callee + " by agent " + hidden(t, t.AgentID)
}
