package kafkasrc

import (
	"slices"
	"strconv"
	"time"
)

// Dead letters keep key, value and headers and add these headers, UTF-8 text of at
// most 1 KiB each, without line breaks. The names are permanent.
const (
	HeaderTopic     = "dlq.original.topic"
	HeaderPartition = "dlq.original.partition"
	HeaderOffset    = "dlq.original.offset"
	// HeaderTime is RFC 3339 in UTC, empty if the record had no timestamp.
	HeaderTime  = "dlq.original.timestamp"
	HeaderGroup = "dlq.original.group"
	// HeaderClass is invalid_task (the JSON is no valid task), decode (it could not be
	// read at all) or too_large.
	HeaderClass = "dlq.error.class"
	// HeaderMessage says what was wrong and quotes no value.
	HeaderMessage = "dlq.error.message"
	// HeaderAttempts is how often the record was tried.
	HeaderAttempts = "dlq.attempts"
)

// Kafka Connect's names (KIP-298), all text as well.
const (
	connectTopic     = "__connect.errors.topic"
	connectPartition = "__connect.errors.partition"
	connectOffset    = "__connect.errors.offset"
	connectName      = "__connect.errors.connector.name"
	connectTask      = "__connect.errors.task.id"
	connectStage     = "__connect.errors.stage"
	connectClass     = "__connect.errors.exception.class.name"
	connectMessage   = "__connect.errors.exception.message"
)

// The added headers stand behind the record's own, HeaderTopic first.
var addedHeaders = []string{
	HeaderTopic, HeaderPartition, HeaderOffset, HeaderTime, HeaderGroup, HeaderClass, HeaderMessage, HeaderAttempts,
	connectTopic, connectPartition, connectOffset, connectName, connectTask, connectStage, connectClass, connectMessage,
}

// A grave says where dead letters go and how they are marked.
type grave struct {
	topic   string // the dead-letter topic
	group   string // the group that gave the record up
	connect bool
}

// deadLetter is m as it is written to the dead-letter topic.
func (g grave) deadLetter(m Message, why *refusal, attempts int) Message {
	var at string
	if !m.Time.IsZero() {
		at = m.Time.UTC().Format(time.RFC3339Nano)
	}
	var (
		partition = strconv.Itoa(int(m.Partition))
		offset    = strconv.FormatInt(m.Offset, 10)
		message   = why.text(m.Value)
	)
	out := m
	out.Topic = g.topic
	out.Headers = slices.Grow(slices.Clone(m.Headers), len(addedHeaders))
	add := func(key, value string) {
		out.Headers = append(out.Headers, Header{Key: key, Value: []byte(headerText(value))})
	}
	add(HeaderTopic, m.Topic)
	add(HeaderPartition, partition)
	add(HeaderOffset, offset)
	add(HeaderTime, at)
	add(HeaderGroup, g.group)
	add(HeaderClass, why.class)
	add(HeaderMessage, message)
	add(HeaderAttempts, strconv.Itoa(attempts))
	if g.connect {
		stage := "VALUE_CONVERTER"
		if why.class == classInvalidTask {
			stage = "TASK_PUT"
		}
		add(connectTopic, m.Topic)
		add(connectPartition, partition)
		add(connectOffset, offset)
		add(connectName, g.group)
		add(connectTask, "0")
		add(connectStage, stage)
		add(connectClass, why.class)
		add(connectMessage, message)
	}
	return out
}

// exhume is the inverse of deadLetter: the record as it was, with the topic it came from. It is
// false for a record that is no dead letter of this package. Only what was added is taken
// away: a record whose own headers happened to have such names keeps them.
func exhume(m Message) (Message, bool) {
	i := len(m.Headers) - 1
	for ; i >= 0 && m.Headers[i].Key != HeaderTopic; i-- {
		if !slices.Contains(addedHeaders, m.Headers[i].Key) {
			return Message{}, false
		}
	}
	if i < 0 {
		return Message{}, false
	}
	out := m
	out.Topic = string(m.Headers[i].Value)
	if checkTopic(out.Topic) != nil {
		return Message{}, false
	}
	for _, h := range m.Headers[i:] {
		switch h.Key {
		case HeaderPartition:
			if n, err := strconv.ParseInt(string(h.Value), 10, 32); err == nil {
				out.Partition = int32(n)
			}
		case HeaderOffset:
			if n, err := strconv.ParseInt(string(h.Value), 10, 64); err == nil {
				out.Offset = n
			}
		case HeaderTime:
			out.Time, _ = time.Parse(time.RFC3339Nano, string(h.Value)) // empty: it had none
		}
	}
	out.Headers = slices.Clip(m.Headers[:i])
	if len(out.Headers) == 0 {
		out.Headers = nil
	}
	return out, true
}
