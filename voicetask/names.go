package voicetask

// Names in workflow history and on the wire: permanent.
const (
	WorkflowName         = "VoiceTaskWorkflow"
	ActivityName         = "execute_call_activity"
	ActivityAwaitCall    = "await_call_activity"
	ActivityEndCall      = "end_call_activity"
	ActivityRecordResult = "record_result_activity"
	// SignalCallEvent carries a provider.Event.
	SignalCallEvent = "call_event"
	// SignalHold carries a string: why. SignalResume carries nothing.
	SignalHold   = "hold"
	SignalResume = "resume"
	// QueryState answers with a State.
	QueryState = "state"
	// ErrTypeSelection is the Temporal error type of a task that no provider fits.
	ErrTypeSelection = "ValueError"
	// ErrTypeProvider is followed by a provider.Kind.
	ErrTypeProvider  = "provider."
	DefaultTaskQueue = "voice-task-queue"
)

// WorkflowID is the id of a task's workflow: "voice-task-" + taskID.
func WorkflowID(taskID string) string { return "voice-task-" + taskID }

// ownerTemporal is store.Record.Owner of a task that a workflow carries out.
const ownerTemporal = "temporal"

// Rules: the first word of Dialled.Rule, Record.Reason and Result.Reason, which
// say by which rule a task was put off, refused or ended.
const (
	RuleNotBefore   = "not_before"   // the task's own not_before
	RuleNotAfter    = "not_after"    // the task's own not_after
	RuleRedial      = "redial"       // the policy's wait between two dials
	RuleHours       = "hours"        // Config.Hours
	RuleKillSwitch  = "kill_switch"  // Config.Enabled
	RuleBreaker     = "breaker"      // Config.Breaker
	RuleHold        = "hold"         // somebody put the task on hold
	RuleCancel      = "cancel"       // somebody cancelled the task
	RulePolicy      = "policy"       // the policy cannot work with the provider
	RuleSelection   = "selection"    // no provider fits
	RuleSends       = "sends"        // the dial used up its sends
	RuleDeadline    = "deadline"     // the call outlasted its limit
	RuleOutcome     = "outcome"      // the call's own outcome was final
	RuleMaxDials    = "max_dials"    // no dial left
	RuleUnknown     = "unknown"      // it cannot be proved whether a phone rang
	RuleOtherEngine = "other_engine" // Temporal or Direct, whichever it was not, carries the task out
	RuleInvalid     = "invalid_task" // the task is malformed
	RuleClosed      = "closed"       // the task had ended already
)
