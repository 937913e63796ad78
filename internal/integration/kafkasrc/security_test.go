package kafkasrc_test

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/internal/integration/kafkabroker"
	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// TestSecurity has consumer, producer, dead letters and Replay go through listeners that demand
// TLS with a certificate, or a name with its secret; without them nothing passes, and no log
// tells the secret.
func TestSecurity(t *testing.T) {
	if _, yes := onApache(); !yes {
		t.Log("kfake has no such listeners: make test-kafka runs it")
		return
	}
	w := broker(t)
	a := w.Cluster.(*kafkabroker.Apache)
	certs := a.Certs()
	file := func(name string, pem []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := file("ca.pem", certs.CA)
	login := func(mechanism, password string) map[string]any {
		return map[string]any{"security.protocol": "SASL_SSL", "ssl.ca.location": ca, "sasl.mechanisms": mechanism, "sasl.username": kafkabroker.User, "sasl.password": password}
	}
	mutual := map[string]any{"security.protocol": "SSL", "ssl.ca.location": ca}
	withCert := maps.Clone(mutual)
	withCert["ssl.certificate.location"], withCert["ssl.key.location"] = file("cert.pem", certs.ClientCert), file("key.pem", certs.ClientKey)
	for _, c := range []struct {
		name   string
		addrs  []string
		conf   map[string]any
		passes bool
	}{
		{"certificate", a.MutualAddrs(), withCert, true},
		{"plain", a.LoginAddrs(), login("PLAIN", kafkabroker.Password), true},
		{"scram", a.LoginAddrs(), login("SCRAM-SHA-256", kafkabroker.Password), true},
		{"no certificate", a.MutualAddrs(), mutual, false},
		{"wrong password", a.LoginAddrs(), login("SCRAM-SHA-256", "canary-secret-that-is-wrong"), false},
		{"no TLS", a.LoginAddrs(), nil, false},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			w := newWorld(w.Cluster)
			createTopics(t, w)
			var log logBuffer
			cfg := kafkasrc.Config{Brokers: c.addrs, Topic: w.topic, Group: w.group, Librdkafka: c.conf, DrainTimeout: time.Second}
			cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			s := &submitter{}
			cfg.Submitter = s
			if c.passes {
				cfg.DrainTimeout = patience / 3 // as in config
				passSecured(t, w, c.addrs, c.conf)
			} else {
				produce(t, w, w.tasks("never", 5)...)
			}
			r := start(t, cfg)
			if c.passes {
				eventually(t, "submitted and buried", func() bool { return s.total() == 1 && r.Stats().DeadLettered == 1 })
				r.mustStop(t)
				n, _, err := kafkasrc.Replay(t.Context(), kafkasrc.ReplayConfig{Brokers: c.addrs, DeadLetterTopic: w.dlqTopic, Librdkafka: c.conf})
				if err != nil || n != 1 {
					t.Errorf("Replay: %d, %v", n, err)
				}
			} else {
				eventually(t, "trouble is logged", func() bool {
					return strings.Contains(log.String(), "level\":\"ERROR") || strings.Contains(log.String(), "level\":\"WARN")
				})
				always(t, "nothing comes in", time.Second, func() bool { return s.total() == 0 && !r.Stats().Ready })
				_ = r.stop(t) // it was never in a group
			}
			if strings.Contains(log.String(), "canary-secret") {
				t.Errorf("the secret is in the log:\n%s", log.String())
			}
		})
	}
}

// passSecured writes a task and nonsense through the secured listener.
func passSecured(t *testing.T, w *world, addrs []string, conf map[string]any) {
	t.Helper()
	p, err := kafkasrc.NewProducer(kafkasrc.ProducerConfig{Brokers: addrs, Topic: w.topic, Librdkafka: conf})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), voicetask.Task{ID: "s", AgentID: "a"}, false); err != nil {
		t.Errorf("Send: %v", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	bad := w.task("bad", 0)
	bad.Value = []byte("nonsense")
	produce(t, w, bad)
}
