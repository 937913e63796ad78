package sqlstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// TestPlainCallOfTheWorkflow counts what the real workflow and activities send to the
// database for one call, from Submit to the result: exact numbers, to be changed only
// by who means to.
func TestPlainCallOfTheWorkflow(t *testing.T) {
	const lasts = 30 * time.Second
	for _, c := range []struct {
		name          string
		policy        voicetask.Policy
		event         bool
		reads, writes int
	}{
		// submit | reserve, send, placed | result. The end is written with the result.
		{"ended by a poll", voicetask.Policy{EventGrace: 40 * time.Second}, false, 3, 5},
		// The event's own write comes besides: its sender is answered only once it is stored.
		{"ended by an event", voicetask.Policy{}, true, 3, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, d database) {
				var rec recorder
				s, _ := d.store(t, &rec)
				env := voicetasktest.New(t, voicetask.Config{Store: s, Policy: c.policy}, providertest.Step{Outcome: provider.OutcomeCompleted, Lasts: lasts})
				if c.event {
					env.DeliverAfter(lasts+time.Second, func() provider.Event { return env.Fake.Event("t1/1") })
				}
				res, err := env.Run(voicetasktest.Task("t1"))
				if err != nil || res.Outcome != provider.OutcomeCompleted {
					t.Fatalf("got outcome %s and error %v", res.Outcome, err)
				}
				sent := rec.take()
				sent = sent[:len(sent)-1] // Run's own look at the result
				reads := strings.Count(verbs(sent), "SELECT")
				t.Log(verbs(sent))
				if reads != c.reads || len(sent)-reads != c.writes {
					t.Errorf("%d reads and %d writes, want %d and %d: %s", reads, len(sent)-reads, c.reads, c.writes, verbs(sent))
				}
			})
		})
	}
}
