package kafkasrc_test

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestInjectedThawed freezes a member for longer than any session lasts at least, while messages gather. When it goes
// on, it may fetch them all, and the brokers take their time to tell that it is out. Meanwhile it starts nothing:
// the messages are another's by now.
func TestInjectedThawed(t *testing.T) {
	w := injectable(t)
	c := newCrew(t, w, "consumer", "")
	m := c.join(t, nil)
	accepted := func() int { return len(c.accepted(t)) }
	first := w.tasks("before", 20)
	produce(t, w, first...)
	eventually(t, "the first are accepted", func() bool { return accepted() == len(first) })

	m.freeze(t)
	frozen := time.Now()
	const waiting = 3000
	produce(t, w, w.tasks("while", waiting)...)
	var thawed, slow atomic.Bool
	brokers := w.fake(t)
	brokers.ControlKey(kmsg.ConsumerGroupHeartbeat.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		if thawed.Load() && slow.CompareAndSwap(false, true) {
			brokers.SleepControl(func() { time.Sleep(2 * time.Second) })
		}
		return nil, nil, false
	})
	fault := brokers.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Group: w.group, TopLevel: true, Err: kerr.FencedMemberEpoch})
	time.Sleep(time.Until(frozen.Add(7 * time.Second)))
	thawed.Store(true)
	m.signal(t, syscall.SIGCONT)
	eventually(t, "it hears that it is out", func() bool { return strings.Contains(m.log.String(), "lost=true") })
	if did := accepted() - len(first); did > stormInFlight || fault.Hits() == 0 || !slow.Load() {
		t.Errorf("it did %d of %d messages in the belief that its partitions were still its own (%d heartbeats were refused)", did, waiting, fault.Hits())
	}
	if log := m.log.String(); strings.Count(log, "stood still") != 1 {
		t.Errorf("it does not say once that it stood still:\n%s", log)
	}
	eventually(t, "all are accepted", func() bool { return accepted() == len(first)+waiting })
	m.end(t, syscall.SIGTERM)
	wantCommitted(t, w, w.group, w.topic)
}
