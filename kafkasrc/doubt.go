package kafkasrc

import (
	"log/slog"
	"time"
)

const (
	// stoodStill is how long a process that was frozen, or starved, has been away at least before it
	// doubts its assignment. Brokers by default take no member for dead sooner than after 6 s
	// (group.min.session.timeout.ms).
	stoodStill = 5 * time.Second
	// doubtFor is how long the brokers have to say that a partition has another owner. The client asks
	// at once, since its heartbeat is overdue.
	doubtFor = 5 * time.Second
)

// feelPulse is called after each poll. A consumer that stood still for as long as brokers wait for a
// member may read on in partitions that have another owner by now: nothing keeps it from fetching, and the
// heartbeat that tells may take a second. So it starts nothing until the brokers have had time to speak.
// What others have done comes once, then, and not once more for all that was fetched in that second.
func (l *lane) feelPulse(now time.Time) {
	wall := now.Round(0) // the other clock stops while a machine sleeps
	still := wall.Sub(l.beat)
	if first := l.beat.IsZero(); !first && still > stoodStill && len(l.parts) > 0 {
		l.doubtful = now.Add(doubtFor) // by the other clock: this one may be set back meanwhile
		l.notes.note(slog.LevelWarn, "still", "this process stood still, or its clock was set: it waits to hear whether its partitions are still its own", slog.Duration("for", still))
		l.applyPauses()
	}
	l.beat = wall
}

func (l *lane) inDoubt() bool { return !l.doubtful.IsZero() }

// believe ends the doubt: the brokers have spoken, or had time to.
func (l *lane) believe() {
	l.beat = time.Now().Round(0) // a rebalance may have taken its time
	if l.inDoubt() {
		l.doubtful = time.Time{}
		l.notes.over("still", "reading goes on")
		l.applyPauses()
	}
}
