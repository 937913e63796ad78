package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// entry is a line of the carrier's ledger.
type entry struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Number string    `json:"number"`
	Call   string    `json:"call"`
	Key    string    `json:"key"`
	Cause  string    `json:"cause"`
}

// Events of the ledger.
const (
	eventRing   = "ring"
	eventAnswer = "answer"
	eventEnd    = "end"
	eventRefuse = "refuse" // the network refused before ringing
)

// causeFault is the one cause after which the demo's policy dials a number again.
const causeFault = "fault"

// ledger reads the carrier's file as it grows.
type ledger struct {
	file    string
	offset  int64
	entries []entry
}

// read takes the lines that have come since.
func (l *ledger) read() error {
	f, err := os.Open(l.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(l.offset, io.SeekStart); err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			break // still being written
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: %w", l.file, err)
		}
		l.entries = append(l.entries, e)
		l.offset += int64(len(line))
	}
	return nil
}

// leg is one dial of a number on the network.
type leg struct {
	call, key string
	began     time.Time
	rings     int
	ended     time.Time // zero while it lasts
	cause     string
}

// legs sorts entries by number; each number's legs are in order of their beginning.
func legs(entries []entry) map[string][]*leg {
	byNumber, byCall := map[string][]*leg{}, map[string]*leg{}
	for _, e := range entries {
		l := byCall[e.Call]
		if l == nil {
			l = &leg{call: e.Call, key: e.Key, began: e.At}
			byCall[e.Call] = l
			byNumber[e.Number] = append(byNumber[e.Number], l)
		}
		switch e.Event {
		case eventRing:
			l.rings++
		case eventEnd, eventRefuse:
			l.ended, l.cause = e.At, e.Cause
		}
	}
	return byNumber
}

// doubleDials counts the dials and rings of one number that nothing called for:
// those that came before an earlier call had ended, or after one whose end is no
// reason to dial again.
func doubleDials(legs []*leg) int {
	n := 0
	for i, l := range legs {
		n += max(0, l.rings-1)
		for _, earlier := range legs[:i] {
			if earlier.ended.IsZero() || earlier.ended.After(l.began) || earlier.cause != causeFault {
				n++
				break
			}
		}
	}
	return n
}
