package kafkasrc_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// busy is a Submitter that takes its time and fails now and then.
func busy() *submitter {
	return &submitter{fail: func(context.Context, string, int) error {
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
		if rand.IntN(50) == 0 {
			return errDown
		}
		return nil
	}}
}

// TestRebalance has a second consumer come and go while Submits are in progress, with each
// kind of group. Records arrive all the while.
func TestRebalance(t *testing.T) {
	for _, kind := range []struct{ name, protocol, strategy string }{
		{"cooperative", "classic", ""}, {"eager", "classic", "range"}, {"KIP-848", "consumer", ""},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			s := &submitter{fail: func(context.Context, string, int) error {
				time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
				return nil
			}}
			f := feedTasks(t, c, 40, 100*time.Millisecond)
			w := watchOffsets(t, c, f.records, func(id string) bool { return s.count(id) > 0 })
			consumer := func() *running {
				cfg := config(c, s)
				cfg.GroupProtocol = kind.protocol
				cfg.NoBulk = true
				cfg.InFlight = 16
				if kind.protocol == "classic" {
					cfg.Librdkafka["heartbeat.interval.ms"] = 300
				}
				if kind.strategy != "" {
					cfg.Librdkafka["partition.assignment.strategy"] = kind.strategy
				}
				return start(t, cfg)
			}
			first := consumer()
			stable(t, c, 1)
			var began []int // each round, with so many records written
			for round := range 3 {
				began = append(began, len(f.records()))
				eventually(t, "the first works", func() bool { return first.Stats().Submitted > 50 })
				second := consumer()
				stable(t, c, 2)
				eventually(t, "the second takes part", func() bool { return second.Stats().Submitted > 50 })
				if round == 2 { // the first leaves, the second stays
					first, second = second, first
				}
				second.mustStop(t)
				stable(t, c, 1)
			}
			records := f.end()
			eventually(t, "all accepted", func() bool { return s.total() == len(records) })
			eventually(t, "no lag", func() bool { st := first.Stats(); return st.InFlight == 0 && st.Lag == 0 })
			eventually(t, "all committed", func() bool { return committedSum(c, c.group, c.topic) == int64(len(records)) })
			first.mustStop(t)
			s.wantAccepted(t, ids(records))
			wantCommitted(t, c, c.group, c.topic)
			w.wantSeen(t, 100)
			// What was in hand ended and was committed before the partition went. The group may refuse
			// a commit in a rebalance, which repeats all since the last one; that is rare, while
			// without the drain every round repeats what was in hand.
			repeated := make([]int, len(began))
			for round, from := range began {
				for _, id := range ids(records[from:append(began, len(records))[round+1]]) {
					repeated[round] += s.count(id) - 1
				}
			}
			t.Logf("of %d records the rounds repeated %v", len(records), repeated)
			if slices.Sort(repeated); repeated[1] > 3 {
				t.Error("more than one round repeated what was in hand: rebalances do not drain")
			}
		})
	}
}

// stable waits until the group has so many members and each has a part of the partitions.
func stable(t *testing.T, c *world, members int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d members, each with partitions", members), func() bool {
		parts := c.members(t, c.group)
		sum := 0
		for _, n := range parts {
			if n == 0 {
				return false
			}
			sum += n
		}
		return len(parts) == members && sum == mainPartitions
	})
}

// members are how many partitions each member of a group has, nil unless it is stable.
func (w *world) members(t *testing.T, group string) map[string]int {
	t.Helper()
	parts := map[string]int{}
	if list, err := w.Admin().DescribeConsumerGroups(t.Context(), group); err == nil && list[group].Err == nil && list[group].State == "Stable" {
		for _, m := range list[group].Members {
			for _, p := range m.Assignment {
				parts[m.MemberID] += len(p)
			}
		}
		return parts
	}
	list, err := w.Admin().DescribeGroups(t.Context(), group)
	if err != nil || list[group].Err != nil || list[group].State != "Stable" {
		return nil
	}
	for _, m := range list[group].Members {
		a, _ := m.Assigned.AsConsumer()
		parts[m.MemberID] = 0
		if a != nil {
			for _, topic := range a.Topics {
				parts[m.MemberID] += len(topic.Partitions)
			}
		}
	}
	return parts
}

// TestInjectedLost throws the consumer out of the group: it loses its partitions, drops what it held,
// and takes up where it had committed.
func TestInjectedLost(t *testing.T) {
	c := injectable(t)
	s := busy()
	f := feedTasks(t, c, 40, 100*time.Millisecond)
	w := watchOffsets(t, c, f.records, func(id string) bool { return s.count(id) > 0 })
	cfg := config(c, s)
	cfg.GroupProtocol = "consumer"
	cfg.NoBulk = true // a TopLevel fault of kfake hits heartbeats of any group
	cfg.InFlight = 16
	var log logBuffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := start(t, cfg)
	const times = 3
	for range times {
		before, lost := s.total(), strings.Count(log.String(), "lost=true")
		eventually(t, "progress", func() bool { return s.total() > before+200 })
		fault := c.fake(t).Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Group: c.group, TopLevel: true, Err: kerr.FencedMemberEpoch})
		eventually(t, "fenced", func() bool { return fault.Hits() > 0 })
		eventually(t, "partitions lost", func() bool { return strings.Count(log.String(), "lost=true") > lost })
	}
	records := f.end()
	eventually(t, "all accepted", func() bool { return s.total() == len(records) })
	// The lag is not known right behind an assignment, so the commits have the word.
	eventually(t, "all committed", func() bool { return committedSum(c, c.group, c.topic) == int64(len(records)) })
	eventually(t, "ready, without lag", func() bool { st := r.Stats(); return st.Ready && st.InFlight == 0 && st.Lag == 0 })
	r.mustStop(t)
	s.wantAccepted(t, ids(records))
	wantCommitted(t, c, c.group, c.topic)
	w.wantSeen(t, 100)
}

// TestInjectedPausedAndLost throws the consumer out of the group while it is paused: the pause, which
// survives in the client, is lifted on the partitions it gets again.
func TestInjectedPausedAndLost(t *testing.T) {
	c := injectable(t)
	release := make(chan struct{})
	s := &submitter{fail: func(context.Context, string, int) error { <-release; return nil }}
	records := c.tasks("p", 200)
	produce(t, c, records...)
	cfg := config(c, s)
	cfg.GroupProtocol = "consumer"
	cfg.NoBulk = true
	cfg.InFlight = 4
	var log logBuffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := start(t, cfg)
	for range 2 {
		eventually(t, "paused", func() bool { return r.Stats().Paused })
		before := len(log.String())
		c.fake(t).Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Group: c.group, TopLevel: true, Err: kerr.FencedMemberEpoch})
		eventually(t, "assigned again", func() bool {
			_, behind, lost := strings.Cut(log.String()[before:], "lost=true")
			return lost && strings.Contains(behind, `partitions="[0 1 2 3]"`)
		})
	}
	if st := r.Stats(); s.total() != 0 || !st.Paused || st.InFlight != 4 {
		t.Errorf("%d accepted, %+v", s.total(), st)
	}
	close(release)
	eventually(t, "all accepted", func() bool { return s.total() == len(records) })
	eventually(t, "all committed", func() bool { return committedSum(c, c.group, c.topic) == int64(len(records)) })
	r.mustStop(t)
	wantCommitted(t, c, c.group, c.topic)
}

// TestIdleMember runs more consumers than there are partitions: the idle one is ready too.
func TestIdleMember(t *testing.T) {
	c := emptyBroker(t)
	c.createTopic(t, c.topic, 1, nil)
	for i := range 2 {
		r := start(t, config(c, &submitter{}))
		eventually(t, fmt.Sprintf("consumer %d is ready", i+1), func() bool { return r.Stats().Ready })
	}
}

// TestInjectedForeignStrategy has a consumer come to a group whose members share out partitions in
// another way, as consumers of other libraries do by default: the brokers keep it out, it says so,
// and joins once they are gone.
func TestInjectedForeignStrategy(t *testing.T) {
	c := injectable(t)
	old := config(c, &submitter{})
	old.Librdkafka["partition.assignment.strategy"] = "range"
	first := start(t, old)
	eventually(t, "the first has joined", func() bool { return first.Stats().Ready })
	var log logBuffer
	cfg := config(c, &submitter{})
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	second := start(t, cfg)
	eventually(t, "the second says why it does not join", func() bool { return strings.Contains(log.String(), "Inconsistent group protocol") })
	if st := second.Stats(); st.Ready {
		t.Errorf("kept out, it says of itself: %+v", st)
	}
	first.mustStop(t)
	eventually(t, "the second joins", func() bool { return second.Stats().Ready })
}

// TestBulk fills the bulk lane with slow tasks: the main one keeps its part of the slots.
func TestBulk(t *testing.T) {
	c := broker(t)
	const inFlight, share = 16, 0.25
	release := make(chan struct{})
	var mu sync.Mutex
	slow, most := 0, 0
	s := &submitter{fail: func(_ context.Context, id string, _ int) error {
		if id[:4] != "bulk" {
			return nil
		}
		mu.Lock()
		slow++
		most = max(most, slow)
		mu.Unlock()
		<-release
		mu.Lock()
		slow--
		mu.Unlock()
		return nil
	}}
	bulk := c.tasks("bulk", 200)
	for i, r := range bulk {
		r.Topic, r.Partition = c.bulkTopic, int32(i%bulkPartitions)
	}
	produce(t, c, bulk...)
	cfg := config(c, s)
	cfg.InFlight, cfg.BulkShare = inFlight, share
	r := start(t, cfg)
	eventually(t, "the bulk lane is full", func() bool { st := r.Stats(); return st.InFlight == inFlight*share && st.Paused })
	main := c.tasks("main", 500)
	produce(t, c, main...)
	eventually(t, "main tasks pass", func() bool { return s.total() == len(main) })
	close(release)
	eventually(t, "bulk tasks pass", func() bool { return s.total() == len(main)+len(bulk) })
	r.mustStop(t)
	if most != inFlight*share {
		t.Errorf("at most %d bulk tasks at once, want %v", most, inFlight*share)
	}
	s.wantAccepted(t, append(ids(main), ids(bulk)...))
	wantCommitted(t, c, c.group, c.topic)
	wantCommitted(t, c, c.bulkGroup, c.bulkTopic)
}

// TestHeadOfLine has one record of a partition wait for long: the partition is paused when too
// much is settled behind it, and goes on afterwards.
func TestHeadOfLine(t *testing.T) {
	c := broker(t)
	var records []*kgo.Record
	for i := range 5000 {
		records = append(records, c.task(fmt.Sprintf("h-%d", i), int32(i%2)))
	}
	produce(t, c, records...)
	release := make(chan struct{})
	s := &submitter{fail: func(_ context.Context, id string, _ int) error {
		if id == "h-0" {
			<-release
		}
		return nil
	}}
	r := start(t, config(c, s))
	// Partition 1 is read to its end, of partition 0 as much as may be repeated after a crash.
	const most = 2500 + 1023
	eventually(t, "as far as it goes", func() bool { return s.total() >= most })
	always(t, "no further while the first waits", 500*time.Millisecond, func() bool { return s.total() == most })
	if got := committed(c, c.group, c.topic, 0); got > 0 {
		t.Errorf("committed %d", got)
	}
	close(release)
	eventually(t, "all accepted", func() bool { return s.total() == len(records) })
	r.mustStop(t)
	wantCommitted(t, c, c.group, c.topic)
}
