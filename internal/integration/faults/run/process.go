package run

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

// hit is a line that a fault point left behind.
type hit struct {
	At     time.Time `json:"at"`
	PID    int       `json:"pid"`
	Point  string    `json:"point"`
	Action string    `json:"action"`
	Pass   int       `json:"pass"`
}

// process is one process of the host, kept alive: when it dies it is started again, as
// a supervisor would.
type process struct {
	lane *Lane
	cfg  parts.HostConfig

	mu    sync.Mutex
	arms  []string // VOICE_FAULT of the next starts, one each
	child *parts.Child
	// orders are the faults asked for on the way that have not struck yet. A process that dies
	// first leaves them to the next.
	orders []string
	off    bool // not to be started again
	// stopFor is how long a process that stopped itself is left so.
	stopFor time.Duration
	// respawn is how long a supervisor takes.
	respawn time.Duration
	seen    int // hits looked at
	proved  []proof
}

// proof is a fault point that was hit, and what the kernel said of it afterwards.
type proof struct {
	hit
	killed  bool // ended by signal 9
	stopped bool // state T
}

func (p *process) hitsFile() string { return filepath.Join(p.lane.dir, p.cfg.Name+".hits") }

// start starts the process, armed with what is next.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off || (p.child != nil && p.child.Running()) {
		return nil
	}
	armed := slices.Clone(p.orders)
	if len(p.arms) > 0 {
		armed, p.arms = append(armed, p.arms[0]), p.arms[1:]
	}
	c, err := p.lane.family.Start(parts.Spec{
		Name: p.lane.name + "-" + p.cfg.Name, Path: filepath.Join(p.lane.world.Bin, "faulthost"), Args: []string{p.cfg.Arg()},
		Env: []string{"VOICE_FAULT=" + strings.Join(armed, ","), "VOICE_FAULT_LOG=" + p.hitsFile(), "VOICE_FAULT_ORDERS=" + p.lane.dir},
	})
	if err != nil {
		return err
	}
	p.child = c
	return nil
}

// give arms the process with one fault more; should it be away just now, or die before the
// fault strikes, its next start. One that stops itself is left so for hold, if that is given.
func (p *process) give(text string, hold time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if hold > 0 {
		p.stopFor = hold
	}
	p.orders = append(p.orders, text)
	if p.child == nil || !p.child.Running() {
		return
	}
	f, err := os.OpenFile(filepath.Join(p.lane.dir, strconv.Itoa(p.child.PID())), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(text + "\n") // else with the next start
}

// keep starts the process again whenever it has ended, and does what its fault points
// ask for, until ctx ends.
func (p *process) keep(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.look(ctx)
		p.mu.Lock()
		c, off, wait := p.child, p.off, p.respawn
		p.mu.Unlock()
		if off || c == nil || c.Running() {
			continue
		}
		p.look(ctx) // its last word
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		_ = p.start() // else again with the next tick
	}
}

// look takes note of new hits, and sees from outside that the action took place.
func (p *process) look(ctx context.Context) {
	hits, err := collect.Lines[hit](p.hitsFile())
	if err != nil {
		return
	}
	for ; p.seen < len(hits); p.seen++ {
		h := hits[p.seen]
		p.mu.Lock()
		c := p.child
		p.mu.Unlock()
		proved := proof{hit: h}
		f := audit.Fault{At: h.At, Process: p.cfg.Name, Action: h.Action, Point: h.Point}
		if c != nil && c.PID() == h.PID {
			switch h.Action {
			case "kill":
				select {
				case <-c.Done():
				case <-time.After(patience):
				}
				proved.killed = c.Killed()
			case "stop":
				proved.stopped = parts.Await(ctx, "stopped", patience, func(context.Context) bool { return c.Stopped() }) == nil
				f.Until = h.At.Add(p.stopFor)
				time.AfterFunc(p.stopFor, func() { _ = c.Signal(syscall.SIGCONT) })
			}
		}
		p.lane.note(f)
		p.mu.Lock()
		p.proved = append(p.proved, proved)
		if i := slices.IndexFunc(p.orders, func(o string) bool { return strings.HasPrefix(o, h.Point+":"+h.Action) }); i >= 0 {
			p.orders = slices.Delete(p.orders, i, i+1)
		}
		p.mu.Unlock()
	}
}

// proofs returns what was seen so far.
func (p *process) proofs() []proof {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]proof(nil), p.proved...)
}

// hits counts the passes of a point that were seen.
func (p *process) hits(point string) int {
	n := 0
	for _, f := range p.proofs() {
		if f.Point == point {
			n++
		}
	}
	return n
}

// kill kills the process now; it is started again by keep.
func (p *process) kill() {
	p.mu.Lock()
	c := p.child
	p.mu.Unlock()
	if c == nil || !c.Running() {
		return
	}
	p.lane.note(audit.Fault{At: time.Now().UTC(), Process: p.cfg.Name, Action: "kill"})
	c.Kill()
}

// freeze stops the process for a while. It reports whether the kernel showed it stopped.
func (p *process) freeze(ctx context.Context, d time.Duration) bool {
	p.mu.Lock()
	c := p.child
	p.mu.Unlock()
	return c != nil && freeze(ctx, p.lane, c, p.cfg.Name, d)
}

// freeze stops any child for a while.
func freeze(ctx context.Context, l *Lane, c *parts.Child, name string, d time.Duration) bool {
	if c.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	now := time.Now().UTC()
	l.note(audit.Fault{At: now, Until: now.Add(d), Process: name, Action: "stop"})
	stopped := parts.Await(ctx, "stopped", patience, func(context.Context) bool { return c.Stopped() }) == nil
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	_ = c.Signal(syscall.SIGCONT)
	return stopped
}

// end ends the process for good with SIGTERM; it reports whether it ended cleanly.
func (p *process) end(limit time.Duration) bool {
	p.mu.Lock()
	p.off = true
	c := p.child
	p.mu.Unlock()
	return c == nil || c.End(syscall.SIGTERM, limit)
}

// restart ends the process with SIGTERM and starts it again.
func (p *process) restart(limit time.Duration) (clean bool, err error) {
	clean = p.end(limit)
	p.mu.Lock()
	p.off = false
	p.mu.Unlock()
	return clean, p.start()
}
