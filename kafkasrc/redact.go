package kafkasrc

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
)

// Configurations hold passwords among librdkafka's settings, and records hold tasks.
// What prints them, with whatever verb, shows neither.

func (c Config) public() string {
	return fmt.Sprintf("kafkasrc.Config{Brokers:%q Topic:%q Group:%q BulkTopic:%q NoBulk:%t DeadLetterTopic:%q GroupProtocol:%q InFlight:%d Librdkafka:%s}",
		c.Brokers, c.Topic, c.Group, c.BulkTopic, c.NoBulk, c.DeadLetterTopic, c.GroupProtocol, c.InFlight, namesOf(c.Librdkafka))
}

// Format writes c without the values of Librdkafka, whatever the verb.
func (c Config) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.public()) }

// LogValue is c without the values of Librdkafka.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.public()) }

// MarshalJSON writes c without the values of Librdkafka.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.public()) }

func (c ReplayConfig) public() string {
	return fmt.Sprintf("kafkasrc.ReplayConfig{Brokers:%q DeadLetterTopic:%q Group:%q DryRun:%t Librdkafka:%s}",
		c.Brokers, c.DeadLetterTopic, c.Group, c.DryRun, namesOf(c.Librdkafka))
}

// Format writes c without the values of Librdkafka, whatever the verb.
func (c ReplayConfig) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.public()) }

// LogValue is c without the values of Librdkafka.
func (c ReplayConfig) LogValue() slog.Value { return slog.StringValue(c.public()) }

// MarshalJSON writes c without the values of Librdkafka.
func (c ReplayConfig) MarshalJSON() ([]byte, error) { return json.Marshal(c.public()) }

func (c ProducerConfig) public() string {
	return fmt.Sprintf("kafkasrc.ProducerConfig{Brokers:%q Topic:%q BulkTopic:%q Librdkafka:%s}", c.Brokers, c.Topic, c.BulkTopic, namesOf(c.Librdkafka))
}

// Format writes c without the values of Librdkafka, whatever the verb.
func (c ProducerConfig) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.public()) }

// LogValue is c without the values of Librdkafka.
func (c ProducerConfig) LogValue() slog.Value { return slog.StringValue(c.public()) }

// MarshalJSON writes c without the values of Librdkafka.
func (c ProducerConfig) MarshalJSON() ([]byte, error) { return json.Marshal(c.public()) }

// Format writes where m is from and how large it is, whatever the verb.
func (m Message) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "kafkasrc.Message{Topic:%q Partition:%d Offset:%d Key:[%d bytes] Value:[%d bytes] Headers:[%d]}",
		m.Topic, m.Partition, m.Offset, len(m.Key), len(m.Value), len(m.Headers))
}

// LogValue is where m is from and how large it is.
func (m Message) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(m)) }

// namesOf lists the settings without their values.
func namesOf(all map[string]any) string {
	return fmt.Sprintf("%q", slices.Sorted(maps.Keys(all)))
}
