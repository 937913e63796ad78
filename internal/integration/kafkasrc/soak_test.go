package kafkasrc_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// envSoak is how long the soak lasts: "30m".
const envSoak = "KAFKA_SOAK"

// TestSoak runs one consumer, a process of its own, for long at a few hundred records a second: its
// memory does not grow, nor its goroutines beyond the slots.
func TestSoak(t *testing.T) {
	if os.Getenv(envSoak) == "" {
		t.Skip("takes half an hour: make soak")
	}
	const perTick, tick, inFlight = 30, 100 * time.Millisecond, 128
	w := ownBroker(t, 1)
	createTopics(t, w)
	c := newCrew(t, w, "classic", "cooperative-sticky")
	m := c.join(t, func(told *memberConfig) { told.InFlight, told.Bulk, told.Ledger = inFlight, true, "" })
	cl := client(t, w)
	sent, broken, quit, fed := 0, 0, make(chan struct{}), make(chan error, 1)
	go func() {
		beat := time.NewTicker(tick)
		defer beat.Stop()
		for {
			var records []*kgo.Record
			for i := range perTick {
				r := w.task(fmt.Sprintf("soak-%d-%d", sent, i), int32(i%mainPartitions))
				if i%10 == 0 {
					r.Topic, r.Partition = w.bulkTopic, int32(i/10%bulkPartitions)
				}
				records = append(records, r)
			}
			if sent%(100*perTick) == 0 {
				records = append(records, &kgo.Record{Topic: w.topic, Value: []byte("nonsense")})
				broken++
			}
			if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				fed <- err
				return
			}
			sent += perTick
			select {
			case <-beat.C:
			case <-quit:
				fed <- nil
				return
			}
		}
	}()
	var goroutines []int64
	resident := watchMemory(t, m, duration(t, envSoak, 0), func(r report) { goroutines = append(goroutines, int64(r.Goroutines)) })
	close(quit)
	if err := <-fed; err != nil {
		t.Fatalf("producing: %v", err)
	}
	eventually(t, "all is settled", func() bool {
		r, _ := m.report()
		return r.Accepted == int64(sent) && r.Stats.DeadLettered == int64(broken) && r.Stats.Lag == 0
	})
	m.end(t, syscall.SIGTERM)
	wantFlat(t, resident)
	g := memory(goroutines)
	// Workers are as many as there were Submits at once, which creeps up to the slots; the rest are a few.
	if g.third(2) > inFlight+50 {
		t.Errorf("goroutines: %d, %d, %d in the thirds", g.third(0), g.third(1), g.third(2))
	}
	wantCommitted(t, w, w.group, w.topic)
	wantCommitted(t, w, w.bulkGroup, w.bulkTopic)
	t.Logf("measured: %v: %d records, %d dead letters; %s; %d, %d, %d goroutines", duration(t, envSoak, 0), sent, broken, resident, g.third(0), g.third(1), g.third(2))
}
