package kafkasrc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// secrets are settings whose values are nobody's business.
var secrets = map[string]any{
	"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": canary + "-sasl",
	"sasl.oauthbearer.client.secret": canary + "-oidc", "sasl.oauthbearer.config": "principal=" + canary, "ssl.key.password": canary + "-key", "ssl.keystore.password": canary + "-store", "debug": "all",
}

const canary = "canary-secret-7d1f"

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestSecretsStayUnsaid runs a consumer with everything that librdkafka can log switched on, and
// prints its configuration with every verb.
func TestSecretsStayUnsaid(t *testing.T) {
	var log syncBuffer
	cfg := valid()
	cfg.Brokers, cfg.Librdkafka = []string{"127.0.0.1:1"}, secrets
	cfg.DrainTimeout = time.Minute // which is also what the client, with all it logs, gets to close
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	consumer, err := NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- consumer.Run(ctx) }()
	for until := time.Now().Add(time.Minute); !strings.Contains(log.String(), "sasl.password"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("librdkafka did not log its configuration:\n%.2000s", log.String())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}

	cfg.Logger.Info("configuration", "config", cfg, "replay", ReplayConfig{Librdkafka: secrets}, "producer", ProducerConfig{Librdkafka: secrets})
	said := log.String()
	for _, v := range []any{cfg, &cfg, ReplayConfig{Librdkafka: secrets}, ProducerConfig{Librdkafka: secrets}, []Config{cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			said += fmt.Sprintf(verb, v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%T as JSON: %v", v, err)
		}
		said += string(text)
	}
	if strings.Contains(said, canary) || strings.Contains(said, fmt.Sprintf("%x", canary)) {
		i := strings.Index(said, canary)
		t.Errorf("a secret was told: ...%s", said[max(0, i-200):min(len(said), i+100)])
	}
	if !strings.Contains(said, `sasl.password`) {
		t.Error("the names are not told either")
	}
}
