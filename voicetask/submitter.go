package voicetask

import (
	"context"

	"github.com/superservices/voice/provider"
)

// Submitter accepts tasks durably: after nil the task will be carried out. A task
// id already known is nil too. ErrInvalidTask is final; any other error is worth
// a retry. It is safe for concurrent use.
type Submitter interface {
	Submit(ctx context.Context, t Task) error
}

// Workflow is a task's workflow as a service sees it: *Client implements it, a
// host's tests fake it. Methods may be added. A task id that nothing is known of
// is ErrUnknownTask.
type Workflow interface {
	Submitter
	provider.EventSink
	// Cancel gives the task up: a call that is up is hung up. A task that has ended
	// stays as it is.
	Cancel(ctx context.Context, taskID string) error
	// Hold keeps the task from its next dial until Resume; a call that is up goes on.
	Hold(ctx context.Context, taskID, why string) error
	Resume(ctx context.Context, taskID string) error
	// State says what the task is doing.
	State(ctx context.Context, taskID string) (State, error)
	// Wait returns the result once the task has ended.
	Wait(ctx context.Context, taskID string) (Result, error)
	// Settle is an operator's or late evidence's word on a dial whose outcome is unknown.
	Settle(ctx context.Context, key string, end provider.Call) error
	// Erase blanks the personal data of a finished task's row and keeps the ledger.
	Erase(ctx context.Context, taskID string) error
	// Running reports whether anything still follows the task.
	Running(ctx context.Context, taskID string) (bool, error)
}
