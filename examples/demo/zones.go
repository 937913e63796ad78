package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"time"
)

// The zones of the demo's callees. The worker keeps calling hours in the callee's
// zone; so that the demo runs alike at any hour, it makes two zones of its own, which
// the worker finds through ZONEINFO: in the one it is noon, and calling hours are no
// matter; in the other they begin in some seconds.
const (
	zoneNoon = "Demo/Noon"
	zoneDawn = "Demo/Dawn"

	hoursStart, hoursEnd = 9, 20
)

// writeZones writes both zones for the moment now.
func writeZones(dir string, now time.Time) error {
	dawn := now.Add(dawnIn).Truncate(time.Second)
	for name, local := range map[string]struct {
		at   time.Time
		hour int
	}{zoneNoon: {now, 12}, zoneDawn: {dawn, hoursStart}} {
		if err := writeZone(filepath.Join(dir, name), offsetFor(local.at, local.hour)); err != nil {
			return err
		}
	}
	return nil
}

// offsetFor is the offset of a zone in which it is that hour at that moment.
func offsetFor(at time.Time, hour int) time.Duration {
	utc := at.UTC()
	midnight := time.Date(utc.Year(), utc.Month(), utc.Day(), 0, 0, 0, 0, time.UTC)
	return (time.Duration(hour)*time.Hour - utc.Sub(midnight)).Truncate(time.Second)
}

// writeZone replaces a zone at once: somebody may be reading it.
func writeZone(file string, offset time.Duration) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	next := file + ".new"
	if err := os.WriteFile(next, tzif(offset), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// tzif is a zone with one offset for all time, in the format of RFC 8536, version 1.
func tzif(offset time.Duration) []byte {
	const name = "DEMO\x00"
	var b bytes.Buffer
	b.WriteString("TZif\x00")
	b.Write(make([]byte, 15)) // reserved
	// Counts: UT indicators, standard indicators, leap seconds, transitions, types, bytes of names.
	for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(name))} {
		_ = binary.Write(&b, binary.BigEndian, n) // a Buffer takes everything
	}
	_ = binary.Write(&b, binary.BigEndian, int32(offset/time.Second))
	b.Write([]byte{0, 0}) // no summer time; the name at index 0
	b.WriteString(name)
	return b.Bytes()
}
