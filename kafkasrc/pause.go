package kafkasrc

import (
	"log/slog"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// contentAfter is when a paused lane is content with the free slots it has, since no more become free.
const contentAfter = time.Second

const pausedText = "all slots are taken: reading pauses until Submits end"

// pauseFor pauses what records were held back for, since that has lasted: a partition with too
// much behind its oldest record, or everything, because there is no slot.
func (l *lane) pauseFor() {
	if l.crowded != nil {
		l.crowded.full = true
		l.crowded = nil
	} else {
		l.saturated = true
		l.usedThen, _ = l.share.inUse()
		l.usedLast, l.usedSince = l.usedThen, time.Now()
		l.notes.note(slog.LevelInfo, "saturated", pausedText, slog.Int("in_flight", l.usedThen))
	}
	l.applyPauses()
}

// relax lifts pauses with hysteresis, since each costs a new fetch: the lane's once half of
// the slots it held are free, or fewer and no more become free, because the rest fail again and again; a
// partition's once half of what it tracked is settled.
func (l *lane) relax() {
	changed := false
	if l.saturated && len(l.held) == 0 {
		used, available := l.share.inUse()
		if used != l.usedLast {
			l.usedLast, l.usedSince = used, time.Now()
		}
		enough := used <= l.usedThen/2 || time.Since(l.usedSince) > contentAfter
		if enough && available >= max(1, l.share.limit/8) {
			l.saturated, changed = false, true
			l.notes.over("saturated", "Submits have ended: reading goes on")
		}
	}
	if l.saturated {
		l.notes.still(slog.LevelInfo, "saturated", pausedText, slog.Int("in_flight", l.usedThen))
	}
	for _, p := range l.parts {
		if _, tracked := p.load(); p.full && tracked <= l.maxTracked/2 {
			p.full, changed = false, true
		}
	}
	if changed {
		l.applyPauses()
	}
}

// applyPauses tells the client which partitions are to be paused.
func (l *lane) applyPauses() {
	var pause, resume []kafka.TopicPartition
	for _, p := range l.parts {
		switch want := l.stopping || l.saturated || l.inDoubt() || p.full || p.stopped; {
		case want && !p.paused:
			pause = append(pause, l.topicPartition(p))
		case !want && p.paused:
			resume = append(resume, l.topicPartition(p))
		}
	}
	l.tellPauses(pause, resume)
}

// tellPauses is also called for partitions just assigned: that they were paused in an earlier
// assignment would otherwise keep them silent for ever.
func (l *lane) tellPauses(pause, resume []kafka.TopicPartition) {
	tell := func(what string, call func([]kafka.TopicPartition) error, list []kafka.TopicPartition, paused bool) {
		if len(list) == 0 {
			return
		}
		if err := call(list); err != nil {
			// Nothing is lost by it: what comes though paused is held, what stays paused is
			// told again at the next change.
			l.notes.note(slog.LevelWarn, what, what+" of partitions failed", slog.String("error", errorText(err, nil)))
			return
		}
		for _, tp := range list {
			l.parts[tp.Partition].paused = paused
		}
	}
	tell("pause", l.client.Pause, pause, true)
	tell("resume", l.client.Resume, resume, false)
	l.state.paused.Store(l.saturated)
}
