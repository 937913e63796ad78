package kafkasrc

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestPauseThatLastsIsSaid has reading pause for a moment and, soon after, for long: what
// began too soon after the last line to be logged is logged once it has lasted.
func TestPauseThatLastsIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		all := newSlots(1)
		l := &lane{notes: newConditions(slog.New(slog.NewTextHandler(&log, nil))), share: all.share(1), client: &reader{}}
		said := func() int { return strings.Count(log.String(), "reading pauses") }
		if !l.share.take() {
			t.Fatal("there is no slot")
		}
		l.pauseFor()
		if said() != 1 {
			t.Fatalf("the first pause is not said:\n%s", log.String())
		}
		l.share.give()
		l.relax()
		if l.saturated {
			t.Fatal("the pause is not over")
		}
		time.Sleep(10 * time.Second)
		l.share.take()
		l.held = []*kafka.Message{{}}
		l.pauseFor()
		for range 10 * 60 * 5 { // five minutes
			time.Sleep(tendEvery)
			l.relax()
		}
		if said() != 2 {
			t.Errorf("the second, which lasts, is said %d times:\n%s", said()-1, log.String())
		}
	})
}
