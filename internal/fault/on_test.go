//go:build voice_faults && linux

package fault

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the process that is broken.
const envChild = "FAULT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child passes points as often as it is told to, a line for each.
func child() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		err := Point(context.Background(), in.Text())
		if _, werr := os.Stdout.WriteString(strconv.FormatBool(err == nil) + "\n"); werr != nil {
			return
		}
	}
}

type victim struct {
	t   *testing.T
	cmd *exec.Cmd
	in  interface{ Write([]byte) (int, error) }
	out *bufio.Scanner
	dir string
}

func start(t *testing.T, faults string) *victim {
	t.Helper()
	v := &victim{t: t, cmd: exec.Command(os.Args[0]), dir: t.TempDir()}
	v.cmd.Env = append(os.Environ(), envChild+"=1", envFaults+"="+faults, envLog+"="+filepath.Join(v.dir, "hits"), envOrders+"="+v.dir)
	in, err := v.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.in, v.out = in, bufio.NewScanner(out)
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.cmd.Process.Kill(); _ = v.cmd.Wait() })
	return v
}

// pass has the child pass a point and returns its answer; "" if there is none.
func (v *victim) pass(point string) string {
	if _, err := v.in.Write([]byte(point + "\n")); err != nil {
		return ""
	}
	if !v.out.Scan() {
		return ""
	}
	return v.out.Text()
}

func (v *victim) hits() (points []string) {
	text, err := os.ReadFile(filepath.Join(v.dir, "hits"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		var h struct {
			PID           int
			Point, Action string
			Pass          int
		}
		if err := json.Unmarshal([]byte(line), &h); err != nil || h.PID != v.cmd.Process.Pid {
			v.t.Errorf("%s: %v", line, err)
		}
		points = append(points, h.Point+":"+h.Action+":"+strconv.Itoa(h.Pass))
	}
	return points
}

func TestKillAtTheSecondPass(t *testing.T) {
	v := start(t, "place.accepted:kill:2,fence.placed:note:*")
	if got := v.pass(PlaceAccepted) + v.pass(FencePlaced) + v.pass(PlaceAccepted); got != "truetrue" {
		t.Errorf("answers %q: the third must not come", got)
	}
	_ = v.cmd.Wait()
	if s := v.cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", v.cmd.ProcessState)
	}
	if got := strings.Join(v.hits(), " "); got != "fence.placed:note:1 place.accepted:kill:2" {
		t.Errorf("hits %q", got)
	}
}

func TestStopIsSeenFromOutside(t *testing.T) {
	v := start(t, "execute.begun:stop")
	answered := make(chan string, 1)
	go func() { answered <- v.pass(ExecuteBegun) }()
	stat := "/proc/" + strconv.Itoa(v.cmd.Process.Pid) + "/stat"
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(stat)
		if err == nil && strings.Contains(string(text), ") T ") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("never stopped: %s %v", text, err)
		}
	}
	select {
	case got := <-answered:
		t.Errorf("it went on, with %q", got)
	default:
	}
	if err := v.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != "true" {
		t.Errorf("after SIGCONT: %q", got)
	}
}

func TestOrdersSleepAndErr(t *testing.T) {
	v := start(t, "event.stored:sleep:50ms,event.stored:err:2")
	began := time.Now()
	if got := v.pass(EventStored); got != "true" || time.Since(began) < 50*time.Millisecond {
		t.Errorf("%q after %v", got, time.Since(began))
	}
	if got := v.pass(EventStored); got != "false" {
		t.Errorf("the second pass: %q", got)
	}
	order := filepath.Join(v.dir, strconv.Itoa(v.cmd.Process.Pid))
	if err := os.WriteFile(order, []byte("event.stored:err:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := v.pass(EventStored) + v.pass(EventStored); got != "falsetrue" {
		t.Errorf("after the order: %q", got)
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"x", "x:explode", "x:sleep", "x:sleep:soon", "x:kill:0", "x:kill:two", "x:kill:1:2"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	traps, err := parse(" a:kill, b:sleep:1s:* ,")
	if err != nil || len(traps) != 2 || traps["a"][0].at != 1 || traps["b"][0] != (trap{"sleep", time.Second, every}) {
		t.Errorf("%+v, %v", traps, err)
	}
}
