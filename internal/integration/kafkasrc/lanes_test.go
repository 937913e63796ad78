package kafkasrc_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/internal/integration/faults/pulse"
	"github.com/superservices/voice/voicetask"
)

// envBulk is how long a backlog of bulk tasks make soak gives the consumer.
const envBulk = "KAFKA_BULK"

const (
	// What a normal task may wait for bulk ones.
	mayWait = time.Second
	// Twice no bulk Submit ends for so long: without a share all slots would be theirs until then.
	bulkStuck = 2500 * time.Millisecond
	// A machine that keeps the test itself waiting longer than this proves nothing by a late task.
	mayStall = 250 * time.Millisecond
)

// TestBulkDelay has normal tasks arrive, one by one, first alone and then while the consumer works
// off 20,000 bulk ones, whose Submits twice hang for a while: none of the normal ones may be submitted more
// than a second later than a plain client, which knows of no lanes, reads it. Where one is, and the machine
// itself had stopped for a moment, the attempt is void; so it is where none came while bulk ones hung.
func TestBulkDelay(t *testing.T) {
	backlog := 20_000
	if s := os.Getenv(envBulk); s != "" {
		backlog, _ = strconv.Atoi(s)
	}
	for attempt := 1; ; attempt++ {
		machine := pulse.Start()
		t.Cleanup(func() { _ = machine.End() })
		met, late, of, produced := bulkDelay(t, backlog)
		stalled := max(machine.End(), produced)
		switch {
		case late == 0 && met > 0:
			return
		case (met == 0 || stalled > mayStall) && attempt < 5:
			t.Logf("attempt %d is void: %d of %d normal tasks met hanging bulk ones, %d were late, and the machine itself, or its brokers, stopped for %v", attempt, met, of, late, stalled)
		default:
			t.Fatalf("%d of %d normal tasks, %d of which met hanging bulk ones, took over %v beside these; the machine stopped for %v at most", late, of, met, mayWait, stalled)
		}
	}
}

// bulkDelay returns how many normal tasks were sent while bulk ones hung, and of all that were sent
// beside the backlog how many were late; and how long at most the brokers took to take one.
func bulkDelay(t *testing.T, backlog int) (met, late, of int, produced time.Duration) {
	t.Helper()
	w := broker(t)
	cfg := config(w, nil)
	cfg.InFlight = 16 // at 5 ms each the backlog lasts some 12 s
	lanes := &laneClock{
		sent: map[string]time.Time{}, took: map[string]time.Duration{}, read: map[string]time.Duration{},
		open: make(chan struct{}), half: cfg.InFlight / 2, stuckAt: []int{backlog / 3, 2 * backlog / 3},
	}
	open := sync.OnceFunc(func() { close(lanes.open) })
	defer open()
	cfg.Submitter = lanes
	r := start(t, cfg)
	eventually(t, "it has joined", func() bool { return r.Stats().Ready })
	lanes.readAlong(t, w)

	alone := normalTasks(t, w, lanes, "alone", func(n int) bool { return n < 100 })
	produceMany(t, w, w.bulkTopic, "bulk", backlog) // none of them passes before all are there
	open()
	behind := normalTasks(t, w, lanes, "behind", func(int) bool { return lanes.bulkDone() < backlog })
	r.mustStop(t)
	wantCommitted(t, w, w.group, w.topic)
	wantCommitted(t, w, w.bulkGroup, w.bulkTopic)

	t.Logf("measured: from produce to Submit: %d normal tasks alone %s; %d while %d bulk ones are worked off, of which up to %d hang, %s; a plain client reads these after %s",
		len(alone), spread(alone), len(behind), backlog, lanes.mostStuck, spread(behind), spread(lanes.waits(lanes.read, "behind")))
	for id, d := range lanes.took {
		if strings.HasPrefix(id, "behind-") && d-lanes.read[id] > mayWait {
			late++
		}
	}
	return lanes.met, late, len(behind), lanes.produced
}

// normalTasks produces one task after the other for as long as more says, and returns how long each
// took to its Submit.
func normalTasks(t *testing.T, w *world, lanes *laneClock, prefix string, more func(n int) bool) []time.Duration {
	t.Helper()
	cl := client(t, w)
	var sent []string
	for tick := time.NewTicker(20 * time.Millisecond); more(len(sent)); <-tick.C {
		id := numbered(prefix, len(sent))
		sent = append(sent, id)
		lanes.mark(id)
		if err := cl.ProduceSync(t.Context(), w.task(id, int32(len(sent)%mainPartitions))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		lanes.produced = max(lanes.produced, lanes.since(id))
	}
	eventually(t, "the normal tasks are submitted, and read", func() bool {
		return len(lanes.waits(lanes.took, prefix)) == len(sent) && len(lanes.waits(lanes.read, prefix)) == len(sent)
	})
	return lanes.waits(lanes.took, prefix)
}

// A laneClock is a Submitter that takes 5 ms and knows when normal tasks were sent. Bulk ones wait until
// it is open, and hang for a while when so many have come.
type laneClock struct {
	open chan struct{} // closed when the backlog is there
	half int           // of the slots, which bulk ones may have

	mu        sync.Mutex
	sent      map[string]time.Time
	took      map[string]time.Duration // to the Submit
	read      map[string]time.Duration // to a plain client
	bulk      int
	stuckAt   []int
	hang      chan struct{} // nil: none hangs
	until     time.Time     // when those that hang go on, once there are half
	nowStuck  int
	mostStuck int
	met       int           // normal tasks that were sent while bulk ones hung for long
	produced  time.Duration // at most; the producer's
}

func (l *laneClock) Submit(_ context.Context, task voicetask.Task) error {
	if l.normal(task.ID) {
		time.Sleep(5 * time.Millisecond)
		return nil
	}
	<-l.open
	if hang := l.begin(); hang != nil {
		select {
		case <-hang:
		case <-time.After(patience): // bulk ones do not get the slots to hang in
		}
		l.mu.Lock()
		l.nowStuck--
		l.mu.Unlock()
	}
	time.Sleep(5 * time.Millisecond)
	return nil
}

// normal takes note of a normal task's first Submit.
func (l *laneClock) normal(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, normal := l.sent[id]
	if _, again := l.took[id]; normal && !again {
		l.took[id] = time.Since(at)
	}
	return normal
}

// begin takes note of a bulk Submit, and returns what it hangs on. They go on a while after as many hang
// as may.
func (l *laneClock) begin() (hang chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bulk++; len(l.stuckAt) > 0 && l.bulk >= l.stuckAt[0] && l.hang == nil {
		l.stuckAt, l.hang, l.until = l.stuckAt[1:], make(chan struct{}), time.Time{}
	}
	if l.hang == nil {
		return nil
	}
	l.nowStuck++
	l.mostStuck = max(l.mostStuck, l.nowStuck)
	if l.nowStuck == l.half && l.until.IsZero() {
		l.until = time.Now().Add(bulkStuck)
		time.AfterFunc(bulkStuck, l.goOn)
	}
	return l.hang
}

func (l *laneClock) goOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.hang)
	l.hang = nil
}

// readAlong reads the main topic with a client that does nothing else.
func (l *laneClock) readAlong(t *testing.T, w *world) {
	cl := client(t, w, kgo.ConsumeTopics(w.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	go func() {
		for {
			fetches := cl.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			l.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) { l.read[string(r.Key)] = time.Since(l.sent[string(r.Key)]) })
			l.mu.Unlock()
		}
	}()
}

func (l *laneClock) mark(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[id] = time.Now()
	if l.hang != nil && time.Until(l.until) > mayWait {
		l.met++
	}
}

func (l *laneClock) since(id string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.sent[id])
}

func (l *laneClock) bulkDone() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bulk
}

func (l *laneClock) waits(of map[string]time.Duration, prefix string) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []time.Duration
	for id, d := range of {
		if strings.HasPrefix(id, prefix+"-") {
			out = append(out, d)
		}
	}
	return out
}

func spread(list []time.Duration) string {
	s := slices.Sorted(slices.Values(list))
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, most %.1f ms", ms(s[len(s)/2]), ms(s[len(s)*99/100]), ms(s[len(s)-1]))
}
