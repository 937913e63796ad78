package kafkasrc

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const cooperative = "COOPERATIVE" // as the client names it; KIP-848 counts as it

// rebalance is called by the client within a poll, and while it closes. It assigns and
// unassigns itself in every case: when the client's own attempt at it fails, its poll
// blocks for ever.
func (l *lane) rebalance(_ *kafka.Consumer, ev kafka.Event) error {
	switch ev := ev.(type) {
	case kafka.AssignedPartitions:
		l.assign(ev.Partitions)
	case kafka.RevokedPartitions:
		l.revoke(ev.Partitions)
	}
	l.believe() // the brokers have spoken
	return nil  // the client ignores it
}

func (l *lane) assign(list []kafka.TopicPartition) {
	var err error
	if l.client.GetRebalanceProtocol() == cooperative {
		err = l.client.IncrementalAssign(list)
	} else {
		err = l.client.Assign(list)
	}
	if err != nil {
		// It would get no records, silently.
		l.fatal = fmt.Errorf("taking over partitions: %w", err)
		return
	}
	for _, tp := range list {
		l.parts[tp.Partition] = newPartition(l.topic, tp.Partition)
	}
	// A pause survives being revoked and assigned again: say in each case which it is.
	if l.stopping || l.saturated {
		l.tellPauses(list, nil)
	} else {
		l.tellPauses(nil, list)
	}
	l.state.joined.Store(!l.stopping)
	l.nextAsk = time.Now().Add(lagEvery) // the first fetch usually answers
	l.recovered()
	l.notes.log.Info("kafkasrc: partitions assigned", "partitions", numbers(list))
}

func (l *lane) revoke(list []kafka.TopicPartition) {
	lost := l.client.AssignmentLost()
	gone := make([]*partition, 0, len(list))
	for _, tp := range list {
		if p := l.parts[tp.Partition]; p != nil {
			p.giveUp()
			gone = append(gone, p)
		}
	}
	l.dropHeld()
	if lost {
		// Another consumer may have them already. What is settled here from now on is
		// submitted there too, and counts as known.
		l.state.joined.Store(false)
	} else {
		until := time.Now().Add(l.revokeWait)
		if l.stopping && l.stopBy.Before(until) {
			until = l.stopBy
		}
		l.await(gone, until)
		l.storeOffsets() // the client commits while it unassigns
	}

	var err error
	if l.client.GetRebalanceProtocol() == cooperative {
		err = l.client.IncrementalUnassign(list)
	} else {
		err = l.client.Unassign()
	}
	if err != nil {
		l.notes.note(slog.LevelError, "unassign", "giving partitions back failed", slog.String("error", errorText(err, nil)))
	}
	for _, p := range gone {
		delete(l.parts, p.id)
	}
	l.notes.log.Info("kafkasrc: partitions revoked", "partitions", numbers(list), "lost", lost)
}

// dropHeld lets go of held records whose partition is given up.
func (l *lane) dropHeld() {
	kept := l.held[:0]
	for _, m := range l.held {
		if p := l.parts[m.TopicPartition.Partition]; p != nil && !p.stopped {
			kept = append(kept, m)
		}
	}
	clear(l.held[len(kept):])
	l.held = kept
	if len(kept) == 0 {
		l.share.leave()
	}
}

// await waits until nothing of the partitions is in hand; heartbeats go on meanwhile.
func (l *lane) await(list []*partition, until time.Time) bool {
	limit := time.NewTimer(time.Until(until))
	defer limit.Stop()
	for {
		active := 0
		for _, p := range list {
			n, _ := p.load()
			active += n
		}
		if active == 0 {
			return true
		}
		select {
		case <-l.share.wake:
		case <-limit.C:
			return false
		}
	}
}

func numbers(list []kafka.TopicPartition) []int32 {
	out := make([]int32, len(list))
	for i, tp := range list {
		out[i] = tp.Partition
	}
	return out
}
