package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTime is how long a child gets to end by itself before it is killed.
const stopTime = 6 * time.Second

// family is the demo's children. Each leads a process group of its own, so that a
// ctrl-C on the terminal reaches the demo only, and the demo ends them in order.
type family struct {
	dir      string // for their logs
	mu       sync.Mutex
	children []*child // in order of their start
	dead     chan *child
	stopping bool
}

// child is one process.
type child struct {
	name string
	cmd  *exec.Cmd
	log  string        // file with all it prints
	done chan struct{} // closed once it has ended
	err  error         // how; read after done
}

// checkBinaries says how to get what is missing.
func checkBinaries(dir string) error {
	for _, name := range []string{binTemporal, binCarrier, binWorker, binConsumer} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() {
			return fmt.Errorf("there is no %s: run \"make demo\" at the top of the repository, which builds it, or name its directory with -bin", filepath.Join(dir, name))
		}
	}
	return nil
}

// start runs a program, with env alone as its environment.
func (f *family) start(path string, env []string, args ...string) (*child, error) {
	if !strings.ContainsRune(path, filepath.Separator) {
		path = "." + string(filepath.Separator) + path // not from PATH
	}
	name := filepath.Base(path)
	log, err := os.OpenFile(filepath.Join(f.dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &child{name: name, cmd: exec.Command(path, args...), log: log.Name(), done: make(chan struct{})}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = env, log, log
	c.cmd.SysProcAttr = ownGroup()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead == nil {
		f.dead = make(chan *child, 16)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	f.children = append(f.children, c)
	go f.wait(c)
	return c, nil
}

// wait reaps c, and reports it if nobody asked it to end.
func (f *family) wait(c *child) {
	c.err = c.cmd.Wait()
	close(c.done)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stopping {
		select {
		case f.dead <- c:
		default:
		}
	}
}

// died delivers a child that ended without being asked to.
func (f *family) died() <-chan *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// stop ends all children, the last started first in two steps: those who use a
// service end before it does.
func (f *family) stop() {
	f.mu.Lock()
	f.stopping = true
	children := f.children
	f.children = nil
	f.mu.Unlock()
	var services, users []*child
	for _, c := range children {
		if c.name == binTemporal || c.name == binCarrier {
			services = append(services, c)
		} else {
			users = append(users, c)
		}
	}
	stopAll(users)
	stopAll(services)
}

func stopAll(children []*child) {
	for _, c := range children {
		c.signal(syscall.SIGTERM)
	}
	limit := time.NewTimer(stopTime)
	defer limit.Stop()
	for _, c := range children {
		select {
		case <-c.done:
		case <-limit.C:
			limit.Reset(0) // the others have had their time as well
			c.signal(syscall.SIGKILL)
			<-c.done
		}
	}
}

// signal sends s to c's group, unless c has ended.
func (c *child) signal(s syscall.Signal) {
	select {
	case <-c.done:
	default:
		_ = syscall.Kill(-c.cmd.Process.Pid, s) // it may end at this very moment
	}
}

// obituary is how c ended, in words.
func (c *child) obituary() string {
	how := "without an error"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Sprintf("%s has ended by itself: %s", c.name, how)
}

// errTimeout is for what did not come about in time.
var errTimeout = errors.New("not ready in time")

// await asks ready again and again until it is, a child dies, or limit has passed.
func (f *family) await(ctx context.Context, what string, limit time.Duration, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	for {
		if ready(ctx) {
			return nil
		}
		select {
		case c := <-f.died():
			return errors.New(c.obituary())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// tails prints the end of each child's log.
func (f *family) tails(w io.Writer) {
	const lines = 15
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.children {
		text, err := os.ReadFile(c.log)
		if err != nil || len(text) == 0 {
			continue
		}
		all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
		all = all[max(0, len(all)-lines):]
		fmt.Fprintf(w, "--- the last of %s\n%s\n", c.log, bytes.Join(all, []byte("\n")))
	}
}
