package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Child is one process of the harness.
type Child struct {
	Name string
	Log  string // file with all it prints

	cmd   *exec.Cmd
	done  chan struct{} // closed once it has ended
	began time.Time

	mu     sync.Mutex
	wanted bool // somebody asked it to end
}

// Spec says what to run.
type Spec struct {
	Name string // of the process in logs and reports
	Path string
	Args []string
	Env  []string // alone; nothing is inherited but what the family adds
	As   *syscall.Credential
	// Dir is where it runs. Empty: the family's.
	Dir string
}

// PID is the id of the process.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Began is when it was started.
func (c *Child) Began() time.Time { return c.began }

// Done is closed once the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Running reports whether it has not ended.
func (c *Child) Running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Signal sends s to the process alone, unless it has ended.
func (c *Child) Signal(s syscall.Signal) error {
	if !c.Running() {
		return fmt.Errorf("%s has ended", c.Name)
	}
	return syscall.Kill(c.PID(), s)
}

// Kill ends it with SIGKILL and waits for that.
func (c *Child) Kill() {
	c.MayEnd()
	_ = c.Signal(syscall.SIGKILL)
	<-c.done
}

// End asks it to end with s, and kills it after limit. It reports whether it ended by
// itself, without an error.
func (c *Child) End(s syscall.Signal, limit time.Duration) bool {
	c.MayEnd()
	_ = c.Signal(syscall.SIGCONT)
	_ = c.Signal(s)
	select {
	case <-c.done:
	case <-time.After(limit):
		_ = c.Signal(syscall.SIGKILL)
		<-c.done
	}
	return c.cmd.ProcessState.ExitCode() == 0
}

// MayEnd says that the end of the process is no news: Died does not deliver it.
func (c *Child) MayEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
}

// Killed reports whether the process has ended by SIGKILL: what a shell shows as exit
// status 137. It is the kernel's word, not the process's.
func (c *Child) Killed() bool {
	if c.Running() {
		return false
	}
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// ExitText is how it ended, in words.
func (c *Child) ExitText() string {
	if c.Running() {
		return "running"
	}
	return c.cmd.ProcessState.String()
}

// Stopped reports whether the kernel shows the process as stopped (state T).
func (c *Child) Stopped() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.PID()))
	if err != nil {
		return false
	}
	_, after, ok := strings.Cut(string(text), ") ")
	return ok && strings.HasPrefix(after, "T")
}

// Family is the children of one run. None of them outlives the harness.
type Family struct {
	Dir string   // for their logs
	Env []string // that all of them get

	mu       sync.Mutex
	children []*Child
	dead     chan *Child
	ending   bool
}

// NewFamily keeps its logs in dir.
func NewFamily(dir string, env []string) *Family {
	return &Family{Dir: dir, Env: env, dead: make(chan *Child, 1024)}
}

// Start runs a program. It leads a process group of its own, so that a ctrl-C on the
// terminal reaches the harness only.
func (f *Family) Start(s Spec) (*Child, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ending {
		return nil, errors.New("parts: the run is over")
	}
	log, err := os.OpenFile(filepath.Join(f.Dir, s.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &Child{Name: s.Name, Log: log.Name(), cmd: exec.Command(s.Path, s.Args...), done: make(chan struct{}), began: time.Now()}
	c.cmd.Env = append(append([]string(nil), f.Env...), s.Env...)
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Dir = log, log, s.Dir
	if c.cmd.Dir == "" {
		c.cmd.Dir = f.Dir
	}
	c.cmd.SysProcAttr = ownGroup(s.As)
	if err := startOnOwnThread(c.cmd); err != nil {
		return nil, fmt.Errorf("parts: starting %s: %w", s.Name, err)
	}
	f.children = append(f.children, c)
	go f.wait(c)
	return c, nil
}

func (f *Family) wait(c *Child) {
	_ = c.cmd.Wait() // the exit status is read from the process's state
	close(c.done)
	c.mu.Lock()
	wanted := c.wanted
	c.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, other := range f.children {
		if other == c {
			f.children = append(f.children[:i], f.children[i+1:]...)
			break
		}
	}
	if !wanted && !f.ending {
		select {
		case f.dead <- c:
		default:
		}
	}
}

// Died delivers children that ended without being asked to.
func (f *Family) Died() <-chan *Child { return f.dead }

// End ends all children at once: they are of no more use.
func (f *Family) End() {
	f.mu.Lock()
	f.ending = true
	children := append([]*Child(nil), f.children...)
	f.mu.Unlock()
	for _, c := range children {
		_ = c.Signal(syscall.SIGCONT)
		_ = c.Signal(syscall.SIGKILL)
	}
	for _, c := range children {
		<-c.done
	}
}

// ErrTimeout is for what did not come about in time.
var ErrTimeout = errors.New("not in time")

// Await asks ready again and again until it is, or limit has passed.
func Await(ctx context.Context, what string, limit time.Duration, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	for {
		if ready(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case <-time.After(25 * time.Millisecond):
		}
	}
}
