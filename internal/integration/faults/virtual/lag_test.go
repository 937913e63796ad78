package virtual

import (
	"fmt"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// TestCell4 loses the reply to a dial whose call shows on the platform's list after a
// lag only. It is never dialled again, and found if it shows within the window.
func TestCell4(t *testing.T) {
	for _, lag := range []time.Duration{5 * time.Second, 60 * time.Second, 110 * time.Second, 170 * time.Second} {
		t.Run(fmt.Sprint(lag), func(t *testing.T) {
			env := voicetasktest.New(t, voicetask.Config{}, providertest.Step{LoseReply: true, Hidden: lag, Lasts: 4 * time.Minute})
			res, err := env.Run(voicetasktest.Task("t1"))
			if err != nil {
				t.Fatal(err)
			}
			want := provider.OutcomeCompleted
			if lag > provider.DefaultVisibilityLag {
				want = provider.OutcomeUnknown
			}
			if env.Fake.Dials() != 1 || res.Outcome != want {
				t.Errorf("%d dials, %s: want one, %s", env.Fake.Dials(), res.Outcome, want)
			}
		})
	}
}
