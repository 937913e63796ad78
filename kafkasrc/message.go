package kafkasrc

import (
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Message is a record as received; no field of it may be changed. A nil Key or
// Value was null, an empty one was empty.
type Message struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []Header
	// Time is the record's timestamp, zero if it has none.
	Time time.Time
}

// Header is one header of a Message; keys may repeat.
type Header struct {
	Key   string
	Value []byte
}

// messageOf takes over a record of the client, whose bytes are copies already.
func messageOf(m *kafka.Message) Message {
	out := Message{
		Partition: m.TopicPartition.Partition,
		Offset:    int64(m.TopicPartition.Offset),
		Key:       m.Key,
		Value:     m.Value,
	}
	if m.TopicPartition.Topic != nil {
		out.Topic = *m.TopicPartition.Topic
	}
	if m.TimestampType != kafka.TimestampNotAvailable {
		out.Time = m.Timestamp.UTC()
	}
	if len(m.Headers) > 0 {
		out.Headers = make([]Header, len(m.Headers))
		for i, h := range m.Headers {
			out.Headers[i] = Header(h)
		}
	}
	return out
}

// record is m as the client produces it, to any partition.
func (m Message) record() *kafka.Message {
	out := &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &m.Topic, Partition: kafka.PartitionAny},
		Key:            m.Key,
		Value:          m.Value,
	}
	if len(m.Headers) > 0 {
		out.Headers = make([]kafka.Header, len(m.Headers))
		for i, h := range m.Headers {
			out.Headers[i] = kafka.Header(h)
		}
	}
	return out
}

// header returns the value of the last header of that name. Kafka compares names byte for
// byte; where none is the same, one that differs in case is taken, since HTTP has taught
// producers to write Content-Type.
func (m Message) header(key string) ([]byte, bool) {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if m.Headers[i].Key == key {
			return m.Headers[i].Value, true
		}
	}
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if len(m.Headers[i].Key) == len(key) && strings.EqualFold(m.Headers[i].Key, key) {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}
