//go:build voice_mutant

package voicetask_test

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/voicetask"
)

// registerForReplay registers the workflow with one timer too many.
func registerForReplay(r voicetask.WorkflowRegistrar) {
	mutant := func(ctx workflow.Context, t voicetask.Task) (voicetask.Result, error) {
		if err := workflow.Sleep(ctx, time.Second); err != nil {
			return voicetask.Result{}, err
		}
		return voicetask.VoiceTaskWorkflow(ctx, t)
	}
	r.RegisterWorkflowWithOptions(mutant, workflow.RegisterOptions{Name: voicetask.WorkflowName})
}
