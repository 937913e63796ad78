// Package stopper stops a program under test once it runs: to be stopped while it opens its rows is
// an error, and no fixed time is long enough for that on a busy machine.
package stopper

import (
	"bytes"
	"sync"
)

// A Log is written to by one slog handler. It keeps what is said, and calls Stop when that has At in it.
type Log struct {
	At   string
	Stop func()

	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes a record.
func (l *Log) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(l.At)) {
		l.Stop()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// String is what was said so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
