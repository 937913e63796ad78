// Package numberzone knows the time zones a phone number may be in.
//
// You give [Zones] to the calling hours, and a task that names no zone of its own
// is then judged by its number:
//
//	cfg.Hours = &voicetask.Hours{Zones: numberzone.Zones}
//
// A dial waits until it is within hours in every zone returned, so one zone too
// many costs patience, and one too few could wake somebody up.
//
// # What it rests on
//
// A number says where it was issued, not where the phone is. Zones reads the
// prefix of the number in Google's libphonenumber table, as compiled into
// github.com/nyaruka/phonenumbers (in v1.8.1: libphonenumber 9.0.32):
//
//   - An area code with a zone of its own has that one: +1 212 is New York. Its
//     owner may have moved away and kept the number. Task.TimeZone is for those who
//     know better, and always wins.
//   - Where the prefix leaves it open, every zone of the numbering plan counts.
//     A number of +1 800, or of an area code newer than the table, may be in 42
//     zones from Guam to Newfoundland, which share half an hour of 9 to 20 in winter and
//     none in summer: set Task.TimeZone for such callees, or Task.NotAfter, so
//     that the dial is not put off for months.
//   - The table has one zone for the mobile numbers of some wide countries
//     (Australia: Sydney). Set Task.TimeZone there too.
//
// Only international numbers are read, with "+" and country code; spaces and
// punctuation do no harm. "4155550100" might be San Francisco or Switzerland, so
// without the "+" a number is in no known zone, as are SIP URIs, satellite phones
// and what is no number at all: with calling hours such a task ends config_error,
// unless it names its zone.
//
// The rules of the zones are the machine's, else those that Go embeds
// (time/tzdata, which this package imports, some 450 KB): the table uses old names
// such as Asia/Calcutta, which slim images and newer distributions leave out.
package numberzone

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // for images without the zones, or without their older names

	"github.com/nyaruka/phonenumbers"

	"github.com/superservices/voice/voicetask"
)

// Zones returns t.TimeZone's zone if that is set, else every zone that the number
// may be in, sorted by name. None known: an empty list, and the task ends
// config_error. It fits voicetask.Hours.Zones and is safe for concurrent use.
//
// A zone of the table that cannot be loaded is an error, which is retried, since
// leaving it out could mean a call at night.
func Zones(_ context.Context, t voicetask.Task) ([]*time.Location, error) {
	if t.TimeZone != "" {
		return named(t.TimeZone), nil
	}
	names, err := zonesOf(t.Data.ContactNumber)
	if err != nil {
		return nil, fmt.Errorf("numberzone: the table of prefixes: %w", err)
	}
	zones := make([]*time.Location, 0, len(names))
	for _, name := range names {
		zone, err := load(name)
		if err != nil {
			return nil, fmt.Errorf("numberzone: a zone of the table: %w", err)
		}
		zones = append(zones, zone)
	}
	return zones, nil
}

// loaded are the zones of the table that were needed so far, by name. Reading one
// takes some 80 µs, and a toll-free number needs 42 for each dial.
var loaded sync.Map

func load(name string) (*time.Location, error) {
	if zone, ok := loaded.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	loaded.Store(name, zone)
	return zone, nil
}

// named is the zone of that name, if there is one. "Local" is the worker's zone,
// never the callee's.
func named(name string) []*time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil
	}
	return []*time.Location{zone}
}

// zonesOf looks number up. The error of a number that cannot be read is dropped:
// that is "none known".
func zonesOf(number string) ([]string, error) {
	const noRegion = "" // only "+" and country code say where a number belongs
	parsed, err := phonenumbers.Parse(number, noRegion)
	if err != nil {
		return nil, nil
	}
	names, err := phonenumbers.GetTimezonesForNumber(parsed)
	if err != nil {
		return nil, err
	}
	names = slices.Sorted(slices.Values(names)) // a copy: the table is shared
	names = slices.DeleteFunc(names, func(name string) bool { return name == phonenumbers.UNKNOWN_TIMEZONE })
	return slices.Compact(names), nil
}
