package voicetask_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestWordThatWasNotTakenBack: the server has the word of an execution that could then
// neither send nor take it back. Its own abort in the row proves that nothing was sent;
// anybody else's row does not.
func TestWordThatWasNotTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		row   store.Attempt
		dials int
	}{
		"given back by its holder": {attempt(store.AttemptAborted, func(a *store.Attempt) { a.Token, a.Sends = "x", 0 }), 1},
		"of another token":         {attempt(store.AttemptAborted, func(a *store.Attempt) { a.Token, a.Sends = "y", 0 }), 0},
		"reserved still":           {attempt(store.AttemptReserved, func(a *store.Attempt) { a.Token, a.Sends = "x", 0 }), 0},
	} {
		t.Run(name, func(t *testing.T) {
			fake, s := providertest.NewFake("vapi"), store.NewMemory()
			seed(t, s, func(r *store.Record) { r.Owner, r.Attempts = "temporal", []store.Attempt{c.row} })
			d, err := onServer(t, voicetask.Config{Providers: registry(t, fake), Store: s}, map[string]any{"key": "t1/1", "token": "x", "send": 1}, 1)
			require.NoError(t, err)
			require.Equal(t, c.dials, fake.Dials())
			if c.dials == 0 {
				require.Equal(t, provider.OutcomeUnknown, d.Call.Outcome)
			}
		})
	}
}
