package voicetask

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return moment
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

func zonesOf(t *testing.T, names ...string) func(context.Context, Task) ([]*time.Location, error) {
	t.Helper()
	var zones []*time.Location
	for _, name := range names {
		zones = append(zones, zone(t, name))
	}
	return func(context.Context, Task) ([]*time.Location, error) { return zones, nil }
}

func TestOpening(t *testing.T) {
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	hm := func(h, m int) time.Duration { return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute }
	for name, c := range map[string]struct {
		hours     Hours
		zone      string
		now, want string // want "" = now
	}{
		"within the default hours":           {Hours{}, "UTC", "2026-01-07T10:00:00Z", ""},
		"the first moment":                   {Hours{}, "UTC", "2026-01-07T09:00:00Z", ""},
		"before the first moment":            {Hours{}, "UTC", "2026-01-07T08:59:59.999Z", "2026-01-07T09:00:00Z"},
		"the last moment":                    {Hours{}, "UTC", "2026-01-07T19:59:59.999Z", ""},
		"closing time":                       {Hours{}, "UTC", "2026-01-07T20:00:00Z", "2026-01-08T09:00:00Z"},
		"over the new year":                  {Hours{}, "UTC", "2025-12-31T23:00:00Z", "2026-01-01T09:00:00Z"},
		"another zone's morning":             {Hours{}, "America/New_York", "2026-01-07T10:00:00Z", "2026-01-07T14:00:00Z"},
		"another zone's day before":          {Hours{}, "Pacific/Auckland", "2026-01-07T19:00:00Z", "2026-01-07T20:00:00Z"},
		"a zone of half an hour":             {Hours{}, "Asia/Kolkata", "2026-01-07T00:00:00Z", "2026-01-07T03:30:00Z"},
		"hours of one's own":                 {Hours{Start: hm(8, 30), End: hm(9, 0)}, "UTC", "2026-01-07T08:45:00Z", ""},
		"start at midnight":                  {Hours{Start: 0, End: hm(6, 0)}, "UTC", "2026-01-07T06:00:00Z", "2026-01-08T00:00:00Z"},
		"end at midnight":                    {Hours{Start: hm(9, 0), End: hm(24, 0)}, "UTC", "2026-01-07T23:59:59Z", ""},
		"all day":                            {Hours{AllDay: true}, "UTC", "2026-01-07T03:00:00Z", ""},
		"all day, hours not looked at":       {Hours{AllDay: true, Start: hm(9, 0), End: hm(10, 0)}, "UTC", "2026-01-07T03:00:00Z", ""},
		"a weekday":                          {Hours{Days: weekdays}, "UTC", "2026-01-09T19:00:00Z", ""},
		"friday night":                       {Hours{Days: weekdays}, "UTC", "2026-01-09T20:00:00Z", "2026-01-12T09:00:00Z"},
		"saturday":                           {Hours{Days: weekdays}, "UTC", "2026-01-10T10:00:00Z", "2026-01-12T09:00:00Z"},
		"the callee's weekday counts":        {Hours{Days: weekdays}, "Pacific/Auckland", "2026-01-09T22:00:00Z", "2026-01-11T20:00:00Z"},
		"sundays only":                       {Hours{Days: []time.Weekday{time.Sunday}}, "UTC", "2026-01-11T20:00:00Z", "2026-01-18T09:00:00Z"},
		"all day on sundays":                 {Hours{AllDay: true, Days: []time.Weekday{time.Sunday}}, "Europe/Berlin", "2026-01-09T10:00:00Z", "2026-01-10T23:00:00Z"},
		"clocks go forward: same wall clock": {Hours{}, "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T07:00:00Z"},
		"the day before":                     {Hours{}, "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T08:00:00Z"},
		"clocks go back: same wall clock":    {Hours{}, "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T08:00:00Z"},
		"closing on a long day":              {Hours{}, "Europe/Berlin", "2026-10-25T18:59:59Z", ""},
		"start in the hour left out":         {Hours{Start: hm(2, 30), End: hm(5, 0)}, "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T07:00:00Z"},
		"just before the hour left out":      {Hours{Start: hm(2, 30), End: hm(5, 0)}, "America/New_York", "2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z"},
		"end in the hour left out":           {Hours{Start: hm(1, 0), End: hm(2, 30)}, "America/New_York", "2026-03-08T06:59:59Z", ""},
		"closed after the hour left out":     {Hours{Start: hm(1, 0), End: hm(2, 30)}, "America/New_York", "2026-03-08T07:00:00Z", "2026-03-09T05:00:00Z"},
		"no midnight on the day, Havana":     {Hours{}, "America/Havana", "2026-03-08T02:00:00Z", "2026-03-08T13:00:00Z"},
		"no midnight on the day, Santiago":   {Hours{}, "America/Santiago", "2026-09-06T02:00:00Z", "2026-09-06T12:00:00Z"},
		"no midnight on the day, Cairo":      {Hours{}, "Africa/Cairo", "2026-04-23T20:00:00Z", "2026-04-24T06:00:00Z"},
		"no midnight, all day":               {Hours{AllDay: true, Days: []time.Weekday{time.Sunday}}, "America/Havana", "2026-03-08T04:59:59Z", "2026-03-08T05:00:00Z"},
		"two midnights, all day":             {Hours{AllDay: true}, "America/Havana", "2026-11-01T05:30:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.hours.check())
			got, err := c.hours.opening(t.Context(), Task{TimeZone: c.zone}, at(t, c.now))
			require.NoError(t, err)
			if c.want == "" {
				c.want = c.now
			}
			require.Equal(t, at(t, c.want).UTC(), got.UTC())
		})
	}
}

// TestOpeningAroundEachChangeOfClocks walks the days around each of a year's: what
// opening returns is within hours by the wall clock, and nothing earlier is.
func TestOpeningAroundEachChangeOfClocks(t *testing.T) {
	h := Hours{Start: 9 * time.Hour, End: 20 * time.Hour}
	for _, name := range []string{"America/Havana", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"} {
		z := zone(t, name)
		open := func(m time.Time) bool { hour := m.In(z).Hour(); return hour >= 9 && hour < 20 }
		changes := 0
		_, change := at(t, "2026-01-01T00:00:00Z").In(z).ZoneBounds()
		for ; change.Year() == 2026; _, change = change.ZoneBounds() {
			changes++
			for m := change.Add(-36 * time.Hour); m.Before(change.Add(36 * time.Hour)); m = m.Add(15 * time.Minute) {
				got, err := h.opening(t.Context(), Task{TimeZone: name}, m)
				require.NoError(t, err)
				require.Equal(t, open(m), got.Equal(m), "%v", m)
				require.True(t, open(got), "%v is not within hours", got.In(z))
				if !got.Equal(m) {
					require.False(t, open(got.Add(-time.Nanosecond)), "there is an earlier moment than %v", got.In(z))
					require.LessOrEqual(t, got.Sub(m), 14*time.Hour)
				}
			}
		}
		require.Equal(t, 2, changes, "%s no longer changes its clocks: take another zone", name)
	}
}

func TestOpeningInSeveralZones(t *testing.T) {
	for name, c := range map[string]struct {
		zones     []string
		now, want string
	}{
		"within all":                {[]string{"America/New_York", "America/Los_Angeles"}, "2026-01-07T18:00:00Z", "2026-01-07T18:00:00Z"},
		"the west still asleep":     {[]string{"America/New_York", "America/Los_Angeles"}, "2026-01-07T14:00:00Z", "2026-01-07T17:00:00Z"},
		"the east in bed":           {[]string{"America/New_York", "America/Los_Angeles"}, "2026-01-08T02:00:00Z", "2026-01-08T17:00:00Z"},
		"in another order":          {[]string{"America/Los_Angeles", "America/New_York"}, "2026-01-08T02:00:00Z", "2026-01-08T17:00:00Z"},
		"three, one hour in common": {[]string{"America/Los_Angeles", "Europe/London", "America/New_York"}, "2026-01-07T10:00:00Z", "2026-01-07T17:00:00Z"},
		"one zone twice":            {[]string{"UTC", "UTC"}, "2026-01-07T08:00:00Z", "2026-01-07T09:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Hours{Zones: zonesOf(t, c.zones...)}.opening(t.Context(), Task{}, at(t, c.now))
			require.NoError(t, err)
			require.Equal(t, at(t, c.want).UTC(), got.UTC())
		})
	}
	apart := Hours{Start: 9 * time.Hour, End: 10 * time.Hour, Zones: zonesOf(t, "America/New_York", "Asia/Tokyo")}
	_, err := apart.opening(t.Context(), Task{}, at(t, "2026-01-07T10:00:00Z"))
	require.ErrorIs(t, err, errNoOpening)
}

func TestZonesOfTheHostGoBeforeTheTasks(t *testing.T) {
	h := Hours{Zones: zonesOf(t, "America/New_York")}
	got, err := h.opening(t.Context(), Task{TimeZone: "UTC"}, at(t, "2026-01-07T10:00:00Z"))
	require.NoError(t, err)
	require.Equal(t, at(t, "2026-01-07T14:00:00Z"), got.UTC())
}

func TestUnknownZone(t *testing.T) {
	now := at(t, "2026-01-07T10:00:00Z")
	for _, name := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd", "utc+1"} {
		_, err := Hours{}.opening(t.Context(), Task{TimeZone: name}, now)
		require.ErrorIs(t, err, errNoZone, name)
	}
	for _, zones := range [][]*time.Location{nil, {}, {nil}, {time.UTC, nil}} {
		h := Hours{Zones: func(context.Context, Task) ([]*time.Location, error) { return zones, nil }}
		_, err := h.opening(t.Context(), Task{TimeZone: "UTC"}, now)
		require.ErrorIs(t, err, errNoZone)
	}
	broken := errors.New("number service down")
	h := Hours{Zones: func(context.Context, Task) ([]*time.Location, error) { return nil, broken }}
	_, err := h.opening(t.Context(), Task{}, now)
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, errNoZone)
}

func TestClosed(t *testing.T) {
	holiday := func(_ context.Context, _ Task, local time.Time) (bool, error) {
		return local.Format("01-02") == "01-07" || local.Format("01-02") == "01-08", nil
	}
	h := Hours{Closed: holiday}
	got, err := h.opening(t.Context(), Task{TimeZone: "UTC"}, at(t, "2026-01-07T10:00:00Z"))
	require.NoError(t, err)
	require.Equal(t, at(t, "2026-01-09T09:00:00Z"), got.UTC())

	h.Closed = func(context.Context, Task, time.Time) (bool, error) { return true, nil }
	_, err = h.opening(t.Context(), Task{TimeZone: "UTC"}, at(t, "2026-01-07T10:00:00Z"))
	require.ErrorIs(t, err, errNoOpening)

	broken := errors.New("calendar down")
	h.Closed = func(context.Context, Task, time.Time) (bool, error) { return false, broken }
	_, err = h.opening(t.Context(), Task{TimeZone: "UTC"}, at(t, "2026-01-07T10:00:00Z"))
	require.ErrorIs(t, err, broken)
}

// TestClosedIsAskedInTheCalleesTime, and for days on which a dial could start only.
func TestClosedIsAskedInTheCalleesTime(t *testing.T) {
	var asked []string
	h := Hours{Days: []time.Weekday{time.Monday}, Closed: func(_ context.Context, _ Task, local time.Time) (bool, error) {
		asked = append(asked, local.Format(time.RFC3339))
		return len(asked) == 1, nil
	}}
	got, err := h.opening(t.Context(), Task{TimeZone: "Europe/Berlin"}, at(t, "2026-01-07T10:00:00Z"))
	require.NoError(t, err)
	require.Equal(t, at(t, "2026-01-19T08:00:00Z"), got.UTC())
	require.Equal(t, []string{"2026-01-12T09:00:00+01:00", "2026-01-19T09:00:00+01:00"}, slices.Compact(asked))
}

func TestHoursCheck(t *testing.T) {
	for name, h := range map[string]Hours{
		"end before start":  {Start: 10 * time.Hour, End: 9 * time.Hour},
		"nothing between":   {Start: 9 * time.Hour, End: 9 * time.Hour},
		"start only":        {Start: 9 * time.Hour},
		"negative start":    {Start: -time.Hour, End: time.Hour},
		"beyond the day":    {Start: time.Hour, End: 25 * time.Hour},
		"an eighth weekday": {Days: []time.Weekday{7}},
		"no weekday":        {Days: []time.Weekday{-1}},
	} {
		require.Error(t, h.check(), name)
	}
	for name, h := range map[string]Hours{
		"zero": {}, "end only": {End: 9 * time.Hour}, "a whole day": {End: 24 * time.Hour}, "all day": {AllDay: true, Start: 5, End: 1},
	} {
		require.NoError(t, h.check(), name)
	}
}
