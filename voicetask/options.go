package voicetask

import (
	"fmt"
	"math"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The options of the activities: names, time-outs and retries. A time-out may change; a change of what is called
// or in which order needs workflow.GetVersion and a recorded history.

// executeOptions: the seed's 15 minutes. Its three sends, 10 s growing to 1 min apart,
// are counted in the row, so Temporal's attempts are unlimited: deploys and crashes must
// not use them up. What a worker that died had in hand is with another one after the
// heartbeat's time-out and a second; the row decides what that one may do.
func executeOptions(ctx workflow.Context, n int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: executeTimeout,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		Summary:             fmt.Sprintf("dial %d", n),
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:        time.Second,
			BackoffCoefficient:     2,
			MaximumInterval:        time.Minute,
			MaximumAttempts:        unlimited(ctx),
			NonRetryableErrorTypes: []string{ErrTypeSelection},
		},
	})
}

// awaitCallOptions: each poll is an attempt that failed for the time being. There
// is no deadline here; the workflow's timer is the deadline.
func awaitCallOptions(ctx workflow.Context, n int, p Policy) workflow.Context {
	interval := max(p.PollInterval, time.Second)
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		HeartbeatTimeout:    followTimeout,
		Summary:             fmt.Sprintf("follow dial %d", n),
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: interval, BackoffCoefficient: 1, MaximumInterval: interval, MaximumAttempts: unlimited(ctx)},
	})
}

// endOptions: tried for a bounded time, and for as long as a call may last that the
// platform cannot end; its own limits end the call after that.
func endOptions(ctx workflow.Context, n int, p Policy) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    2 * time.Minute,
		ScheduleToCloseTimeout: max(hangUpLongest, p.MaxCallDuration+2*hangUpGrace),
		HeartbeatTimeout:       followTimeout,
		Summary:                fmt.Sprintf("end dial %d", n),
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: unlimited(ctx)},
	})
}

// recordOptions: until the store takes it.
func recordOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		HeartbeatTimeout:    followTimeout,
		Summary:             "record the result",
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: unlimited(ctx)},
	})
}

// unlimited is RetryPolicy.MaximumAttempts for no limit. Temporal's test environment
// takes 0 for 10, which the polls of a call of a few minutes would use up.
func unlimited(ctx workflow.Context) int32 {
	if workflow.GetInfo(ctx).Namespace == testNamespace {
		return math.MaxInt32
	}
	return 0
}
