package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func shot(ended, scheduled int) snapshot {
	s := snapshot{tasks: 10, ended: ended, lettersWanted: 2, letters: 1, rings: 4}
	s.byStatus[statusIndex(statusScheduled)][0] = scheduled
	s.byStatus[statusIndex("completed")][1] = ended
	return s
}

func TestPlainLines(t *testing.T) {
	var out bytes.Buffer
	p := &plainLines{out: &out, began: time.Now()}
	p.update(shot(1, 1))
	p.last = time.Now().Add(time.Minute) // however long the machine stands still here
	p.update(shot(2, 1))                 // too soon
	p.note("by the way")
	p.update(shot(3, 0))
	p.end()
	p.end()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "1 of 10 tasks ended (1 scheduled), 1 of 2 dead letters, 4 rings") ||
		!strings.Contains(lines[1], "by the way") || !strings.Contains(lines[2], "3 of 10 tasks ended (none open)") {
		t.Errorf("%q", lines)
	}
}

func TestTheLiveTableStaysInItsPlace(t *testing.T) {
	var out bytes.Buffer
	l := &liveTable{out: &out, began: time.Now()}
	l.update(shot(5, 1))
	first := strings.Count(out.String(), "\n")
	if first != l.drawn || !strings.Contains(out.String(), "[####################....................] 5 of 10") {
		t.Errorf("%d lines, drawn %d:\n%s", first, l.drawn, out.String())
	}
	out.Reset()
	l.note("by the way")
	if text := out.String(); !strings.HasPrefix(text, "\x1b[10A\r\x1b[J") || strings.Count(text, "by the way") != 1 || l.drawn != first {
		t.Errorf("%q", text)
	}
}

func TestSettled(t *testing.T) {
	s := snapshot{tasks: 2, ended: 2, lettersWanted: 1, letters: 1}
	if !s.settled() {
		t.Error("it is not settled")
	}
	for _, open := range []snapshot{{tasks: 2, ended: 1}, {lettersWanted: 1}, {live: 1}} {
		if open.settled() {
			t.Errorf("%+v is settled", open)
		}
	}
}

func TestTheReportEndsWithOneJSONObject(t *testing.T) {
	cases, seen := perfect(t)
	var out bytes.Buffer
	d := &demo{began: time.Now(), broker: &broker{addr: "127.0.0.1:9192"}, dir: "/nowhere", ports: ports{temporal: 7333, webUI: 8333}}
	for _, d.keep = range []bool{false, true} {
		out.Reset()
		d.report(&out, audit(cases, seen))
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		last := lines[len(lines)-1]
		for _, field := range []string{"tasks", "completed", "failed", "dead_letters", "duplicates", "rings", "lost", "double_dials"} {
			if !strings.Contains(last, `"`+field+`":`) {
				t.Errorf("the last line has no %s: %s", field, last)
			}
		}
		if !strings.Contains(out.String(), "/namespaces/default/workflows") {
			t.Error("no link to the Web UI")
		}
		// What stays up can be reached by what is printed.
		for _, place := range []string{"127.0.0.1:9192 (agent_outbound_requests,", "kcat -P -b 127.0.0.1:9192", "TEMPORAL_ADDRESS=127.0.0.1:7333", "VOICE_DATABASE=/nowhere/voice.db"} {
			if strings.Contains(out.String(), place) != d.keep {
				t.Errorf("-keep %t: %q is printed: %t", d.keep, place, !d.keep)
			}
		}
	}
}
