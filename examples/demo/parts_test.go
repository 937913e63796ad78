package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the demo says it has counted from outside.
func TestImportsNothingOfTheLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "kfake") {
		t.Fatal("go list names no dependencies")
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, "github.com/superservices/voice") && dep != "github.com/superservices/voice/examples/demo" {
			t.Errorf("it imports %s", dep)
		}
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	before := wantedPorts
	t.Cleanup(func() { wantedPorts = before })
	wantedPorts.kafka = taken
	var notes bytes.Buffer
	p, err := choosePorts(&notes)
	if err != nil {
		t.Fatal(err)
	}
	if p.kafka == taken || !strings.Contains(notes.String(), "of Kafka is taken") {
		t.Errorf("%+v, %q", p, notes.String())
	}
	wantedPorts = ports{taken, taken, taken, taken, taken}
	if p, err = choosePorts(&notes); err != nil || p.temporal == p.webUI || p.kafka == p.webhooks || p.webUI == p.kafka {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestZones(t *testing.T) {
	dir := t.TempDir()
	for _, now := range []time.Time{
		time.Date(2026, 1, 7, 23, 59, 58, 300, time.UTC), time.Date(2026, 7, 7, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 7, 9, 30, 15, 0, time.FixedZone("", 7200)),
	} {
		if err := writeZones(dir, now); err != nil {
			t.Fatal(err)
		}
		if h := now.In(zone(t, dir, zoneNoon)).Hour(); h != 12 {
			t.Errorf("at %v it is %d o'clock in %s", now, h, zoneNoon)
		}
		dawn := now.Add(dawnIn).Truncate(time.Second).In(zone(t, dir, zoneDawn))
		if got := dawn.Format("15:04:05"); got != "09:00:00" {
			t.Errorf("at %v and %v it is %s in %s", now, dawnIn, got, zoneDawn)
		}
	}
}

func zone(t *testing.T, dir, name string) *time.Location {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	z, err := time.LoadLocationFromTZData(name, b)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestTheLedgerIsReadAsItGrows(t *testing.T) {
	l := ledger{file: filepath.Join(t.TempDir(), "ledger")}
	if err := l.read(); err != nil || len(l.entries) != 0 {
		t.Fatalf("before there is one: %v", err)
	}
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(l.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := l.read(); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"event":"ring","number":"1"}` + "\n" + `{"event":"en`)
	if len(l.entries) != 1 {
		t.Fatalf("%d entries of a line and a half", len(l.entries))
	}
	write(`d","number":"1","cause":"busy"}` + "\n")
	if len(l.entries) != 2 || l.entries[1].Cause != "busy" {
		t.Errorf("%+v", l.entries)
	}
}

func TestMissingBinariesNameTheRemedy(t *testing.T) {
	if err := checkBinaries(t.TempDir()); err == nil || !strings.Contains(err.Error(), "make demo") {
		t.Errorf("%v", err)
	}
}

// script makes an executable for family.start.
func script(t *testing.T, name, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestChildrenAreEndedAndTheDeadAreReported(t *testing.T) {
	f := &family{dir: t.TempDir()}
	env := []string{"PATH=" + os.Getenv("PATH")}
	gentle, err := f.start(script(t, "gentle", "sleep 600"), env)
	if err != nil {
		t.Fatal(err)
	}
	short, err := f.start(script(t, "short", "echo last words; exit 3"), env)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-f.died():
		if c != short || !strings.Contains(c.obituary(), "short has ended by itself: exit status 3") {
			t.Errorf("%s", c.obituary())
		}
	case <-time.After(time.Minute):
		t.Fatal("a dead child was not reported")
	}
	var text bytes.Buffer
	if f.tails(&text); !strings.Contains(text.String(), "last words") {
		t.Errorf("tails: %q", text.String())
	}
	f.stop()
	<-gentle.done
	select {
	case c := <-f.died():
		t.Errorf("%s was ended by us, and is reported as dead", c.name)
	default:
	}
}

func TestAChildThatIgnoresTheSignalIsKilled(t *testing.T) {
	f := &family{dir: t.TempDir()}
	ready := filepath.Join(f.dir, "ready")
	c, err := f.start(script(t, "deaf", "trap '' TERM; : >"+ready+"; while :; do sleep 1; done"), []string{"PATH=" + os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.await(t.Context(), "deaf", time.Minute, fileThere(ready)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f.stop()
	<-c.done
	if took := time.Since(began); took < stopTime || took > stopTime+time.Minute {
		t.Errorf("it took %v", took)
	}
}

func fileThere(name string) func(context.Context) bool {
	return func(context.Context) bool { _, err := os.Stat(name); return err == nil }
}
