package voicetasktest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

func TestPlainCallIsRecorded(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{})
	res, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeCompleted, res.Outcome)
	require.Equal(t, store.StatusCompleted, res.Status)
	require.NotEmpty(t, res.Data.Transcript)
	require.Equal(t, 1, env.Fake.Dials())
	rec, err := env.Store.Get(t.Context(), "t1")
	require.NoError(t, err)
	require.Equal(t, store.StatusCompleted, rec.Status)
	require.Equal(t, store.AttemptEnded, rec.Attempts[0].State)
	t.Logf("%+v", rec)
	t.Logf("%s", rec.Result)
}

func TestEventEndsTheWait(t *testing.T) {
	env := voicetasktest.New(t, voicetask.Config{}, providertest.Step{Outcome: provider.OutcomeBusy, Lasts: 20 * time.Second})
	env.DeliverAfter(25*time.Second, func() provider.Event { return env.Fake.Event("t1/1") })
	res, err := env.Run(voicetasktest.Task("t1"))
	require.NoError(t, err)
	require.Equal(t, provider.OutcomeBusy, res.Outcome)
	require.Less(t, env.Now().Sub(voicetasktest.Start), time.Minute, "the event, not the poll, ended the wait")
}
