package numberzone

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/voicetasktest"
)

func task(number, zone string) voicetask.Task {
	return voicetask.Task{ID: "t1", AgentID: "a1", TimeZone: zone, Data: voicetask.Data{ContactNumber: number}}
}

func names(zones []*time.Location) []string {
	var all []string
	for _, z := range zones {
		all = append(all, z.String())
	}
	return all
}

func TestZones(t *testing.T) {
	for name, c := range map[string]struct {
		number, zone string
		want         []string
	}{
		"San Francisco":             {"+14155550100", "", []string{"America/Los_Angeles"}},
		"New York":                  {"+12125550100", "", []string{"America/New_York"}},
		"Chicago":                   {"+13125550100", "", []string{"America/Chicago"}},
		"Honolulu":                  {"+18085550100", "", []string{"Pacific/Honolulu"}},
		"London":                    {"+442079460000", "", []string{"Europe/London"}},
		"a mobile of Great Britain": {"+447700900123", "", []string{"Europe/Guernsey", "Europe/Isle_of_Man", "Europe/London"}},
		"India":                     {"+919876543210", "", []string{"Asia/Calcutta"}},
		"punctuation":               {" +1 (415) 555-0100 ", "", []string{"America/Los_Angeles"}},
		"tel URI":                   {"tel:+1-415-555-0100", "", []string{"America/Los_Angeles"}},
		"extension":                 {"+14155550100;ext=7", "", []string{"America/Los_Angeles"}},

		"the task's zone wins":      {"+14155550100", "Europe/Paris", []string{"Europe/Paris"}},
		"a zone without a number":   {"", "UTC", []string{"UTC"}},
		"an unknown zone":           {"+14155550100", "Europe/Atlantis", nil},
		"the worker's zone":         {"+14155550100", "Local", nil},
		"a file that is no zone":    {"+14155550100", "../../etc/passwd", nil},
		"no plus, country code":     {"14155550100", "", nil},
		"no plus, as dialled there": {"4155550100", "", nil},
		"unassigned country":        {"+999123456789", "", nil},
		"satellite":                 {"+881612345678", "", nil},
		"too short":                 {"+1", "", nil},
		"too long":                  {"+1415555010012345678", "", nil},
		"garbage":                   {"call me", "", nil},
		"SIP URI":                   {"sip:+14155550100@example.org", "", nil},
		"empty":                     {"", "", nil},
	} {
		got, err := Zones(t.Context(), task(c.number, c.zone))
		if err != nil || !slices.Equal(names(got), c.want) {
			t.Errorf("%s: Zones(%q, %q) = %v, %v, want %v", name, c.number, c.zone, names(got), err, c.want)
		}
	}
}

func TestManyZones(t *testing.T) {
	for name, number := range map[string]string{"toll-free": "+18005550100", "unassigned area code": "+19995550100"} {
		zones, err := Zones(t.Context(), task(number, ""))
		if err != nil || len(zones) < 20 {
			t.Fatalf("%s: got %d zones, %v, want all of the numbering plan", name, len(zones), err)
		}
		got := names(zones)
		for _, want := range []string{"America/New_York", "America/Los_Angeles", "Pacific/Guam", "America/St_Johns"} {
			if !slices.Contains(got, want) {
				t.Errorf("%s: %s is not in %v", name, want, got)
			}
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s: not sorted, or a zone twice: %v", name, got)
		}
	}
}

// The table is shared by all callers: sorting must not reach it.
func TestTableIsNotTouched(t *testing.T) {
	before, err := phonenumbers.GetTimezonesForPrefix("1800")
	if err != nil {
		t.Fatal(err)
	}
	kept := slices.Clone(before)
	zones, err := Zones(t.Context(), task("+18005550100", ""))
	if err != nil {
		t.Fatal(err)
	}
	zones[0] = time.UTC
	if after, _ := phonenumbers.GetTimezonesForPrefix("1800"); !slices.Equal(after, kept) {
		t.Errorf("the table is now %v, was %v", after, kept)
	}
}

// Every name that the table has for prefixes of up to four digits can be loaded.
func TestTableLoads(t *testing.T) {
	seen := map[string]bool{phonenumbers.UNKNOWN_TIMEZONE: true}
	for prefix := range 10_000 {
		zones, err := phonenumbers.GetTimezonesForPrefix(strconv.Itoa(prefix))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range zones {
			if seen[name] {
				continue
			}
			seen[name] = true
			if _, err := time.LoadLocation(name); err != nil {
				t.Errorf("prefix %d: %v", prefix, err)
			}
		}
	}
	if len(seen) < 200 {
		t.Errorf("only %d zones seen", len(seen))
	}
}

// Calling hours with Zones: the dial waits for the callee's morning, and a callee
// in no known zone is not dialled.
func TestHours(t *testing.T) {
	for name, c := range map[string]struct {
		number string
		want   provider.Outcome
		wait   time.Duration // from voicetasktest.Start, 10:00 UTC in winter
	}{
		"London, open":           {"+442079460000", provider.OutcomeCompleted, 0},
		"New York, not yet":      {"+12125550100", provider.OutcomeCompleted, 4 * time.Hour},
		"San Francisco, neither": {"+14155550100", provider.OutcomeCompleted, 7 * time.Hour},
		"all of +1, open at 23":  {"+18005550100", provider.OutcomeCompleted, 13 * time.Hour},
		"nowhere":                {"4155550100", provider.OutcomeConfigError, -1},
	} {
		t.Run(name, func(t *testing.T) {
			env := voicetasktest.New(t, voicetask.Config{Hours: &voicetask.Hours{Zones: Zones}})
			task := voicetasktest.Task("t1")
			task.TimeZone, task.Data.ContactNumber = "", c.number
			res, err := env.Run(task)
			if err != nil || res.Outcome != c.want {
				t.Fatalf("got %q, %q, %v, want %q", res.Outcome, res.Reason, err, c.want)
			}
			if c.wait < 0 {
				if n := env.Fake.Dials(); n != 0 {
					t.Errorf("%d phones rang", n)
				}
				return
			}
			rec, err := env.Store.Get(t.Context(), "t1")
			if err != nil || len(rec.Attempts) != 1 {
				t.Fatalf("got %+v, %v, want one attempt", rec.Attempts, err)
			}
			if got := rec.Attempts[0].DialledAt.Sub(voicetasktest.Start); got < c.wait || got > c.wait+time.Minute {
				t.Errorf("dialled %v after the start, want %v", got, c.wait)
			}
		})
	}
}

func BenchmarkZonesOfMany(b *testing.B) {
	tollFree := task("+18005550100", "")
	for b.Loop() {
		if _, err := Zones(b.Context(), tollFree); err != nil {
			b.Fatal(err)
		}
	}
}
