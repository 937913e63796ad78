package vapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

// Each forgery is counted, and a flood of them does not flood the log.
func TestFloodOfForgeriesIsCountedNotLogged(t *testing.T) {
	var log bytes.Buffer
	counted := 0
	h, err := WebhookHandler(WebhookConfig{
		Secret:  "s3cret",
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(_ context.Context, n provider.Notice) { counted += n.N },
	}, provider.EventSinkFunc(func(context.Context, provider.Event) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 500 {
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader("{}"))); rec.Code != 401 {
			t.Fatalf("%d", rec.Code)
		}
	}
	most := 2 + int(time.Since(began)/time.Second)
	if lines := bytes.Count(log.Bytes(), []byte("\n")); lines < 1 || lines > most || counted != 500 {
		t.Errorf("%d lines, %d counted", lines, counted)
	}
}
