package voicetask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Default calling hours, since local midnight (BUSINESS_HOURS_START, _END).
const (
	DefaultHoursStart = 9 * time.Hour
	DefaultHoursEnd   = 20 * time.Hour
)

const day = 24 * time.Hour

// horizon is how many days ahead an opening is looked for. A number that may be in
// many zones can have hours in common in one half of the year only: better an
// answer that somebody sees than a call put off for months.
const horizon = 31

// Hours are the calling hours in the callee's zone. An unknown zone never dials:
// the task ends config_error, and so does one that has no opening within 31 days.
// Zone names are looked up in the system's database: import _ "time/tzdata" where
// there may be none.
type Hours struct {
	// Start and End are since local midnight, by the wall clock; both zero = 9 h,
	// 20 h; else Start < End <= 24 h, or the constructors refuse.
	Start, End time.Duration
	AllDay     bool
	// Days are the weekdays; nil = every day.
	Days []time.Weekday
	// Closed tells holidays: local is a moment of the day in question. An error is
	// retried. nil = none.
	Closed func(ctx context.Context, t Task, local time.Time) (bool, error)
	// Zones are where the callee may be; nil = Task.TimeZone only. The dial waits
	// until it is within hours in every one; an error is retried, an empty list ends
	// config_error. Package voicetask/numberzone has one from the number's possible
	// zones.
	Zones func(ctx context.Context, t Task) ([]*time.Location, error)
}

func (h Hours) window() (start, end time.Duration) {
	switch {
	case h.AllDay:
		return 0, day
	case h.Start == 0 && h.End == 0:
		return DefaultHoursStart, DefaultHoursEnd
	}
	return h.Start, h.End
}

func (h Hours) check() error {
	start, end := h.window()
	if start < 0 || end <= start || end > day {
		return fmt.Errorf("start %v, end %v: 0 <= start < end <= 24h must hold", start, end)
	}
	for _, d := range h.Days {
		if d < time.Sunday || d > time.Saturday {
			return fmt.Errorf("day %d is no weekday", d)
		}
	}
	return nil
}

// errNoZone and errNoOpening end a task config_error.
var (
	errNoZone    = errors.New("the callee's time zone is not known: set time_zone, or Hours.Zones")
	errNoOpening = errors.New("no moment within the next 31 days is within hours in every zone of the callee")
)

// opening returns the first moment at or after now that is within hours in every
// zone of t's callee.
func (h Hours) opening(ctx context.Context, t Task, now time.Time) (time.Time, error) {
	zones, err := h.zones(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	at, agreed := now, 0
	for range horizon * len(zones) * 2 {
		zone := zones[agreed%len(zones)]
		next, err := h.openingIn(ctx, t, at, zone)
		if err != nil {
			return time.Time{}, err
		}
		if next.Equal(at) {
			if agreed++; agreed >= len(zones) {
				return at, nil
			}
			continue
		}
		at, agreed = next, 0
		zones = append(slices.Clone(zones[1:]), zones[0]) // ask the others first
		if at.Sub(now) > horizon*day {
			break
		}
	}
	return time.Time{}, errNoOpening
}

func (h Hours) zones(ctx context.Context, t Task) ([]*time.Location, error) {
	if h.Zones != nil {
		zones, err := h.Zones(ctx, t)
		switch {
		case err != nil:
			return nil, fmt.Errorf("voicetask: Hours.Zones: %w", err)
		case len(zones) == 0 || slices.Contains(zones, nil):
			return nil, errNoZone
		}
		return zones, nil
	}
	if t.TimeZone == "" || t.TimeZone == "Local" {
		return nil, errNoZone
	}
	zone, err := time.LoadLocation(t.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("%w (time_zone %q)", errNoZone, t.TimeZone)
	}
	return []*time.Location{zone}, nil
}

// openingIn returns at itself if it is within hours in zone, else the next opening
// there.
func (h Hours) openingIn(ctx context.Context, t Task, at time.Time, zone *time.Location) (time.Time, error) {
	start, end := h.window()
	local := at.In(zone)
	for range horizon {
		opens, closes := onDay(local, start), onDay(local, end)
		if local.Before(closes) && (h.Days == nil || slices.Contains(h.Days, local.Weekday())) {
			moment := local
			if moment.Before(opens) {
				moment = opens
			}
			closed, err := h.closed(ctx, t, moment)
			if err != nil {
				return time.Time{}, err
			}
			if !closed && moment.Before(closes) {
				if moment.Equal(local) && local.Equal(at) {
					return at, nil
				}
				return moment.UTC(), nil
			}
		}
		local = onDay(local.AddDate(0, 0, 1), 0)
	}
	return time.Time{}, errNoOpening
}

func (h Hours) closed(ctx context.Context, t Task, local time.Time) (bool, error) {
	if h.Closed == nil {
		return false, nil
	}
	closed, err := h.Closed(ctx, t, local)
	if err != nil {
		return false, fmt.Errorf("voicetask: Hours.Closed: %w", err)
	}
	return closed, nil
}

// onDay is the moment of local's day at which the wall clock shows since; where a
// change of clocks leaves it out, the next one that exists.
func onDay(local time.Time, since time.Duration) time.Time {
	y, m, d := local.Date()
	sec, nsec := int(since/time.Second), int(since%time.Second)
	at := time.Date(y, m, d, 0, 0, sec, nsec, local.Location())
	// time.Date may answer with a moment on either side of a gap.
	switch shown, asked := wallClock(at), time.Date(y, m, d, 0, 0, sec, nsec, time.UTC); {
	case shown.Before(asked):
		_, at = at.ZoneBounds()
	case shown.After(asked):
		at, _ = at.ZoneBounds()
	}
	return at
}

// wallClock is what clock and calendar show at t, as if it were UTC.
func wallClock(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}
