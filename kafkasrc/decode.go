package kafkasrc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/voicetask"
)

// What DecodeTask cannot read, told apart by the first bytes.
var (
	errTombstone = errors.New("kafkasrc: the record has no value (a tombstone), so there is no task in it")
	errEmpty     = errors.New("kafkasrc: the record's value is empty, so there is no task in it")
	errFraming   = errors.New("kafkasrc: the value begins with a zero byte, as schema-registry framing does (and UTF-16): " +
		"only plain JSON in UTF-8 is read; set Config.Decode for other serialisations")
	errBOM   = errors.New("kafkasrc: the value begins with a byte order mark: JSON in UTF-8 has none")
	errUTF16 = errors.New("kafkasrc: the value is UTF-16: only JSON in UTF-8 is read")
)

// DecodeTask accepts plain JSON and both CloudEvents modes: binary (the task is the
// value, ce_ headers beside it) and structured (content-type application/cloudevents+json,
// the task is the envelope's data). The event's id serves as the task id of a task
// that has none. Unknown fields are kept in the task.
//
// Its error wraps voicetask.ErrInvalidTask if the JSON is not a valid task; it quotes
// nothing of the record. ctx is not used.
func DecodeTask(_ context.Context, m Message) (voicetask.Task, error) {
	value, id := m.Value, cloudEventID(m)
	if err := checkBytes(value); err != nil {
		return voicetask.Task{}, err
	}
	if isCloudEvent(m) {
		e, err := openEnvelope(m)
		if err != nil {
			return voicetask.Task{}, err
		}
		if value = e.data; e.id != "" {
			id = e.id
		}
	}
	if id == "" {
		return voicetask.ParseTask(value)
	}
	var t voicetask.Task
	if err := t.UnmarshalJSON(value); err != nil {
		return voicetask.Task{}, err
	}
	setDefault(&t.ID, id)
	if err := t.Validate(); err != nil {
		return voicetask.Task{}, err
	}
	return t, nil
}

// checkBytes refuses what is certainly no JSON in UTF-8, in words an operator can
// act on.
func checkBytes(value []byte) error {
	switch {
	case value == nil:
		return errTombstone
	case len(value) == 0:
		return errEmpty
	case value[0] == 0:
		return errFraming
	case bytes.HasPrefix(value, []byte("\xEF\xBB\xBF")):
		return errBOM
	case bytes.HasPrefix(value, []byte("\xFE\xFF")), bytes.HasPrefix(value, []byte("\xFF\xFE")),
		len(value) > 1 && value[1] == 0:
		return errUTF16
	}
	return nil
}

// Temporary marks a Decode error as worth a retry: the record keeps its place and
// is decoded again after a pause. Temporary(nil) is nil.
func Temporary(err error) error {
	if err == nil {
		return nil
	}
	return temporaryError{err}
}

type temporaryError struct{ error }

func (e temporaryError) Unwrap() error { return e.error }

func isTemporary(err error) bool {
	var t temporaryError
	return errors.As(err, &t)
}

// decodeTimeout is how long one call of a host's Decode may take; it may ask a registry for a schema.
const decodeTimeout = 30 * time.Second

// bounded gives each call of decode its time. What it fails or panics with when that is over says
// nothing of the record.
func bounded(decode func(context.Context, Message) (voicetask.Task, error)) func(context.Context, Message) (voicetask.Task, error) {
	return func(ctx context.Context, m Message) (t voicetask.Task, err error) {
		ctx, cancel := context.WithTimeout(ctx, decodeTimeout)
		defer cancel()
		defer func() {
			if ctx.Err() == nil {
				return // a panic goes on: it is the record's
			}
			if r := recover(); r != nil {
				err = Temporary(caught("Config.Decode", r))
			}
		}()
		t, err = decode(ctx, m)
		if ctx.Err() != nil {
			err = Temporary(err)
		}
		return t, err
	}
}

// A refusal is the reason why a record becomes a dead letter.
type refusal struct {
	class string
	err   error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// text is the reason without anything of the record.
func (r *refusal) text(value []byte) string {
	if r.class == classTooLarge {
		return headerText(r.err.Error()) // ours; its numbers are sizes
	}
	return errorText(r.err, value)
}

// Values of HeaderClass.
const (
	classInvalidTask = "invalid_task"
	classDecode      = "decode"
	classTooLarge    = "too_large"
)

// refuse classifies an error that no retry can heal.
func refuse(err error) *refusal {
	if errors.Is(err, voicetask.ErrInvalidTask) {
		return &refusal{classInvalidTask, err}
	}
	return &refusal{classDecode, err}
}

func tooLarge(size, limit int) *refusal {
	return &refusal{classTooLarge, fmt.Errorf("kafkasrc: the value has %d bytes, the limit is %d (Config.MaxMessageBytes)", size, limit)}
}
