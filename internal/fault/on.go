//go:build voice_faults && linux

package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Armed reports whether this binary can be made to fail. It can.
const Armed = true

// Variables that arm a process.
const (
	envFaults = "VOICE_FAULT"
	envLog    = "VOICE_FAULT_LOG"
	envOrders = "VOICE_FAULT_ORDERS"
)

// ErrInjected is what Point returns for the action err.
var ErrInjected = errors.New("fault: injected")

// every is the pass number of "*".
const every = 0

// trap is one armed point.
type trap struct {
	action string
	pause  time.Duration // of sleep
	at     int
}

var armed struct {
	sync.Mutex
	once   sync.Once
	traps  map[string][]trap
	passes map[string]int
	log    *os.File
	orders string // file of the orders for this process
	read   int64  // of it so far
}

// arm reads the environment. A process that was armed wrongly must not run as if it
// were not.
func arm() {
	traps, err := parse(os.Getenv(envFaults))
	if dir := os.Getenv(envOrders); dir != "" {
		armed.orders = filepath.Join(dir, strconv.Itoa(os.Getpid()))
	}
	if err == nil && os.Getenv(envLog) != "" {
		armed.log, err = os.OpenFile(os.Getenv(envLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(2)
	}
	armed.traps, armed.passes = traps, map[string]int{}
}

// Point is passed by the process at the step of that name.
func Point(ctx context.Context, name string) error {
	armed.once.Do(arm)
	armed.Lock()
	takeOrders()
	armed.passes[name]++
	pass := armed.passes[name]
	traps := armed.traps[name]
	armed.Unlock()
	for _, t := range traps {
		if t.at != every && t.at != pass {
			continue
		}
		if err := spring(ctx, name, t, pass); err != nil {
			return err
		}
	}
	return nil
}

// takeOrders arms what has been appended to the file of orders since. The passes of an
// order are counted from now on. armed is locked.
func takeOrders() {
	if armed.orders == "" {
		return
	}
	info, err := os.Stat(armed.orders)
	if err != nil || info.Size() <= armed.read {
		return
	}
	text, err := os.ReadFile(armed.orders)
	if err != nil {
		return
	}
	fresh, _, whole := strings.Cut(string(text[armed.read:]), "\n")
	if !whole {
		return
	}
	armed.read += int64(len(fresh)) + 1
	traps, err := parse(fresh)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		return
	}
	all := map[string][]trap{} // others may be reading the old one
	maps.Copy(all, armed.traps)
	for name, list := range traps {
		for i := range list {
			if list[i].at != every {
				list[i].at += armed.passes[name]
			}
		}
		all[name] = append(slices.Clone(all[name]), list...)
	}
	armed.traps = all
}

// spring says what is about to happen, then makes it happen.
func spring(ctx context.Context, name string, t trap, pass int) error {
	line, err := json.Marshal(map[string]any{"at": time.Now().UTC(), "pid": os.Getpid(), "point": name, "action": t.action, "pass": pass})
	if err == nil && armed.log == nil {
		err = errors.New("set " + envLog)
	}
	if err == nil {
		_, err = armed.log.Write(append(line, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(2)
	}
	switch t.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it is on its way
	case "stop":
		stopHere()
	case "sleep":
		select {
		case <-time.After(t.pause):
		case <-ctx.Done():
		}
	case "err":
		return ErrInjected
	}
	return nil
}

// stopHere stops the process, this thread first: a signal to the whole process would
// let the caller run on for a moment.
func stopHere() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
}

// parse reads VOICE_FAULT.
func parse(text string) (map[string][]trap, error) {
	traps := map[string][]trap{}
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		name, t, err := parseTrap(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", envFaults, one, err)
		}
		traps[name] = append(traps[name], t)
	}
	return traps, nil
}

func parseTrap(text string) (name string, t trap, err error) {
	fields := strings.Split(text, ":")
	if len(fields) < 2 {
		return "", t, errors.New("want name:action[:nth]")
	}
	name, t.action, t.at = fields[0], fields[1], 1
	rest := fields[2:]
	switch t.action {
	case "kill", "stop", "err", "note":
	case "sleep":
		if len(rest) == 0 {
			return "", t, errors.New("want name:sleep:duration[:nth]")
		}
		if t.pause, err = time.ParseDuration(rest[0]); err != nil {
			return "", t, err
		}
		rest = rest[1:]
	default:
		return "", t, errors.New("the action is none of kill, stop, sleep, err and note")
	}
	switch {
	case len(rest) == 0:
	case len(rest) > 1:
		return "", t, errors.New("too many colons")
	case rest[0] == "*":
		t.at = every
	default:
		if t.at, err = strconv.Atoi(rest[0]); err != nil || t.at < 1 {
			return "", t, errors.New("the pass is no number above 0")
		}
	}
	return name, t, nil
}
