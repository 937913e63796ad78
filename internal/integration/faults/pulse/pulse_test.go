package pulse

import (
	"testing"
	"time"
)

func TestPulse(t *testing.T) {
	p := &Pulse{}
	at := time.Now()
	p.saw(at.Add(-time.Second), time.Second)           // before
	p.saw(at.Add(time.Second), 3*time.Second)          // a second of it since
	p.saw(at.Add(2*time.Second), notable/2)            // nothing
	p.saw(at.Add(3*time.Second), 500*time.Millisecond) // whole
	if lost, times := p.Lost(at, time.Second); lost != 1500*time.Millisecond || times != 1 {
		t.Errorf("lost %v, %d times for a second", lost, times)
	}
	if p.worst != 3*time.Second {
		t.Errorf("the longest wait was %v", p.worst)
	}
}
