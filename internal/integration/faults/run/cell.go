package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Cell is one row of the table in docs/faults.md: what breaks, where, and what must
// hold all the same. Every cell is judged by all invariants besides.
type Cell struct {
	Number int
	Suffix string // of a second form of the same cell
	Name   string
	// Point and Action say what is done, Process to whom. A cell with a Point fails
	// unless that point was hit in that process and the kernel shows the action.
	Point, Action, Process string
	Inject                 string // what is done besides, or instead
	Scaled                 string // what was shortened, and how
	Expect                 string

	Short     bool // in the short form, too
	Exclusive bool // breaks what the lanes share
	Quiet     bool // the platform sends no webhooks
	Nth       int  // the pass of Point at which Action strikes; 0 = 3
	Hold      time.Duration
	Consumers int // 0 = 1
	Tasks     int // 0 = as many as the run has for a cell
	Ending    string
	// Unknown is how many dials may end unknown: those that were in the few milliseconds in
	// which nobody can know when their process or its connection was broken.
	Unknown int
	Virtual string // a test in virtual time; then nothing else is run
	// Arms are fault points beside Point, by process.
	Arms map[string]string

	Set    func(l *Lane)                                           // before anything is started
	Ready  func(ctx context.Context, l *Lane) error                // before the host's processes start
	During func(ctx context.Context, l *Lane) error                // while the messages come
	Count  *count                                                  // what else proves that the fault took place
	After  func(l *Lane, e audit.Evidence, v audit.Verdict) error  // on top of the audit
	Last   func(ctx context.Context, l *Lane, settled error) error // after everything has settled, before the audit
}

// count is how often a fault was seen to take place, where it is no fault point.
type count struct {
	least int
	what  string
	of    func(l *Lane, e audit.Evidence) int
}

// atLeast fails a cell in which too little went wrong.
func atLeast(n int, what string, of func(l *Lane, e audit.Evidence) int) *count {
	return &count{n, what, of}
}

// Label is the cell's number as it is shown.
func (c Cell) Label() string { return fmt.Sprintf("%02d%s", c.Number, c.Suffix) }

// outcome is what became of a cell.
type outcome struct {
	cell    Cell
	verdict audit.Verdict
	hits    int
	faults  int
	err     error
	took    time.Duration
}

// run plays one cell in a lane of its own.
func (w *World) run(ctx context.Context, c Cell) (o outcome) {
	began := time.Now()
	o.cell = c
	defer func() {
		if p := recover(); p != nil {
			o.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		o.took = time.Since(began)
	}()
	if c.Virtual != "" {
		o.hits, o.err = w.virtual(ctx, c)
		return o
	}
	l, err := w.newLane("c" + c.Label())
	if err != nil {
		o.err = err
		return o
	}
	defer l.close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	o.verdict, o.hits, o.err = l.play(ctx, c)
	o.faults = len(l.faults)
	return o
}

// play is the usual course of a cell.
func (l *Lane) play(ctx context.Context, c Cell) (v audit.Verdict, hits int, err error) {
	if c.Set != nil {
		c.Set(l)
	}
	l.noHooks = c.Quiet
	if len(l.messages) == 0 {
		n := c.Tasks
		if n == 0 {
			n = l.world.Tally
		}
		if c.Ending != "" {
			l.all(n, c.Ending)
		} else {
			l.usual(n)
		}
	}
	if err := l.prepare(ctx, max(1, c.Consumers)); err != nil {
		return v, 0, fmt.Errorf("preparing: %w", err)
	}
	l.arm(c)
	if c.Ready != nil {
		if err := c.Ready(ctx, l); err != nil {
			return v, 0, fmt.Errorf("ready: %w", err)
		}
	}
	hosts, stop := context.WithCancel(ctx)
	defer stop()
	if err := l.startHost(hosts, l.hosts()...); err != nil {
		return v, 0, err
	}
	if err := l.awaitWorkers(ctx); err != nil {
		return v, 0, err
	}
	if err := l.produce(); err != nil {
		return v, 0, err
	}
	if c.During != nil {
		if err := c.During(ctx, l); err != nil {
			return v, 0, fmt.Errorf("during: %w", err)
		}
	}
	e, hits, late, err := l.untilHit(ctx, c)
	if err != nil {
		return v, hits, errors.Join(late, err)
	}
	if dir := l.world.SaveTo; dir != "" {
		if err := e.Save(filepath.Join(dir, l.name+".json.gz")); err != nil {
			return v, 0, err
		}
	}
	v = audit.Audit(e)
	return v, hits, errors.Join(late, l.judge(c, e, v))
}

// moreRounds is how often a cell gets more tasks.
const moreRounds = 3

// untilHit waits until everything has settled, and collects what was seen. Which worker gets
// a task is luck: where none of them has come to the cell's fault yet, there are more tasks
// until one has. All of them are judged. late is what did not come about in time.
func (l *Lane) untilHit(ctx context.Context, c Cell) (e audit.Evidence, hits int, late, err error) {
	for round := 0; ; round++ {
		open := l.settle(ctx, settleTime)
		if ctx.Err() != nil {
			return e, 0, nil, context.Cause(ctx)
		}
		if open != "" {
			late = fmt.Errorf("not settled within %v: %s", settleTime, open)
		}
		if c.Last != nil {
			late = c.Last(ctx, l, late)
		}
		if e, err = l.evidence(ctx); err != nil {
			return e, 0, late, err
		}
		hits, err = l.hits(c, e)
		if err == nil || late != nil || c.Last != nil || round == moreRounds {
			return e, hits, errors.Join(late, err), nil
		}
		l.world.say("cell %s: %v, of %d messages; there are more", c.Label(), err, len(l.messages))
		l.strikeAgain(c)
		l.more(l.world.Tally, 0, c.Ending)
		if err := l.produce(); err != nil {
			return e, hits, late, err
		}
	}
}

// strikeAgain orders a cell's fault once more that took place without effect.
func (l *Lane) strikeAgain(c Cell) {
	if c.Nth < 0 || l.proved(c) == 0 {
		return // armed still
	}
	for _, p := range l.hosts() {
		if p.cfg.Name == c.Process {
			p.give(c.Point+":"+c.Action+":1", 0)
		}
	}
}

// arm gives the cell's faults to their processes.
func (l *Lane) arm(c Cell) {
	for _, p := range l.hosts() {
		var all []string
		if p.cfg.Name == c.Process && c.Point != "" {
			nth := "3"
			switch {
			case c.Nth > 0:
				nth = fmt.Sprint(c.Nth)
			case c.Nth < 0:
				nth = "*"
			}
			all = append(all, c.Point+":"+c.Action+":"+nth)
			if c.Hold > 0 {
				p.stopFor = c.Hold
			}
		}
		if more := c.Arms[p.cfg.Name]; more != "" {
			all = append(all, more)
		}
		if len(all) > 0 {
			p.arms = append(p.arms, strings.Join(all, ","))
		}
	}
}

// hosts are all processes of the host.
func (l *Lane) hosts() []*process {
	return append(append([]*process(nil), l.workers...), l.consumers...)
}

// proved counts the hits of the cell's point, in its process, whose action the kernel
// shows.
func (l *Lane) proved(c Cell) int {
	n := 0
	for _, p := range l.hosts() {
		if p.cfg.Name != c.Process {
			continue
		}
		for _, f := range p.proofs() {
			action, _, _ := strings.Cut(c.Action, ":")
			if f.Point == c.Point && f.Action == action && (action != "kill" || f.killed) && (action != "stop" || f.stopped) {
				n++
			}
		}
	}
	return n
}

// hits counts how often the cell's fault took place, and fails where it did not.
func (l *Lane) hits(c Cell, e audit.Evidence) (n int, err error) {
	if c.Point != "" {
		if n = l.proved(c); n == 0 {
			err = fmt.Errorf("%s was not hit in %s, or its action (%s) not seen from outside", c.Point, c.Process, c.Action)
		}
	}
	if c.Count != nil {
		seen := c.Count.of(l, e)
		if seen < c.Count.least {
			err = errors.Join(err, fmt.Errorf("%d %s: the cell wants %d", seen, c.Count.what, c.Count.least))
		}
		n += seen
	}
	return n, err
}

// judge is what a cell must prove beside the invariants.
func (l *Lane) judge(c Cell, e audit.Evidence, v audit.Verdict) error {
	var all []error
	for i, f := range v.Findings {
		if i == 8 {
			all = append(all, fmt.Errorf("and %d findings more", len(v.Findings)-i))
			break
		}
		all = append(all, fmt.Errorf("%s: %s", f.Invariant, f.Text))
	}
	if v.Produced == 0 || v.Rows == 0 || v.Rings == 0 {
		all = append(all, fmt.Errorf("nothing happened: %d produced, %d rows, %d rings", v.Produced, v.Rows, v.Rings))
	}
	if v.Unknown > c.Unknown {
		all = append(all, fmt.Errorf("%d dials ended unknown, at most %d may", v.Unknown, c.Unknown))
	}
	if c.After != nil {
		if err := c.After(l, e, v); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// tails prints the end of the logs of a lane.
func (w *World) tails(lane string) {
	files, _ := filepath.Glob(filepath.Join(w.dir, lane, "*.log"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || len(text) == 0 {
			continue
		}
		if len(text) > 1500 {
			text = text[len(text)-1500:]
		}
		fmt.Fprintf(w.Out, "--- the last of %s\n%s\n", filepath.Base(file), text)
	}
}
