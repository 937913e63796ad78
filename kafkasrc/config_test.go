package kafkasrc

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/superservices/voice/voicetask"
)

func valid() Config {
	return Config{
		Brokers:   []string{"localhost:9092"},
		Submitter: submitFunc(func(context.Context, voicetask.Task) error { return nil }),
	}
}

func TestConfigDefaults(t *testing.T) {
	c := valid()
	c = c.withDefaults()
	if c.Topic != "agent_outbound_requests" || c.Group != "agent_outbound_requests_group" || c.BulkTopic != "agent_outbound_requests_bulk" ||
		c.DeadLetterTopic != "agent_outbound_requests_dlq" || c.GroupProtocol != "classic" || c.MaxMessageBytes != 1<<20 ||
		c.InFlight != 512 || c.BulkShare != 0.5 || c.DrainTimeout != 10*time.Second || c.FallbackAfter != time.Minute {
		t.Errorf("%+v", c)
	}
	cfg := valid()
	cfg.Topic, cfg.NoBulk, cfg.BulkShare, cfg.InFlight = "t", true, 1, 1
	consumer, err := NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(consumer.lanes) != 1 || consumer.lanes[0].dispatcher.grave.topic != "t_dlq" {
		t.Errorf("%+v", consumer.cfg)
	}
	if s := consumer.Stats(); s != (Stats{}) {
		t.Errorf("Stats before Run: %+v", s)
	}
}

func TestConfigRefuses(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"Config.Brokers is required":                     func(c *Config) { c.Brokers = nil },
		"Config.Brokers has an entry (the 2.)":           func(c *Config) { c.Brokers = []string{"a:1", "b:x"} },
		"Config.Brokers has an entry (the 1.)":           func(c *Config) { c.Brokers = []string{"a:1,b:2"} },
		"Config.Submitter is required":                   func(c *Config) { c.Submitter = nil },
		"Config.Topic may have only":                     func(c *Config) { c.Topic = "^agent.*" },
		"Config.BulkTopic is longer":                     func(c *Config) { c.Topic = strings.Repeat("t", 245) },
		"Config.DeadLetterTopic may have only":           func(c *Config) { c.DeadLetterTopic = "a b" },
		"Config.Group is not plain text":                 func(c *Config) { c.Group = "a\nb" },
		"Config.BulkTopic is Config.Topic":               func(c *Config) { c.BulkTopic = DefaultTopic },
		"Config.DeadLetterTopic is a topic that is read": func(c *Config) { c.DeadLetterTopic = DefaultTopic + "_bulk" },
		"Config.GroupProtocol is neither":                func(c *Config) { c.GroupProtocol = "eager" },
		"Config.FallbackAfter is negative":               func(c *Config) { c.FallbackAfter = -1 },
		"Config.MaxMessageBytes is negative":             func(c *Config) { c.MaxMessageBytes = -1 },
		"Config.InFlight is negative":                    func(c *Config) { c.InFlight = -1 },
		"Config.BulkShare is not between":                func(c *Config) { c.BulkShare = 1.1 },
		"Config.DrainTimeout is negative":                func(c *Config) { c.DrainTimeout = -1 },
	} {
		cfg := valid()
		change(&cfg)
		if _, err := NewConsumer(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

// TestFetchSettings: what a host sets stands, by either of its names.
func TestFetchSettings(t *testing.T) {
	of := func(own settings) settings { return valid().withDefaults().consumerSettings(own, "g") }
	if s := of(nil); s["fetch.message.max.bytes"] != "131072" || s["queued.min.messages"] != "1000" {
		t.Errorf("without settings of its own: %v", s)
	}
	for _, name := range []string{"fetch.message.max.bytes", "max.partition.fetch.bytes"} {
		s := of(settings{name: "7"})
		if got := s["fetch.message.max.bytes"] + s["max.partition.fetch.bytes"]; got != "7" {
			t.Errorf("%s = 7 became %v", name, s)
		}
	}
}

func TestLibrdkafka(t *testing.T) {
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, []byte("secret nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	type in struct {
		settings map[string]any
		protocol string
		says     string // "" = accepted
	}
	tests := []in{
		{settings: map[string]any{"fetch.min.bytes": 2, "socket.keepalive.enable": true, "compression.type": "lz4", "linger.ms": 2.5, "client.id": "x", "max.poll.interval.ms": int64(90000), "isolation.level": "read_committed"}},
		{settings: map[string]any{"partition.assignment.strategy": "range,roundrobin", "session.timeout.ms": 10000, "heartbeat.interval.ms": 1000}},
		{settings: map[string]any{"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "secret"}},
		{settings: map[string]any{"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "i", "sasl.oauthbearer.client.secret": "secret", "sasl.oauthbearer.token.endpoint.url": "https://127.0.0.1:1/"}},
		{settings: map[string]any{"group.remote.assignor": "uniform"}, protocol: "consumer"},
		{settings: map[string]any{"max.partition.fetch.bytes": 1 << 20, "queued.min.messages": 100_000}},
		{settings: map[string]any{"no.such.setting": "secret"}, says: `no.such.setting`},
		{settings: map[string]any{"session.timeout.ms": "secret"}, says: `session.timeout.ms`},
		{settings: map[string]any{"sasl.password": []string{"secret"}}, says: `"sasl.password" is a []string`},
		{settings: map[string]any{"sasl.password": nil}, says: `"sasl.password" is a <nil>`},
		{settings: map[string]any{"security.protocol": "ssl", "ssl.ca.location": pem}, says: `ssl.ca.location`},
		{settings: map[string]any{"sasl.mechanisms": "OAUTHBEARER"}, says: `oidc`},
		{settings: map[string]any{"isolation.level": "read_uncommitted"}, says: `"isolation.level" is refused with that value`},
		{settings: map[string]any{"auto.commit.interval.ms": 0}, says: `"auto.commit.interval.ms" is refused with that value`},
		{settings: map[string]any{"isolation.level": 0}, says: `"isolation.level" is refused with that value`}, // librdkafka takes it for the first one
		{settings: map[string]any{"auto.commit.interval.ms": "0x0"}, says: `"auto.commit.interval.ms" is refused with that value`},
		{settings: map[string]any{"auto.commit.interval.ms": 1000, "group.instance.id": "host-1", "statistics.interval.ms": 1000}},
		{settings: map[string]any{"go.events.channel.enable": true}, says: `"go.events.channel.enable" is refused`},
		{settings: map[string]any{"{topic}.acks": 1}, says: `"{topic}.acks" is refused`},
	}
	// What takes a function cannot be given one: librdkafka says so by name.
	for _, key := range []string{
		"rebalance_cb", "offset_commit_cb", "consume_cb", "error_cb", "throttle_cb", "stats_cb", "log_cb", "background_event_cb", "socket_cb", "connect_cb",
		"closesocket_cb", "open_cb", "resolve_cb", "ssl.certificate.verify_cb", "oauthbearer_token_refresh_cb", "dr_cb", "dr_msg_cb", "interceptors", "opaque", "partitioner_cb", "msg_order_cmp",
	} {
		tests = append(tests, in{settings: map[string]any{key: "x"}, says: key})
	}
	for _, group := range []map[string]string{refusedAlways, refusedReading, refusedGroup, refusedWriting, refusedDeadLetters} {
		for key := range group {
			tests = append(tests, in{settings: map[string]any{key: "secret"}, says: `"` + key + `" is refused`})
		}
	}
	for key := range refusedKIP848 {
		tests = append(tests, in{settings: map[string]any{key: "secret"}, protocol: "consumer", says: `"` + key + `" is refused`})
	}
	for _, tt := range tests {
		cfg := valid()
		cfg.Librdkafka, cfg.GroupProtocol = tt.settings, tt.protocol
		_, err := NewConsumer(cfg)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: error %v, want %q", tt.settings, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") && tt.settings["session.timeout.ms"] == nil {
			t.Errorf("%v: the error has the value: %v", tt.settings, err)
		}
	}
	if _, err := NewProducer(ProducerConfig{Brokers: []string{"a:1"}, Librdkafka: map[string]any{"message.timeout.ms": 1000}}); err != nil {
		t.Errorf("a producer's own time limit: %v", err)
	}
	if _, err := NewProducer(ProducerConfig{Brokers: []string{"a:1"}, Librdkafka: map[string]any{"delivery.timeout.ms": 1000}}); err != nil {
		t.Errorf("a producer's own time limit, by its other name: %v", err)
	}
	if _, err := NewProducer(ProducerConfig{Brokers: []string{"a:1"}, Librdkafka: map[string]any{"acks": 1}}); err == nil {
		t.Error("a producer without acknowledgements")
	}
	for says, cfg := range map[string]ProducerConfig{
		"ProducerConfig.Brokers is required":          {},
		"ProducerConfig.Topic may have only":          {Brokers: []string{"a:1"}, Topic: "ä"},
		"ProducerConfig.BulkTopic may not be \".\"":   {Brokers: []string{"a:1"}, BulkTopic: "."},
		"ProducerConfig.BulkTopic is longer than 249": {Brokers: []string{"a:1"}, Topic: strings.Repeat("t", 249)},
	} {
		if _, err := NewProducer(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
	for says, cfg := range map[string]ReplayConfig{
		"ReplayConfig.Brokers is required":        {DeadLetterTopic: "d"},
		"ReplayConfig.DeadLetterTopic is empty":   {Brokers: []string{"a:1"}},
		"ReplayConfig.Group is not plain":         {Brokers: []string{"a:1"}, DeadLetterTopic: "d", Group: "\x00"},
		`"enable.auto.offset.store" is refused`:   {Brokers: []string{"a:1"}, DeadLetterTopic: "d", Librdkafka: map[string]any{"enable.auto.offset.store": true}},
		"replay: making a consumer: No such conf": {Brokers: []string{"a:1"}, DeadLetterTopic: "d", Librdkafka: map[string]any{"no.such": 1}},
	} {
		if _, _, err := Replay(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
}

func TestConfigFromEnv(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want Config
		says string
	}{
		"nothing": {nil, Config{Brokers: []string{"localhost:9092"}, Topic: DefaultTopic, Group: DefaultGroup}, ""},
		"all": {map[string]string{envBrokers: "a:1, b:2,SSL://c:3,[::1]:9092,d", envTopic: "t", envGroup: "g"},
			Config{Brokers: []string{"a:1", "b:2", "SSL://c:3", "[::1]:9092", "d"}, Topic: "t", Group: "g"}, ""},
		"no port":        {map[string]string{envBrokers: "a:"}, Config{}, envBrokers},
		"an empty place": {map[string]string{envBrokers: "a:1,,b:2"}, Config{}, envBrokers},
		"a port too big": {map[string]string{envBrokers: "a:65536"}, Config{}, envBrokers},
		"a URL":          {map[string]string{envBrokers: "http://a:1/x"}, Config{}, envBrokers},
		"topic":          {map[string]string{envTopic: "a/b"}, Config{}, envTopic},
		"long topic":     {map[string]string{envTopic: strings.Repeat("t", 249)}, Config{}, envTopic},
		"group":          {map[string]string{envGroup: strings.Repeat("g", 250)}, Config{}, envGroup},
	} {
		got, err := ConfigFromEnv(func(key string) string { return tt.env[key] })
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	_, err := ConfigFromEnv(func(string) string { return strings.Repeat("/", 250) })
	for _, name := range []string{envBrokers, envTopic, envGroup} {
		if err == nil || strings.Count(err.Error(), name+" ") != 1 {
			t.Errorf("all are wrong, %s is not named once: %v", name, err)
		}
	}
}

// TestQuietConstruction has a broker listen: nobody calls before Run, Send or Replay.
func TestQuietConstruction(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
			t.Error("somebody called")
		}
	}()
	cfg := valid()
	cfg.Brokers = []string{l.Addr().String()}
	if _, err := NewConsumer(cfg); err != nil {
		t.Error(err)
	}
	p, err := NewProducer(ProducerConfig{Brokers: cfg.Brokers})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_ = l.Close()
	<-called
}

// TestWriterFatal has the client fail for good: the next record gets a new one.
func TestWriterFatal(t *testing.T) {
	p, err := NewProducer(ProducerConfig{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.w.open(); err != nil {
		t.Fatal(err)
	}
	first := p.w.conn
	waiting := make(chan error, 1)
	d, err := p.w.enqueue(Message{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	go func() { waiting <- p.w.await(context.Background(), d) }()
	first.client.TestFatalError(kafka.ErrOutOfOrderSequenceNumber, "for the test")
	_, err = p.w.enqueue(Message{Topic: "t"})
	var kerr kafka.Error
	if !errors.As(err, &kerr) {
		t.Fatalf("a client that failed for good took a record: %v", err)
	}
	if err := <-waiting; err == nil {
		t.Error("a record on its way was acknowledged by nobody")
	}
	if _, err := p.w.enqueue(Message{Topic: "t"}); err != nil || p.w.conn == first {
		t.Errorf("no new client: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(ctx); err == nil {
		t.Error("Close did not say that it gave a record up")
	}
}
