package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// statuses of a task, in the order in which it goes through them.
var statuses = [...]string{"pending", statusScheduled, "processing", "in_progress", "completed", "failed", "cancelled"}

const (
	statusScheduled = "scheduled"
	ruleRedial      = "redial"
)

func statusIndex(status string) int {
	for i, s := range statuses {
		if s == status {
			return i
		}
	}
	return -1
}

// ruleOf is the first word of a task's reason: the rule it waits or ended by.
func ruleOf(reason string) string {
	rule, _, _ := strings.Cut(reason, ":")
	return rule
}

// snapshot is how far things are.
type snapshot struct {
	tasks, ended           int
	lettersWanted, letters int
	rings, live            int
	byStatus               [len(statuses)][2]int // per lane: normal, bulk
}

// settled reports whether every message has come to an end.
func (s snapshot) settled() bool {
	return s.ended >= s.tasks && s.letters >= s.lettersWanted && s.live == 0
}

// progress shows snapshots while the demo works.
type progress interface {
	update(s snapshot)
	note(text string) // something worth a line of its own
	end()
}

// newProgress is a live table on a terminal, plain lines otherwise.
func newProgress(out *os.File, began time.Time) progress {
	info, err := out.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" {
		return &liveTable{out: out, began: began}
	}
	return &plainLines{out: out, began: began}
}

// plainLines prints a line every few seconds, if anything has changed.
type plainLines struct {
	out       io.Writer
	began     time.Time
	last      time.Time
	said, now snapshot
}

const plainEvery = 3 * time.Second

func (p *plainLines) update(s snapshot) {
	p.now = s
	if s != p.said && time.Since(p.last) >= plainEvery {
		p.print()
	}
}

func (p *plainLines) print() {
	s := p.now
	p.said, p.last = s, time.Now()
	var open []string
	for i, status := range statuses[:4] {
		if n := s.byStatus[i][0] + s.byStatus[i][1]; n > 0 {
			open = append(open, fmt.Sprintf("%d %s", n, status))
		}
	}
	if len(open) == 0 {
		open = []string{"none open"}
	}
	fmt.Fprintf(p.out, "%s  %d of %d tasks ended (%s), %d of %d dead letters, %d rings\n",
		clock(p.began), s.ended, s.tasks, strings.Join(open, ", "), s.letters, s.lettersWanted, s.rings)
}

func (p *plainLines) note(text string) { fmt.Fprintf(p.out, "%s  %s\n", clock(p.began), text) }

func (p *plainLines) end() {
	if p.now != p.said {
		p.print()
	}
}

// liveTable draws one table again and again in the same place.
type liveTable struct {
	out   io.Writer
	began time.Time
	drawn int // lines
	now   snapshot
}

// Control sequences of terminals: up by some lines; clear from here on.
const (
	cursorUp   = "\x1b[%dA"
	clearBelow = "\r\x1b[J"
)

func (t *liveTable) update(s snapshot) {
	t.now = s
	t.draw(t.rows())
}

func (t *liveTable) rows() []string {
	s := t.now
	const bar = 40
	done := 0
	if s.tasks > 0 {
		done = bar * min(s.ended, s.tasks) / s.tasks
	}
	rows := []string{
		fmt.Sprintf("%s  [%s%s] %d of %d tasks ended", clock(t.began), strings.Repeat("#", done), strings.Repeat(".", bar-done), s.ended, s.tasks),
		fmt.Sprintf("        %-14s %8s %8s", "", laneNormal, laneBulk),
	}
	for i, status := range statuses {
		rows = append(rows, fmt.Sprintf("        %-14s %8d %8d", status, s.byStatus[i][0], s.byStatus[i][1]))
	}
	return append(rows, fmt.Sprintf("        %d of %d dead letters, %d rings, %d calls up", s.letters, s.lettersWanted, s.rings, s.live))
}

func (t *liveTable) draw(rows []string) {
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, cursorUp+clearBelow, t.drawn)
	}
	for _, r := range rows {
		b.WriteString(r + "\n")
	}
	t.drawn = len(rows)
	fmt.Fprint(t.out, b.String())
}

func (t *liveTable) note(text string) {
	drawn := t.drawn > 0
	t.draw(nil)
	fmt.Fprintf(t.out, "%s  %s\n", clock(t.began), text)
	if drawn {
		t.draw(t.rows())
	}
}

func (t *liveTable) end() {}
