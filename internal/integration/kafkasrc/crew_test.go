package kafkasrc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crew starts members of one group, which write into one ledger.
type crew struct {
	w                  *world
	dir                string
	protocol, strategy string
}

func newCrew(t *testing.T, w *world, protocol, strategy string) *crew {
	return &crew{w: w, dir: t.TempDir(), protocol: protocol, strategy: strategy}
}

// A member is a consumer in a process of its own.
type member struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	log    *logBuffer
	done   chan error

	mu    sync.Mutex
	last  report
	heard int
}

// join starts a member and waits until it has partitions. The settings that change gets are the
// usual ones.
func (c *crew) join(t *testing.T, change func(*memberConfig)) *member {
	t.Helper()
	told := memberConfig{
		Brokers: c.w.FlakyAddrs(), Topic: c.w.topic, Group: c.w.group, Protocol: c.protocol, Strategy: c.strategy,
		InFlight: stormInFlight, Submit: 5 * time.Millisecond, MaxPollInterval: 30 * time.Second, Ledger: filepath.Join(c.dir, "accepted"),
	}
	if change != nil {
		change(&told)
	}
	m := startMember(t, told)
	eventually(t, "the new member has partitions", func() bool { return strings.Contains(m.log.String(), "partitions assigned") })
	return m
}

func startMember(t *testing.T, told memberConfig) *member {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{cmd: exec.Command(self), log: &logBuffer{}, done: make(chan error, 1)}
	m.cmd.Env = append(os.Environ(), envMember+"="+string(text))
	m.cmd.Stderr = m.log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if m.orders, err = m.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		m.listen(out)
		m.done <- m.cmd.Wait()
	}()
	t.Cleanup(func() {
		if m.cmd.Process.Kill() == nil && t.Failed() { // most have ended
			text := m.log.String()
			t.Logf("member %d, of which nobody expected an end, said last:\n%s", m.pid(), text[max(0, len(text)-3000):])
		}
	})
	return m
}

func (m *member) listen(out io.Reader) {
	for dec := json.NewDecoder(out); ; {
		var r report
		if dec.Decode(&r) != nil {
			return
		}
		m.mu.Lock()
		m.last = r
		m.heard++
		m.mu.Unlock()
	}
}

// report is the latest; heard counts them.
func (m *member) report() (r report, heard int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.heard
}

// order tells the member "down" or "up".
func (m *member) order(t *testing.T, word string) {
	t.Helper()
	if _, err := io.WriteString(m.orders, word+"\n"); err != nil {
		t.Errorf("%s: %v", word, err)
	}
}

func (m *member) pid() int { return m.cmd.Process.Pid }

func (m *member) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := m.cmd.Process.Signal(sig); err != nil {
		t.Errorf("%v: %v", sig, err)
	}
}

// freeze stops the member, and waits until no thread of it runs any more.
func (m *member) freeze(t *testing.T) {
	t.Helper()
	m.signal(t, syscall.SIGSTOP)
	eventually(t, "a member stands still", func() bool { return frozen(m.pid()) })
}

// frozen reports whether all threads of a process are stopped, as Linux has it; other systems are believed.
func frozen(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			return false // it has just ended
		}
		if _, state, _ := strings.Cut(string(b), ") "); !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// end sends sig and waits for the process. It reports whether that ended well, or, after a SIGTERM, says
// that records come again.
func (m *member) end(t *testing.T, sig syscall.Signal) (well bool) {
	t.Helper()
	m.signal(t, sig)
	select {
	case err := <-m.done:
		if sig == syscall.SIGTERM && err != nil {
			t.Logf("a member that left: %v\n%s", err, m.log.String())
		}
		return err == nil
	case <-time.After(patience):
		t.Errorf("a member does not end after %v\n%s", sig, m.log.String())
		return false
	}
}

// accepted are the members, by pid and in order, that accepted each task.
func (c *crew) accepted(t *testing.T) map[string][]int { return c.ledger(t, "accepted") }

// ledger are the members, by pid and in order, that have a line of each task in that file.
func (c *crew) ledger(t *testing.T, name string) map[string][]int {
	t.Helper()
	f, err := os.Open(filepath.Join(c.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		who, id, _ := strings.Cut(lines.Text(), " ")
		pid, err := strconv.Atoi(who)
		if err != nil {
			t.Fatalf("the ledger has a line %q", lines.Text())
		}
		out[id] = append(out[id], pid)
	}
	return out
}
