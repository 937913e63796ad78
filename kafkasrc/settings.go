package kafkasrc

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Settings a caller may not override, and what stands for them or depends on them.
var (
	refusedAlways = map[string]string{
		"bootstrap.servers":    "set Brokers",
		"metadata.broker.list": "set Brokers",
		"log.queue":            "logs go to Logger",
		"default.topic.config": "set its settings themselves",
		"plugin.library.paths": "a plugin could change what is relied on here",
	}
	refusedReading = map[string]string{
		"group.id":                 "set Group",
		"enable.auto.commit":       "stored offsets are committed in the background",
		"auto.commit.enable":       "stored offsets are committed in the background",
		"enable.auto.offset.store": "an offset is stored once its record is settled",
		"auto.offset.reset":        "a group without offsets begins with the oldest record, so that none is skipped",
		"offset.store.method":      "offsets are kept by the brokers",
		"enable.partition.eof":     "it is set as needed",
	}
	refusedGroup = map[string]string{
		"group.protocol":      "set GroupProtocol",
		"group.protocol.type": "consumers are what the group consists of",
	}
	// The brokers decide these for a group of the KIP-848 protocol; librdkafka refuses them too.
	refusedKIP848 = map[string]string{
		"session.timeout.ms":            `brokers decide it with GroupProtocol "consumer"`,
		"heartbeat.interval.ms":         `brokers decide it with GroupProtocol "consumer"`,
		"partition.assignment.strategy": `brokers decide it with GroupProtocol "consumer"; see group.remote.assignor`,
	}
	refusedWriting = map[string]string{
		"enable.idempotence":         "records are written idempotently",
		"acks":                       "records are acknowledged by all replicas",
		"request.required.acks":      "records are acknowledged by all replicas",
		"transactional.id":           "no transactions are used",
		"delivery.report.only.error": "every delivery report is awaited",
		"message.max.bytes":          "the brokers decide how large a record may be",
		"enable.gapless.guarantee":   "a record that failed is sent again",
	}
	refusedDeadLetters = map[string]string{
		"message.timeout.ms":  "a dead letter is tried again after 30 s",
		"delivery.timeout.ms": "a dead letter is tried again after 30 s",
	}
	// Settings of which only some values are refused.
	refusedValues = map[string]struct {
		good func(value string) bool
		why  string
	}{
		"isolation.level":         {func(v string) bool { return v == "read_committed" }, `only "read_committed" is possible: what a producer takes back is no task`},
		"auto.commit.interval.ms": {func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n > 0 }, "without an interval above 0 nothing is ever committed"},
	}
)

// A settings builds a librdkafka configuration.
type settings map[string]string

// parseSettings takes the caller's settings, none of which may be refused.
// An error names keys and no value: values may be secrets.
func parseSettings(in map[string]any, refused ...map[string]string) (settings, error) {
	out := settings{}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if strings.HasPrefix(key, "go.") || strings.HasPrefix(key, "{topic}.") {
			return nil, fmt.Errorf("setting %q is refused: it is not one of librdkafka", key)
		}
		for _, r := range refused {
			if why, ok := r[key]; ok {
				return nil, fmt.Errorf("setting %q is refused: %s", key, why)
			}
		}
		value, ok := settingText(in[key])
		if !ok {
			return nil, fmt.Errorf("setting %q is a %T: use a string, a bool or a number", key, in[key])
		}
		if r, ok := refusedValues[key]; ok && !r.good(value) {
			return nil, fmt.Errorf("setting %q is refused with that value: %s", key, r.why)
		}
		out[key] = value
	}
	return out, out.checkOAuth()
}

func settingText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, !strings.ContainsRune(v, 0)
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// checkOAuth refuses tokens that the application would have to supply: nobody here does,
// and the client would wait for them for ever.
func (s settings) checkOAuth() error {
	for _, key := range []string{"sasl.mechanism", "sasl.mechanisms"} {
		if strings.EqualFold(s[key], "OAUTHBEARER") && s["sasl.oauthbearer.method"] != "oidc" {
			return fmt.Errorf(`setting %q: OAUTHBEARER needs "sasl.oauthbearer.method": "oidc" and its further settings`, key)
		}
	}
	return nil
}

// with returns s with more settings; def gives way to s, must does not.
func (s settings) with(def, must settings) settings {
	out := maps.Clone(def)
	maps.Copy(out, s)
	maps.Copy(out, must)
	return out
}

// duration is a setting in milliseconds.
func (s settings) duration(key string) time.Duration {
	n, err := strconv.ParseInt(s[key], 10, 64)
	if err != nil {
		return 0 // librdkafka refuses it
	}
	return time.Duration(n) * time.Millisecond
}

// config is s for the client. Logs go to the channel.
func (s settings) config(logs chan kafka.LogEvent) *kafka.ConfigMap {
	m := kafka.ConfigMap{"go.logs.channel.enable": true, "go.logs.channel": logs}
	for k, v := range s {
		m[k] = v
	}
	return &m
}

// consumerSettings are those of a lane that reads topic for group. The client reads little ahead
// of the slots: each pause throws away what it has read, and by default that would be up to
// 100,000 records a partition, fetched anew at each resume. It looks again after 10 ms, not
// after 1 s, whether there is room, or so short a queue would run dry.
func (c Config) consumerSettings(own settings, group string) settings {
	def := settings{
		"client.id":                          "kafkasrc",
		"max.poll.interval.ms":               "60000",
		"queued.min.messages":                "1000",
		"queued.max.messages.kbytes":         "16384",
		"fetch.message.max.bytes":            "131072", // a partition; a larger record comes by itself
		"fetch.queue.backoff.ms":             "10",
		"topic.metadata.refresh.interval.ms": "30000", // finds a topic that is created later
		"auto.commit.interval.ms":            "100",   // what is settled since comes again after a crash
	}
	if _, ok := own["max.partition.fetch.bytes"]; ok {
		delete(def, "fetch.message.max.bytes") // two names of one setting
	}
	must := settings{
		"bootstrap.servers":        strings.Join(c.Brokers, ","),
		"group.id":                 group,
		"enable.auto.commit":       "true",
		"enable.auto.offset.store": "false",
		"auto.offset.reset":        "earliest",
		"group.protocol":           c.GroupProtocol,
	}
	if c.GroupProtocol == protocolClassic {
		def["session.timeout.ms"] = "45000"
		def["partition.assignment.strategy"] = "cooperative-sticky"
	}
	return own.with(def, must)
}

// writerSettings are those of every producer: idempotent, acknowledged by all replicas,
// and of any size, so that the brokers' limits count and not the client's.
func writerSettings(brokers []string, own settings) settings {
	def := settings{
		"client.id":          "kafkasrc",
		"message.timeout.ms": "30000",
	}
	if _, ok := own["delivery.timeout.ms"]; ok {
		delete(def, "message.timeout.ms") // two names of one setting
	}
	must := settings{
		"bootstrap.servers":  strings.Join(brokers, ","),
		"enable.idempotence": "true",
		"acks":               "all",
		"message.max.bytes":  "1000000000",
	}
	return own.with(def, must)
}

// probe has librdkafka check the settings: names, values, files of certificates. The client it
// makes for that knows no broker, so nothing is dialled.
func (s settings) probe(producer bool) error {
	s = maps.Clone(s)
	delete(s, "bootstrap.servers")
	if s["sasl.oauthbearer.method"] == "oidc" {
		delete(s, "security.protocol") // or it would fetch a token
	}
	logs := make(chan kafka.LogEvent, 16)
	conf := s.config(logs)
	if producer {
		(*conf)["go.events.channel.size"] = 1
		(*conf)["go.produce.channel.size"] = 1
		p, err := kafka.NewProducer(conf)
		if err == nil {
			p.Close()
		}
		return err
	}
	c, err := kafka.NewConsumer(conf)
	if err == nil {
		err = c.Close()
	}
	return err
}
