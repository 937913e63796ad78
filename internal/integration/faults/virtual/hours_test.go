package virtual

import (
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

// TestCell24 submits tasks before calling hours that fall into the gap or the overlap of
// summer time, or on 29 February, and looks at when they are dialled: by the callee's
// wall clock never outside of the hours.
func TestCell24(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		submitted  string // UTC
		start, end time.Duration
	}{
		{"gap, hours within it", "Europe/Berlin", "2026-03-28T20:00:00Z", 2 * time.Hour, 3 * time.Hour},
		{"gap, hours around it", "Europe/Berlin", "2026-03-29T00:30:00Z", 90 * time.Minute, 4 * time.Hour},
		{"overlap, hours within it", "Europe/Berlin", "2026-10-24T20:00:00Z", 2 * time.Hour, 3 * time.Hour},
		{"overlap, second time round", "Europe/Berlin", "2026-10-25T00:59:30Z", 2 * time.Hour, 150 * time.Minute},
		{"gap at midnight", "America/Santiago", "2026-09-05T20:00:00Z", 0, 45 * time.Minute},
		{"29 February", "America/New_York", "2028-02-28T23:00:00Z", 9 * time.Hour, 20 * time.Hour},
		{"half an hour of daylight saving", "Australia/Lord_Howe", "2026-10-03T10:00:00Z", 2 * time.Hour, 3 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			submitted, err := time.Parse(time.RFC3339, c.submitted)
			if err != nil {
				t.Fatal(err)
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetTestTimeout(time.Minute)
			env.SetStartTime(submitted)
			env.SetWorkflowRunTimeout(10 * 24 * time.Hour)
			e := voicetasktest.Register(t, env, voicetask.Config{Hours: &voicetask.Hours{Start: c.start, End: c.end}},
				providertest.Step{Outcome: provider.OutcomeBusy})
			task := voicetasktest.Task("t1")
			task.TimeZone = c.zone
			if _, err := e.Run(task); err != nil {
				t.Fatal(err)
			}
			row, err := e.Store.Get(t.Context(), "t1")
			if err != nil || len(row.Attempts) != 1 {
				t.Fatalf("%d dials, %v", len(row.Attempts), err)
			}
			local := row.Attempts[0].SentAt.In(zone)
			clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
			if clock < c.start || clock >= c.end || local.Before(submitted) || local.Sub(submitted) > 50*time.Hour {
				t.Errorf("submitted at %v, dialled at %v", submitted.In(zone), local)
			}
		})
	}
}
