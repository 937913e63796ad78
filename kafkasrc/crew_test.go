package kafkasrc

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCrewMeetsEveryJob has each job wait for all the others: every one needs a worker of its
// own, though only one is called at a time.
func TestCrewMeetsEveryJob(t *testing.T) {
	const limit, rounds = 50, 20
	var meetings [rounds]sync.WaitGroup
	c := newCrew(limit, func(j job) {
		meetings[j.seq].Done()
		meetings[j.seq].Wait()
	})
	for round := range meetings { // idle workers come as well as new ones
		meetings[round].Add(limit)
		for range limit {
			c.hand(job{seq: uint64(round)})
		}
		meetings[round].Wait()
	}
	c.end()
	c.all.Wait()
	if c.size != limit {
		t.Errorf("%d workers, want %d", c.size, limit)
	}
}

// TestCrewDoesEachOnce has jobs that end at once.
func TestCrewDoesEachOnce(t *testing.T) {
	const jobs, limit = 20_000, 8
	var mu sync.Mutex
	var most, now atomic.Int64
	seen := map[uint64]int{}
	c := newCrew(limit, func(j job) {
		n := now.Add(1)
		defer now.Add(-1)
		mu.Lock()
		defer mu.Unlock()
		seen[j.seq]++
		most.Store(max(most.Load(), n))
	})
	for i := range uint64(jobs) {
		c.hand(job{seq: i})
	}
	c.end()
	c.all.Wait()
	if len(seen) != jobs {
		t.Errorf("%d of %d jobs done", len(seen), jobs)
	}
	for seq, n := range seen {
		if n != 1 {
			t.Errorf("job %d done %d times", seq, n)
		}
	}
	if most.Load() > limit || c.size > limit {
		t.Errorf("%d workers, %d at once, of at most %d", c.size, most.Load(), limit)
	}
}

// TestCrewBehindSlowJobs has the first jobs never end while others are there: the rest must
// not wait behind them.
func TestCrewBehindSlowJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Int64
		end := make(chan struct{})
		c := newCrew(4, func(j job) {
			if j.seq < 3 {
				<-end
			}
			done.Add(1)
		})
		for i := range uint64(100) {
			c.hand(job{seq: i})
		}
		synctest.Wait()
		if got := done.Load(); got != 97 {
			t.Errorf("%d jobs done beside three that hang, want 97", got)
		}
		close(end)
		c.end()
		c.all.Wait()
		if got := done.Load(); got != 100 {
			t.Errorf("%d jobs done in the end", got)
		}
	})
}

func TestCrewLetsWhoRestedLastDoTheNextJob(t *testing.T) {
	const together, n = 50, 1000
	var begun, done sync.WaitGroup
	hold := make(chan struct{})
	c := newCrew(together, func(job) { begun.Done(); <-hold; done.Done() })
	begun.Add(together)
	done.Add(together)
	for range together {
		c.hand(job{})
	}
	inTime(t, "not all jobs run at once", begun.Wait)
	close(hold)
	inTime(t, "jobs do not end", done.Wait)
	require.Eventually(t, func() bool { return resting(c) == together }, time.Minute, time.Millisecond)

	who := map[*worker]bool{}
	for range n {
		begun.Add(1)
		done.Add(1)
		c.mu.Lock()
		who[c.resting[len(c.resting)-1]] = true
		c.mu.Unlock()
		c.hand(job{})
		inTime(t, "a job does not end", done.Wait)
		require.Eventually(t, func() bool { return resting(c) == together }, time.Minute, time.Microsecond)
	}
	require.Len(t, who, 1, "jobs one after the other are done by one goroutine")
	c.end()
	inTime(t, "somebody stays", c.all.Wait)
}

func resting(c *crew) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.resting)
}

func inTime(t *testing.T, what string, wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal(what)
	}
}
