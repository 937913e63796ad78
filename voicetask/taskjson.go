package voicetask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/superservices/voice/internal/jsonobj"
)

// UnmarshalJSON decodes a task without validating it further; ParseTask does
// both. Its error wraps ErrInvalidTask.
func (t *Task) UnmarshalJSON(b []byte) error {
	if err := jsonobj.Check(b); err != nil {
		return invalid("the message is %w", err)
	}
	b = bytes.Clone(b) // Extra keeps slices of it
	var (
		out     = Task{MessageType: MessageTypeOutboundCall}
		hasData bool
		oldName = -1 // of retry_attempt
	)
	err := jsonobj.Each(b, func(name string, value []byte) error {
		if name == "data" {
			hasData = true
		}
		known, err := out.setField(name, value)
		switch {
		case err != nil:
			return fmt.Errorf("%s %w", name, err)
		case known:
			return nil
		}
		if name == "retry" {
			oldName = -1
			if n, err := strconv.Atoi(string(value)); err == nil {
				oldName = n
			}
		}
		if out.Extra == nil {
			out.Extra = map[string]json.RawMessage{}
		}
		out.Extra[name] = value
		return nil
	})
	switch {
	case errors.Is(err, jsonobj.ErrNotObject):
		return invalid("the message is %w", err)
	case err != nil:
		return invalid("%w", err)
	case !hasData:
		return invalid("data is missing")
	}
	if oldName >= 0 && out.RetryAttempt == 0 {
		out.RetryAttempt = oldName
	}
	*t = out
	return nil
}

// setField sets the field of that name; known is false for a field that is not ours.
func (t *Task) setField(name string, value []byte) (known bool, err error) {
	switch name {
	case "task_id":
		err = setString(&t.ID, value)
	case "agent_id":
		err = setString(&t.AgentID, value)
	case "data":
		err = t.Data.decode(value)
	case "instructions":
		err = setString(&t.Instructions, value)
	case "model_config":
		switch {
		case jsonobj.IsObject(value):
			t.ModelConfig = value
		case !jsonobj.IsNull(value):
			err = errors.New("is not an object")
		}
	case "callback":
		err = setString(&t.Callback, value)
	case "retry_attempt":
		err = setInt(&t.RetryAttempt, value)
	case "message_type":
		if err = setString(&t.MessageType, value); t.MessageType == "" {
			t.MessageType = MessageTypeOutboundCall
		}
	case "run_id":
		err = setString(&t.RunID, value)
	case "tenant_id":
		err = setString(&t.TenantID, value)
	case "priority":
		err = setInt(&t.Priority, value)
	case "not_before":
		err = setTime(&t.NotBefore, value)
	case "not_after":
		err = setTime(&t.NotAfter, value)
	case "time_zone":
		err = setString(&t.TimeZone, value)
	case "max_dials":
		err = setInt(&t.MaxDials, value)
	default:
		return false, nil
	}
	return true, err
}

func setString(dst *string, value []byte) error {
	if jsonobj.IsNull(value) {
		*dst = ""
		return nil
	}
	s, err := jsonobj.Unquote(value)
	if err != nil {
		return errors.New("is not a string")
	}
	*dst = s
	return nil
}

func setInt(dst *int, value []byte) error {
	if jsonobj.IsNull(value) {
		*dst = 0
		return nil
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return errors.New("is not an integer")
	}
	*dst = n
	return nil
}

func setTime(dst *time.Time, value []byte) error {
	if jsonobj.IsNull(value) {
		*dst = time.Time{}
		return nil
	}
	var at time.Time
	if err := at.UnmarshalJSON(value); err != nil {
		return errors.New("is not an RFC 3339 time with an offset")
	}
	at = at.UTC()
	if y := at.Year(); y < 0 || y > 9999 { // by its offset: it could not be written again
		return errors.New("is outside the years 0 to 9999 in UTC")
	}
	*dst = at
	return nil
}

// UnmarshalJSON decodes a data object. Its error wraps ErrInvalidTask.
func (d *Data) UnmarshalJSON(b []byte) error {
	if err := jsonobj.Check(b); err != nil {
		return invalid("data is %w", err)
	}
	var out Data
	if err := out.decode(bytes.Clone(b)); err != nil {
		return invalid("data %w", err)
	}
	*d = out
	return nil
}

// decode takes a checked value apart; Extra keeps slices of it.
func (d *Data) decode(value []byte) error {
	*d = Data{}
	var contactName []byte
	err := jsonobj.Each(value, func(key string, value []byte) error {
		if key == keyContactName {
			contactName = value
		}
		if f := d.field(key); f != nil {
			delete(d.Extra, key) // the last of two wins
			*f = ""
			switch {
			case jsonobj.IsNull(value):
				return nil
			case jsonobj.IsString(value):
				return setString(f, value)
			}
		}
		if d.Extra == nil {
			d.Extra = map[string]json.RawMessage{}
		}
		d.Extra[key] = value
		return nil
	})
	if err != nil {
		return errors.New("is not an object")
	}
	switch name := d.nameInExtra(); {
	case name == "":
	case d.ContactName == name:
		d.Extra[keyContactName] = contactName // tells this from "name" alone
	case d.ContactName == "":
		if _, odd := d.Extra[keyContactName]; !odd {
			d.ContactName = name
		}
	}
	return nil
}

// nameInExtra is the string under "name", the other key of ContactName.
func (d *Data) nameInExtra() string {
	raw := d.Extra[keyName]
	if !jsonobj.IsString(raw) {
		return ""
	}
	name, _ := jsonobj.Unquote(raw) // not a string: not a name
	return name
}

// MarshalJSON writes the contract's fields in a fixed order, then Extra by name.
func (t Task) MarshalJSON() ([]byte, error) {
	var w objectWriter
	w.buf.Grow(512)
	w.str("task_id", t.ID)
	w.str("agent_id", t.AgentID)
	data, err := t.Data.MarshalJSON()
	if err != nil {
		return nil, err
	}
	w.raw("data", data)
	w.str("instructions", t.Instructions)
	if len(t.ModelConfig) == 0 {
		w.raw("model_config", []byte("null"))
	} else {
		w.raw("model_config", t.ModelConfig)
	}
	w.str("callback", t.Callback)
	w.num("retry_attempt", t.RetryAttempt)
	messageType := t.MessageType
	if messageType == "" {
		messageType = MessageTypeOutboundCall
	}
	w.str("message_type", messageType)
	if t.RunID != "" {
		w.str("run_id", t.RunID)
	}
	if t.TenantID != "" {
		w.str("tenant_id", t.TenantID)
	}
	if t.Priority != 0 {
		w.num("priority", t.Priority)
	}
	if !t.NotBefore.IsZero() {
		w.time("not_before", t.NotBefore)
	}
	if !t.NotAfter.IsZero() {
		w.time("not_after", t.NotAfter)
	}
	if t.TimeZone != "" {
		w.str("time_zone", t.TimeZone)
	}
	if t.MaxDials != 0 {
		w.num("max_dials", t.MaxDials)
	}
	var probe Task
	w.extra(t.Extra, func(name string) bool {
		known, _ := probe.setField(name, []byte("null"))
		return known
	})
	return w.done()
}

// MarshalJSON writes the typed keys that are set in a fixed order, then Extra by name.
func (d Data) MarshalJSON() ([]byte, error) {
	var w objectWriter
	fromName := d.ContactName != "" && d.ContactName == d.nameInExtra()
	for _, f := range d.typed() {
		if *f.value != "" && (f.key != keyContactName || !fromName) {
			w.str(f.key, *f.value)
		}
	}
	w.extra(d.Extra, func(key string) bool {
		f := d.field(key)
		return f != nil && *f != "" && (key != keyContactName || !fromName) // the field has been written
	})
	return w.done()
}

// objectWriter writes one JSON object.
type objectWriter struct {
	buf bytes.Buffer
	err error
}

func (w *objectWriter) name(name string) {
	if w.buf.Len() == 0 {
		w.buf.WriteByte('{')
	} else {
		w.buf.WriteByte(',')
	}
	w.quote(name)
	w.buf.WriteByte(':')
}

// quote writes a string as encoding/json does, but leaves <, > and & as they are.
func (w *objectWriter) quote(s string) {
	if plain(s) {
		w.buf.WriteByte('"')
		w.buf.WriteString(s)
		w.buf.WriteByte('"')
		return
	}
	enc := json.NewEncoder(&w.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	w.buf.Truncate(w.buf.Len() - 1) // the encoder's newline
}

// plain reports that nothing in s needs escaping, as is nearly always so.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *objectWriter) raw(name string, value []byte) { w.name(name); w.buf.Write(value) }
func (w *objectWriter) str(name, value string)        { w.name(name); w.quote(value) }
func (w *objectWriter) num(name string, value int) {
	w.raw(name, strconv.AppendInt(nil, int64(value), 10))
}

func (w *objectWriter) time(name string, value time.Time) {
	b, err := value.MarshalJSON()
	w.err = errors.Join(w.err, err)
	w.raw(name, b)
}

// extra writes the members that are not known by name already.
func (w *objectWriter) extra(extra map[string]json.RawMessage, known func(name string) bool) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		switch value := extra[name]; {
		case known(name):
		case !json.Valid(value):
			w.err = errors.Join(w.err, fmt.Errorf("voicetask: Extra[%q] is not valid JSON", name))
		default:
			w.raw(name, value)
		}
	}
}

func (w *objectWriter) done() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.buf.Len() == 0 {
		w.buf.WriteByte('{')
	}
	w.buf.WriteByte('}')
	return w.buf.Bytes(), nil
}
