package voicetask

import (
	"encoding/json"
	"fmt"
)

// Data is the task's data object. Typed keys are the ones the library reads; all
// others, typed keys that did not hold a string, and a contact_name that says the
// same as name, stay in Extra byte for byte and are written back.
type Data struct {
	ContactNumber string `json:"contact_number,omitempty"`
	// ContactName is read from "contact_name", else from "name".
	ContactName string `json:"contact_name,omitempty"`
	Room        string `json:"room,omitempty"`
	Provider    string `json:"provider,omitempty"`
	Quality     string `json:"quality,omitempty"`
	CallType    string `json:"call_type,omitempty"`
	VapiAgentID string `json:"vapi_agent_id,omitempty"`

	Extra map[string]json.RawMessage `json:"-"`
}

const (
	keyContactName = "contact_name"
	keyName        = "name"
)

// typed lists the typed keys in the order they are written.
func (d *Data) typed() [7]struct {
	key   string
	value *string
} {
	return [7]struct {
		key   string
		value *string
	}{
		{"contact_number", &d.ContactNumber}, {keyContactName, &d.ContactName}, {"room", &d.Room},
		{"provider", &d.Provider}, {"quality", &d.Quality}, {"call_type", &d.CallType},
		{"vapi_agent_id", &d.VapiAgentID},
	}
}

// field returns where a typed key is kept, or nil.
func (d *Data) field(key string) *string {
	for _, t := range d.typed() {
		if t.key == key {
			return t.value
		}
	}
	return nil
}

// Set stores v, marshalled, under a key of Extra; an error for a typed key.
func (d *Data) Set(key string, v any) error {
	if d.field(key) != nil {
		return fmt.Errorf("voicetask: Data.Set(%q): that key has a field of its own, set it instead", key)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("voicetask: Data.Set(%q): %w", key, err)
	}
	if d.Extra == nil {
		d.Extra = map[string]json.RawMessage{}
	}
	d.Extra[key] = b
	return nil
}

// Get unmarshals any key into v; false if absent or null.
func (d Data) Get(key string, v any) (bool, error) {
	raw, ok := d.Extra[key]
	if f := d.field(key); f != nil && *f != "" {
		b, err := json.Marshal(*f)
		if err != nil {
			return false, fmt.Errorf("voicetask: Data.Get(%q): %w", key, err)
		}
		raw, ok = b, true
	}
	if !ok || len(raw) == 0 || string(raw) == "null" {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, fmt.Errorf("voicetask: Data.Get(%q): the value does not fit a %T", key, v)
	}
	return true, nil
}
