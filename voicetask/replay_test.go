package voicetask_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
)

// recorded are the histories of a real server, one for each way through the
// workflow that a change could break. `make histories` records them again, which a
// change to the workflow's commands may only do beside the old ones.
var recorded = []string{
	"plain", "redial", "cancel-while-placing", "reset", "hold", "deadline", "event-before-the-answer", "worker-killed", "cancelled-in-the-row",
	"cancelled-without-hang-up", "reset-after-hang-up",
}

// newReplayer takes a machine that stands still for a second for no deadlock, as the SDK
// does by default.
func newReplayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	require.NoError(t, err)
	return r
}

// With the build tag voice_mutant the workflow has one timer more, and this test
// must fail: `make replay-mutant` sees to it.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), len(recorded))
	for _, name := range recorded {
		t.Run(name, func(t *testing.T) {
			replayer := newReplayer(t)
			registerForReplay(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, filepath.Join("testdata", "histories", name+".json")))
		})
	}
}
