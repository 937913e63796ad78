package kafkasrc_test

import (
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func fixed(records []*kgo.Record) func() []*kgo.Record {
	return func() []*kgo.Record { return records }
}

// A watch looks at the group's committed offsets all the time and fails the test if one ever
// passes a record that was not settled.
type watch struct {
	stop    chan struct{}
	done    sync.WaitGroup
	samples int
	highest int64 // committed, over all partitions
}

// watchOffsets watches the group of the main topic; settled tells of a record by its key.
func watchOffsets(t *testing.T, c *world, records func() []*kgo.Record, settled func(id string) bool) *watch {
	t.Helper()
	w := &watch{stop: make(chan struct{})}
	w.done.Go(func() {
		reported := false
		for last := false; ; {
			select { // the last look is one behind the stop
			case <-w.stop:
				last = true
			default:
			}
			have := commits(c, c.group) // before the records are looked at
			for tries := 0; last && have == nil && tries < 5; tries++ {
				have = commits(c, c.group)
			}
			if have != nil && !reported {
				var sum int64
				for _, r := range records() {
					commit, ok := have[r.Topic][r.Partition]
					if ok && r.Offset < commit.At && !settled(string(r.Key)) {
						t.Errorf("%s/%d: committed %d, but offset %d (%s) is not settled", r.Topic, r.Partition, commit.At, r.Offset, r.Key)
						reported = true
						break
					}
					if ok && r.Offset < commit.At {
						sum++
					}
				}
				w.highest = max(w.highest, sum)
				w.samples++
			}
			if last {
				return
			}
			select {
			case <-w.stop:
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	t.Cleanup(w.end)
	return w
}

func (w *watch) end() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.done.Wait()
}

// wantSeen ends the watch and fails if it had nothing to see.
func (w *watch) wantSeen(t *testing.T, atLeast int64) {
	t.Helper()
	w.end()
	if w.highest < atLeast {
		t.Errorf("the watch saw %d samples and at most %d committed records, want at least %d", w.samples, w.highest, atLeast)
	}
}
