package kafkasrc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/superservices/voice/kafkasrc"
)

// TestInjectedReplaySilence has brokers answer everything but fetches: who runs Replay is told so, rather
// than waiting for good, and a later one puts all back.
func TestInjectedReplaySilence(t *testing.T) {
	w := injectable(t)
	const letters = 30
	buryMore(t, w, 0, letters)
	answer := make(chan struct{})
	brokers := w.fake(t)
	brokers.ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-answer:
		default:
			brokers.KeepControl()
			brokers.SleepControl(func() { <-answer })
		}
		return nil, nil, false
	})
	cfg := kafkasrc.ReplayConfig{Brokers: w.Addrs(), DeadLetterTopic: w.dlqTopic, Librdkafka: map[string]any{"socket.timeout.ms": 3000}}
	done := make(chan error, 1)
	began := time.Now()
	go func() {
		_, _, err := kafkasrc.Replay(t.Context(), cfg)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "the brokers do not answer") {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	case <-time.After(patience):
		t.Error("Replay does not return")
	}
	close(answer)
	cfg.Librdkafka = nil // three seconds of a stalled machine are no silence
	if n, _, err := kafkasrc.Replay(t.Context(), cfg); err != nil || n != letters {
		t.Errorf("the next one: %d of %d replayed, %v", n, letters, err)
	}
}
