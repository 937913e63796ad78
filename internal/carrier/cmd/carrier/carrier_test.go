package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

// start runs the command's run and returns what it printed.
func start(t *testing.T, o options) (addresses, func() error) {
	t.Helper()
	at, stop, err := tryStart(t, o)
	if err != nil {
		t.Fatalf("no line with the addresses: %v", err)
	}
	return at, stop
}

// tryStart returns the error of a command that did not start.
func tryStart(t *testing.T, o options) (at addresses, stop func() error, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, o, w)
		_ = w.Close()
	}()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		cancel()
		return at, nil, errors.Join(err, <-ended)
	}
	if err := json.Unmarshal(line, &at); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return at, func() error { cancel(); return <-ended }, nil
}

func flags(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestACallRingsAndIsWrittenDown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.jsonl")
	if err := os.WriteFile(file, []byte("{\"event\":\"before\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, stop := start(t, flags(t, "-ledger", file, "-vapi-token", "secret"))

	body := `{"assistantId":"a","phoneNumberId":"p","customer":{"number":"+12125550186"},"assistantOverrides":{"metadata":{"voice_key":"t/1"}}}`
	req, err := http.NewRequest(http.MethodPost, "http://"+at.Vapi+"/call", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("status %d", resp.StatusCode)
	}
	var events []string
	for end := time.Now().Add(time.Minute); len(events) < 3 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		events = read(t, file)
	}
	if got, want := strings.Join(events, " "), "before ring end"; got != want {
		t.Errorf("ledger has %q, want %q", got, want)
	}
	if err := stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	// Another test may have the port by now: what counts is that nobody is LiveKit there.
	if resp, err := http.Get("http://" + at.LiveKit + "/twirp/livekit.RoomService/ListRooms"); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusUnauthorized {
			t.Error("it still serves LiveKit after its end")
		}
	}
}

func read(t *testing.T, file string) (events []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var e carrier.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		events = append(events, e.Event)
	}
	return events
}

func TestLiveKitRefusesAStranger(t *testing.T) {
	at, stop := start(t, flags(t, "-ledger", filepath.Join(t.TempDir(), "l")))
	resp, err := http.Post("http://"+at.LiveKit+"/twirp/livekit.RoomService/ListRooms", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", resp.StatusCode)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestATakenPortAndALedgerThatCannotBe(t *testing.T) {
	at, stop := start(t, flags(t, "-ledger", filepath.Join(t.TempDir(), "l")))
	defer func() { _ = stop() }()
	_, port, _ := strings.Cut(at.LiveKit, ":")
	err := run(t.Context(), flags(t, "-ledger", filepath.Join(t.TempDir(), "l"), "-livekit-port", port), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-livekit-port") {
		t.Errorf("a taken port: %v", err)
	}
	if err := run(t.Context(), flags(t, "-ledger", t.TempDir()), io.Discard); err == nil {
		t.Error("a directory was taken for the ledger")
	}
}

func TestAWitnessThatCannotWriteStops(t *testing.T) {
	file, err := os.Open(os.DevNull) // for reading only
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, fail := context.WithCancelCause(t.Context())
	if _, err := (ledger{file, fail}).Write([]byte("{}\n")); err == nil || context.Cause(ctx) == nil {
		t.Errorf("write: %v, cause: %v", err, context.Cause(ctx))
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{nil, {"-ledger", "l", "left"}, {"-ledger", "l", "-talk", "-1s"}, {"-no-such-flag"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	o := flags(t, "-ledger", "l", "-livekit-agents", "a,b", "-talk", "2s")
	if len(o.livekitAgents) != 2 || o.pace.Talk != 2*time.Second {
		t.Errorf("%+v", o)
	}
}
