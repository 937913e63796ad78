package voicetask_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// A task that is put off again and again does not grow its history for ever: once
// Temporal suggests it, and no dial is open, the workflow starts anew.
func TestPutOffContinuesAsNew(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{})
	env.SetContinueAsNewSuggested(true)
	later := voicetasktest.Task("t1")
	later.NotBefore = voicetasktest.Start.Add(time.Hour)
	_, err := env.Run(later)
	require.True(t, workflow.IsContinueAsNewError(err), "%v", err)
	require.Zero(t, env.Fake.Dials())
	rec, err := env.Store.Get(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, store.StatusScheduled, rec.Status)
}
