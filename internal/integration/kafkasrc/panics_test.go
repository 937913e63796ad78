package kafkasrc_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestSubmitterPanics has Submit panic at one record, twice and until all the others are accepted and,
// where they do not stand behind it, committed: the process lives, the record keeps its place, and is
// delivered as soon as Submit no longer panics.
func TestSubmitterPanics(t *testing.T) {
	c := broker(t)
	records := c.tasks("p", 400)
	poison := string(records[0].Key)
	produce(t, c, records...)

	var healed atomic.Bool
	s := &submitter{fail: func(_ context.Context, id string, nth int) error {
		if id == poison && (nth <= 2 || !healed.Load()) {
			panic("not to +4930123456")
		}
		return nil
	}}
	w := watchOffsets(t, c, fixed(records), func(id string) bool { return s.count(id) > 0 })
	var log logBuffer
	cfg := config(c, s)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	began := time.Now()
	r := start(t, cfg)
	const others = 300 // in other partitions
	eventually(t, "the others are accepted", func() bool {
		return s.total() == len(records)-1 && committedSum(c, c.group, c.topic) == others
	})
	healed.Store(true)
	eventually(t, "all are accepted", func() bool { return s.total() == len(records) })
	r.mustStop(t)
	w.wantSeen(t, others)
	wantCommitted(t, c, c.group, c.topic)

	st := r.Stats()
	if st.Panics < 2 || st.Retries != st.Panics || st.Submitted != int64(len(records)) || st.Received != st.Submitted || st.DeadLettered != 0 {
		t.Errorf("of %d records: %+v", len(records), st)
	}
	said := log.String()
	if n := strings.Count(said, "level=ERROR msg=\"kafkasrc: Submit panicked"); n < 1 || n > 1+int(time.Since(began)/time.Minute) || !strings.Contains(said, "panicked with a string in") || strings.Contains(said, "4930123456") {
		t.Errorf("it is logged %d times, want once a minute, with the panic's type and place and without its words:\n%s", n, said)
	}
	t.Logf("measured: %d panics at one record of %d, all delivered", st.Panics, len(records))
}
