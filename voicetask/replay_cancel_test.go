package voicetask_test

import (
	"log/slog"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/superservices/voice/voicetask"
)

// TestCancelDuringACallOnAServer: on a server a cancelled timer is ready at once, in
// the test environment a moment later, so only a history tells whether the workflow
// takes that for the end of its patience. The history is a recorded one up to the
// wait for the call, and goes on with a cancellation.
func TestCancelDuringACallOnAServer(t *testing.T) {
	file, err := os.Open("testdata/histories/plain.json")
	require.NoError(t, err)
	defer file.Close()
	recorded, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	require.NoError(t, err)

	replay := func(next string) error {
		replayer := newReplayer(t)
		voicetask.RegisterWorkflows(replayer)
		return replayer.ReplayWorkflowHistory(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), cancelledWhileWaiting(t, recorded, next))
	}
	require.NoError(t, replay(voicetask.ActivityEndCall))
	require.Error(t, replay(voicetask.ActivityAwaitCall), "the replay would not notice a difference")
}

// cancelledWhileWaiting is recorded up to its first timer, then cancelled; the
// workflow answers by scheduling the activity next.
func cancelledWhileWaiting(t *testing.T, recorded *historypb.History, next string) *historypb.History {
	t.Helper()
	h := &historypb.History{}
	for _, e := range recorded.GetEvents() {
		h.Events = append(h.Events, e)
		if e.GetEventType() == enumspb.EVENT_TYPE_TIMER_STARTED {
			break
		}
	}
	timer := h.Events[len(h.Events)-1]
	require.Equal(t, enumspb.EVENT_TYPE_TIMER_STARTED, timer.GetEventType())
	id := timer.GetEventId()
	add := func(e *historypb.HistoryEvent) {
		id++
		e.EventId, e.EventTime = id, timer.GetEventTime()
		h.Events = append(h.Events, e)
	}
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes{
		WorkflowExecutionCancelRequestedEventAttributes: &historypb.WorkflowExecutionCancelRequestedEventAttributes{},
	}})
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
		WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{},
	}})
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, Attributes: &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
		WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{ScheduledEventId: id},
	}})
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
		WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{ScheduledEventId: id - 1, StartedEventId: id},
	}})
	completed := id
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_TIMER_CANCELED, Attributes: &historypb.HistoryEvent_TimerCanceledEventAttributes{
		TimerCanceledEventAttributes: &historypb.TimerCanceledEventAttributes{
			TimerId: timer.GetTimerStartedEventAttributes().GetTimerId(), StartedEventId: timer.GetEventId(), WorkflowTaskCompletedEventId: completed,
		},
	}})
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityId: idText(completed + 2), ActivityType: &commonpb.ActivityType{Name: next}, WorkflowTaskCompletedEventId: completed,
		},
	}})
	return h
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }
