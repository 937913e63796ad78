package kafkasrc

import (
	"log/slog"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A clock that is set back in the middle of a doubt does not make it last: its end is a time of the
// monotonic clock, which Round takes away.
func TestDoubt(t *testing.T) {
	p := newPartition("topic", 0)
	p.full, p.paused = true, true // there is nothing to tell the client
	l := &lane{client: &reader{Consumer: new(kafka.Consumer)}, parts: map[int32]*partition{0: p}, notes: newConditions(slog.New(slog.DiscardHandler))}
	at := time.Now()
	l.feelPulse(at)
	if l.inDoubt() {
		t.Error("it doubts at its first poll")
	}
	at = at.Add(stoodStill)
	if l.feelPulse(at); l.inDoubt() {
		t.Errorf("it doubts after %v", stoodStill)
	}
	at = at.Add(stoodStill + time.Millisecond)
	if l.feelPulse(at); !l.inDoubt() || l.doubtful.Sub(at) != doubtFor {
		t.Errorf("it doubts until %v, want %v from %v", l.doubtful, doubtFor, at)
	}
	if l.doubtful == l.doubtful.Round(0) {
		t.Errorf("it doubts until %v, by a clock that may be set", l.doubtful)
	}
	if l.believe(); l.inDoubt() {
		t.Error("it doubts what the brokers have said")
	}
	delete(l.parts, 0)
	if l.feelPulse(time.Now().Add(time.Minute)); l.inDoubt() {
		t.Error("it doubts that it has no partitions")
	}
}
