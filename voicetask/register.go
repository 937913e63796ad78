package voicetask

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/provider"
)

// Registrar is met by worker.Worker and *testsuite.TestWorkflowEnvironment.
type Registrar interface {
	WorkflowRegistrar
	ActivityRegistrar
}

// WorkflowRegistrar is also met by worker.WorkflowReplayer.
type WorkflowRegistrar interface {
	RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions)
}

// ActivityRegistrar is also met by *testsuite.TestActivityEnvironment.
type ActivityRegistrar interface {
	RegisterActivityWithOptions(a any, o activity.RegisterOptions)
}

// RegisterWorker registers the workflow and the activities (versioning behaviour
// AutoUpgrade), once per worker. It checks all of cfg before it registers
// anything; an error names the field and the remedy.
func RegisterWorker(r Registrar, cfg Config) error {
	if r == nil {
		return errors.New("voicetask: RegisterWorker: the worker is nil")
	}
	if err := RegisterActivities(r, cfg); err != nil {
		return err
	}
	RegisterWorkflows(r)
	return nil
}

// RegisterWorkflows registers the workflow only: workers without activities,
// replay.
func RegisterWorkflows(r WorkflowRegistrar) {
	r.RegisterWorkflowWithOptions(VoiceTaskWorkflow, workflow.RegisterOptions{
		Name: WorkflowName, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
}

// RegisterActivities registers the activities only.
func RegisterActivities(r ActivityRegistrar, cfg Config) error {
	if r == nil {
		return errors.New("voicetask: RegisterActivities: the worker is nil")
	}
	a, err := NewActivities(cfg)
	if err != nil {
		return err
	}
	reg := registered{a}
	r.RegisterActivityWithOptions(reg.voiceExecuteCall, activity.RegisterOptions{Name: ActivityName})
	r.RegisterActivityWithOptions(reg.voiceAwaitCall, activity.RegisterOptions{Name: ActivityAwaitCall})
	r.RegisterActivityWithOptions(reg.voiceEndCall, activity.RegisterOptions{Name: ActivityEndCall})
	r.RegisterActivityWithOptions(reg.voiceRecordResult, activity.RegisterOptions{Name: ActivityRecordResult})
	return nil
}

// registered is what Temporal calls. The names of its methods are private and odd
// on purpose: the SDK also resolves a call by reference by the method's own name,
// and a host's ExecuteCall must never reach ours.
type registered struct{ a Activity }

func (r registered) voiceExecuteCall(ctx context.Context, in CallInput) (d Dialled, err error) {
	defer finishActivity(ctx, in.Task, &err)
	return r.a.ExecuteCall(ctx, in)
}

func (r registered) voiceAwaitCall(ctx context.Context, in CallInput) (c provider.Call, err error) {
	defer finishActivity(ctx, in.Task, &err)
	defer beat(ctx)()
	return r.a.AwaitCall(ctx, in)
}

func (r registered) voiceEndCall(ctx context.Context, in CallInput) (c provider.Call, err error) {
	defer finishActivity(ctx, in.Task, &err)
	defer beat(ctx)()
	return r.a.EndCall(ctx, in)
}

func (r registered) voiceRecordResult(ctx context.Context, in ResultInput) (err error) {
	defer finishActivity(ctx, in.Task, &err)
	defer beat(ctx)()
	return r.a.RecordResult(ctx, in.withMetadata())
}

// finishActivity makes of what an activity ended with Temporal's error. A panic of the
// host's code is an error like any other: the SDK would write down what it said.
func finishActivity(ctx context.Context, t Task, err *error) {
	if p := recover(); p != nil {
		*err = panicked(p)
		activity.GetLogger(ctx).Error("an activity panicked", "task_id", t.ID, "error", quiet(t, *err).Error(), "stack", string(debug.Stack()))
	}
	*err = temporalError(t, *err)
}

func panicked(p any) error { return fmt.Errorf("voicetask: panic: %v", p) }
