package security

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// What is planted on purpose, in each place, to see the search find it.
const (
	plantedWord   = canaryWord + "planted"
	plantedNumber = "+19995550001234"
)

// plantedIn is the workflow that puts canaries wherever a workflow can. The second attempt
// of its activity is held up until what the first one said has been seen.
func plantedIn(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, "calling "+plantedWord+" at "+plantedNumber)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute, Summary: "dial " + plantedNumber + " of " + plantedWord,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 2},
	})
	return workflow.ExecuteActivity(ctx, plantedActivity, plantedWord+secretWord+plantedNumber).Get(ctx, nil)
}

const plantedActivity = "planted"

// plant carries out the workflow, on a client without a codec, and looks at it as the
// campaign looks at its own.
func (h *host) plant() {
	h.t.Helper()
	h.hay.watch(plantedNumber)
	c, err := client.Dial(options(slog.New(slog.DiscardHandler)))
	require.NoError(h.t, err)
	defer c.Close()
	queue := h.queue + "-planted"
	w := worker.New(c, queue, worker.Options{Identity: identity})
	w.RegisterWorkflow(plantedIn)
	seen := make(chan struct{})
	w.RegisterActivityWithOptions(func(ctx context.Context, _ string) error {
		if activity.GetInfo(ctx).Attempt > 1 {
			select {
			case <-seen:
			case <-ctx.Done():
			}
		}
		return errors.New("no route to " + plantedWord + " at " + plantedNumber)
	}, activity.RegisterOptions{Name: plantedActivity})
	require.NoError(h.t, w.Start())
	defer w.Stop()

	id := "planted-" + plantedWord + plantedNumber + h.queue
	run, err := c.ExecuteWorkflow(h.t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: queue, StaticSummary: "call " + plantedWord + " " + plantedNumber, StaticDetails: plantedWord,
		Memo:                  map[string]any{"name": plantedWord, "number": plantedNumber},
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(searchAttribute).ValueSet(plantedWord + plantedNumber)),
	}, plantedIn)
	require.NoError(h.t, err)
	require.Eventually(h.t, func() bool {
		h.describe(h.t.Context(), c, id)
		h.details(h.t.Context(), c, id)
		return len(h.hay.search(placePending, plantedWord)) > 0 && len(h.hay.search(placeDetails, plantedWord)) > 0
	}, 2*time.Minute, 50*time.Millisecond)
	close(seen)
	require.Error(h.t, h.told(run.Get(h.t.Context(), nil)))
	h.history(c, id)
	h.logger.Error("planted", "callee", plantedWord+" "+plantedNumber)
	h.hay.add(placeResults, plantedWord+secretWord+plantedNumber)

	db := h.file + ".planted"
	require.NoError(h.t, os.WriteFile(db, []byte("\x00"+plantedWord+secretWord+plantedNumber+"\x00"), 0o600))
	h.files(placeRows, db)
}
