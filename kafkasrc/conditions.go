package kafkasrc

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// repeatAfter is how long a condition that lasts stays quiet in the log.
const repeatAfter = time.Minute

// conditions logs states rather than events: a broker that is away fails a thousand
// operations and is one condition. Each is logged when it begins, and at most once in
// repeatAfter, however long it lasts or often it comes and goes. Safe for concurrent use.
type conditions struct {
	log *slog.Logger

	mu    sync.Mutex
	named map[string]*condition // a fixed set of names
}

type condition struct {
	logged  time.Time // the last time
	said    bool      // it holds, and that was logged
	unsaid  int       // notes since then that were not logged
	started time.Time
}

func newConditions(log *slog.Logger) *conditions {
	return &conditions{log: log, named: map[string]*condition{}}
}

// note says that the condition of that name holds.
func (c *conditions) note(level slog.Level, name, msg string, attrs ...slog.Attr) {
	now := time.Now()
	c.mu.Lock()
	st := c.named[name]
	if st == nil {
		st = &condition{}
		c.named[name] = st
	} else if now.Sub(st.logged) < repeatAfter {
		st.unsaid++
		c.mu.Unlock()
		return
	}
	if !st.said {
		st.said, st.started = true, now
	}
	if st.unsaid > 0 {
		attrs = append(attrs, slog.Int("more", st.unsaid))
		st.unsaid = 0
	}
	st.logged = now
	c.mu.Unlock()
	c.log.LogAttrs(context.Background(), level, "kafkasrc: "+msg, attrs...)
}

// still says that a condition lasts, for one that is noted only when it begins: had that come too
// soon after the last line to be logged, it is logged now that it may be.
func (c *conditions) still(level slog.Level, name, msg string, attrs ...slog.Attr) {
	c.mu.Lock()
	st := c.named[name]
	said := st != nil && (st.said || time.Since(st.logged) < repeatAfter)
	c.mu.Unlock()
	if !said {
		c.note(level, name, msg, attrs...)
	}
}

// over ends a condition. It is logged if the beginning was.
func (c *conditions) over(name, msg string) {
	c.mu.Lock()
	st := c.named[name]
	if st == nil || !st.said {
		c.mu.Unlock()
		return
	}
	st.said = false
	after := time.Since(st.started)
	c.mu.Unlock()
	c.log.LogAttrs(context.Background(), slog.LevelInfo, "kafkasrc: "+msg, slog.Duration("after", after))
}
