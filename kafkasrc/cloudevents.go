package kafkasrc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/superservices/voice/internal/jsonobj"
)

// The CloudEvents Kafka binding, as far as a task needs it.
const (
	headerContentType = "content-type"
	headerEventID     = "ce_id"

	contentTypeEvents = "application/cloudevents"
)

// cloudEventID is the event's id in binary mode, "" if there is none.
func cloudEventID(m Message) string {
	id, _ := m.header(headerEventID)
	return string(id)
}

// isCloudEvent reports whether the value is an envelope (structured mode).
func isCloudEvent(m Message) bool {
	ct, _ := m.header(headerContentType)
	return len(ct) >= len(contentTypeEvents) && strings.EqualFold(string(ct[:len(contentTypeEvents)]), contentTypeEvents)
}

// An envelope is what matters of a structured event.
type envelope struct {
	id   string
	data []byte
}

func openEnvelope(m Message) (envelope, error) {
	ct, _ := m.header(headerContentType)
	format, _, _ := strings.Cut(strings.ToLower(string(ct[len(contentTypeEvents):])), ";")
	switch strings.TrimSpace(format) {
	case "", "+json":
	case "-batch", "-batch+json":
		return envelope{}, errors.New("kafkasrc: the value is a batch of CloudEvents: send one event a record")
	default:
		return envelope{}, errors.New("kafkasrc: the value is a CloudEvent in another format than JSON")
	}
	if err := jsonobj.Check(m.Value); err != nil {
		return envelope{}, fmt.Errorf("kafkasrc: the CloudEvents envelope is %w", err)
	}

	var e envelope
	var plain, coded []byte
	err := jsonobj.Each(m.Value, func(name string, value []byte) (err error) {
		switch {
		case jsonobj.IsNull(value):
		case name == "id":
			if e.id, err = jsonobj.Unquote(value); err != nil {
				return errors.New(`"id" of the CloudEvents envelope is not a string`)
			}
		case name == "data":
			plain = value
		case name == "data_base64":
			coded = value
		}
		return nil
	})
	switch {
	case errors.Is(err, jsonobj.ErrNotObject):
		return envelope{}, fmt.Errorf("kafkasrc: the CloudEvents envelope is %w", err)
	case err != nil:
		return envelope{}, fmt.Errorf("kafkasrc: %w", err)
	case plain != nil && coded != nil:
		return envelope{}, errors.New(`kafkasrc: the CloudEvents envelope has both "data" and "data_base64"`)
	case plain != nil:
		e.data = plain
		return e, nil
	case coded != nil:
		text, err := jsonobj.Unquote(coded)
		if err == nil {
			e.data, err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil {
			return envelope{}, errors.New(`kafkasrc: "data_base64" of the CloudEvents envelope is not base64`)
		}
		if err := checkBytes(e.data); err != nil {
			return envelope{}, err
		}
		return e, nil
	}
	return envelope{}, errors.New(`kafkasrc: the CloudEvents envelope has no "data"`)
}
