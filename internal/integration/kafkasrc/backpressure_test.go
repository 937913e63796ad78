package kafkasrc_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// envPressure is how long make soak holds the Submitter back; a minute without.
const envPressure = "KAFKA_PRESSURE"

// TestBackPressure has 200,000 records wait while Temporal is down, and while each Submit takes
// longer than max.poll.interval.ms. The consumer is a process of its own: its memory stays flat, the
// brokers keep it in the same generation of the group, it says once what is wrong, and when
// Submits pass again it goes on by itself and leaves nothing out.
func TestBackPressure(t *testing.T) {
	records, during := 200_000, duration(t, envPressure, time.Minute)
	if _, yes := onApache(); !yes { // kfake keeps them in memory, with the race detector
		records, during = 20_000, 15*time.Second
	}
	for _, how := range []string{"down", "slow"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := broker(t)
			produceMany(t, w, w.topic, "p", records)
			holdBack(t, w, how, records, during)
		})
	}
}

func holdBack(t *testing.T, w *world, how string, records int, during time.Duration) {
	const slow = 9 * time.Second // on average; max.poll.interval.ms is 6 s
	c := newCrew(t, w, "classic", "cooperative-sticky")
	began := time.Now()
	m := c.join(t, func(told *memberConfig) {
		told.InFlight, told.MaxPollInterval = 64, 6*time.Second
		if told.Submit = slow; how == "down" {
			told.Down, told.Submit = true, 0
		}
	})
	eventually(t, "reading is paused", func() bool {
		r, _ := m.report()
		return r.Stats.Paused && r.Stats.Lag > int64(records)/2 // the lag is known a second later
	})
	generation := w.generation(t, c.w.group)
	before := len(m.log.String())

	watchMemory(t, m, min(during/2, time.Minute), func(report) {}) // a young process grows
	var paused memory                                              // like is compared with like: a pause throws away what was read ahead
	var resident memory
	watch := func() {
		resident = append(resident, watchMemory(t, m, during, func(r report) {
			if r.Stats.Paused {
				paused = append(paused, r.Resident)
			}
			if s := r.Stats; !s.Ready || !s.Paused && how == "down" || s.Lag == 0 {
				t.Errorf("held back, it says of itself: %+v", s)
			}
		})...)
	}
	watch()
	// Who looks longer sees only more of what grows, and has the step of a process that was still
	// settling in the first third.
	for n := 0; n < 2 && w.Kind() == "apache" && !t.Failed() && !paused.flat(); n++ {
		watch()
	}
	r, _ := m.report()
	if w.Kind() == "apache" { // elsewhere the watch is too short to tell
		wantFlat(t, paused)
		if most, usual := slices.Max(resident), paused.third(1); most > usual+40*MiB { // 16 MiB of records are more in memory
			t.Errorf("it reads too much ahead: %.1f MiB resident, and %.1f usually", float64(most)/MiB, float64(usual)/MiB)
		}
	}
	if now := w.generation(t, c.w.group); now != generation {
		t.Errorf("the group was at generation %d, and is at %d", generation, now)
	}
	if done := committedSum(w, w.group, w.topic); how == "down" && (done != 0 || r.Accepted != 0 || r.Stats.Retries == 0) {
		t.Errorf("while Submits fail: %d committed, %+v", done, r)
	}
	wantSaidOnce(t, m, how, before, time.Since(began))

	m.order(t, "up")
	if how == "slow" { // another one does what is left
		m.end(t, syscall.SIGTERM)
		m = c.join(t, func(told *memberConfig) { told.InFlight, told.Submit = 64, 0 })
	}
	within(t, 5*time.Minute, "all is accepted and committed", func() bool { return committedSum(w, w.group, w.topic) == int64(records) })
	eventually(t, "it is at work again", func() bool { r, _ := m.report(); return r.Stats.Ready && !r.Stats.Paused && r.Stats.Lag == 0 })
	m.end(t, syscall.SIGTERM)
	c.wantAll(t, "p", records)
	t.Logf("measured: %d records waited while Submits were %s: %s while paused, at most %.1f MiB otherwise; generation %d throughout; %d retries", records, how, paused, float64(slices.Max(resident))/MiB, generation, r.Stats.Retries)
}

// wantSaidOnce fails unless the log of a member of that age, behind a length, is quiet, and there is
// what the operator has to see.
func wantSaidOnce(t *testing.T, m *member, how string, from int, age time.Duration) {
	t.Helper()
	text := m.log.String()
	want := "reading pauses"
	if how == "down" {
		want = "Submit fails"
	}
	most := 1 + int(age/time.Minute) // what lasts is said again each minute
	if n := strings.Count(text, want); n < 1 || n > most {
		t.Errorf("%q is in the log %d times, want 1 to %d", want, n, most)
	}
	if n := strings.Count(text[from:], "\n"); n > 2*most {
		t.Errorf("%d lines were logged while nothing changed:\n%s", n, text[from:])
	}
}

// watchMemory samples a member's memory while it works.
func watchMemory(t *testing.T, m *member, during time.Duration, check func(report)) (all memory) {
	t.Helper()
	_, heard := m.report()
	for until := time.Now().Add(during); time.Now().Before(until); {
		var r report
		eventually(t, "the member reports", func() bool {
			n := heard
			r, heard = m.report()
			return heard > n
		})
		all = append(all, r.Resident)
		check(r)
		if t.Failed() {
			break
		}
	}
	return all
}

const MiB = 1 << 20

// memory is a member's resident bytes, a sample for each of its reports.
type memory []int64

// third is the median of the first, second or last third.
func (m memory) third(n int) int64 {
	part := slices.Sorted(slices.Values(m[n*len(m)/3 : (n+1)*len(m)/3]))
	return part[len(part)/2]
}

func (m memory) String() string {
	return fmt.Sprintf("%.1f, %.1f, %.1f MiB resident in the thirds", float64(m.third(0))/MiB, float64(m.third(1))/MiB, float64(m.third(2))/MiB)
}

// wantFlat fails if the last third needs over 5 % more memory than the second.
func wantFlat(t *testing.T, m memory) {
	t.Helper()
	if len(m) < 30 || m.third(1) == 0 {
		t.Fatalf("only %d samples of memory", len(m))
	}
	if !m.flat() {
		t.Errorf("memory grows: %v", m)
	}
}

func (m memory) flat() bool { return len(m) >= 30 && m.third(2)*100 <= m.third(1)*105 }

// wantAll fails unless the tasks prefix-0000000 to n-1 are all in the ledger.
func (c *crew) wantAll(t *testing.T, prefix string, n int) {
	t.Helper()
	got, lost := c.accepted(t), 0
	for i := range n {
		if len(got[numbered(prefix, i)]) == 0 {
			lost++
		}
	}
	if lost > 0 || len(got) != n {
		t.Errorf("%d of %d lost; the ledger has %d", lost, n, len(got))
	}
}

func numbered(prefix string, i int) string { return fmt.Sprintf("%s-%07d", prefix, i) }

// produceMany writes n small tasks to a topic, spread over its partitions.
func produceMany(t *testing.T, w *world, topic, prefix string, n int) {
	t.Helper()
	cl := client(t, w, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(20*time.Millisecond), kgo.ProducerBatchMaxBytes(1<<20))
	var failed error
	for i := range n {
		id := numbered(prefix, i)
		cl.Produce(t.Context(), &kgo.Record{Topic: topic, Value: value(id)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err // promises are called one after the other
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := cl.Flush(ctx); err != nil || failed != nil {
		t.Fatalf("producing: %v, %v", err, failed)
	}
}

func duration(t *testing.T, env string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return d
}
