package livekit

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

// Each forgery is counted, and a flood of them does not flood the log.
func TestFloodOfForgeriesIsCountedNotLogged(t *testing.T) {
	var log bytes.Buffer
	counted := 0
	h := receiver(t, WebhookConfig{
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(_ context.Context, n provider.Notice) { counted += n.N },
	}, nil)
	began := time.Now()
	for range 500 {
		if code := post(h, "x.y.z", "{}"); code != 401 {
			t.Fatalf("%d", code)
		}
	}
	most := 2 + int(time.Since(began)/time.Second)
	if lines := bytes.Count(log.Bytes(), []byte("\n")); lines < 1 || lines > most || counted != 500 {
		t.Errorf("%d lines, %d counted", lines, counted)
	}
}
