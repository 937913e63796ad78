package vapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/superservices/voice/provider"
)

// hostObject asks one of the host's funcs for a JSON object; nil is none. An error
// of it is repeated to nobody: it may hold what the host put into the object. Nothing
// has been sent yet, so that its panic is certain, too.
func hostObject(ctx context.Context, field string, ask func(context.Context, provider.Request) (json.RawMessage, error), req provider.Request) (raw json.RawMessage, err error) {
	if ask == nil {
		return nil, nil
	}
	defer func() {
		if recover() != nil {
			raw, err = nil, fmt.Errorf("Config.%s panicked", field)
		}
	}()
	raw, err = ask(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("Config.%s failed", field)
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil, fmt.Errorf("Config.%s returned something that is no JSON object", field)
	}
	return raw, nil
}

// join lays our overrides over the host's. A property of both is ours, since
// following and bounding the call depend on it, but for those that hold many
// values: there the values are joined.
func join(theirs json.RawMessage, ours overrides) (json.RawMessage, error) {
	own, err := json.Marshal(ours)
	if err != nil || theirs == nil {
		return own, err
	}
	var base, over map[string]json.RawMessage
	if err := json.Unmarshal(theirs, &base); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(own, &over); err != nil {
		return nil, err
	}
	for name, value := range over {
		switch {
		case base[name] == nil:
		case name == "variableValues":
			value = union(value, base[name]) // the host knows its prompt
		case name == "metadata":
			value = union(base[name], value) // calls are found by ours
		case name == "serverMessages":
			value = concat(base[name], value)
		case name == "transportConfigurations":
			value = bound(base[name], ours.Transports) // the host knows its carrier, the policy how long to ring
		}
		base[name] = value
	}
	return json.Marshal(base)
}

// bound lays our ring limits over the host's list of carriers: of two limits the
// shorter one counts, and a carrier that the host does not name is added.
func bound(theirs json.RawMessage, ours []transportConfiguration) json.RawMessage {
	var list []map[string]json.RawMessage
	if json.Unmarshal(theirs, &list) != nil {
		list = nil // Vapi would refuse it
	}
	for _, limit := range ours {
		named := false
		for _, carrier := range list {
			if text(carrier["provider"]) != limit.Provider {
				continue
			}
			named = true
			var shorter float64
			if json.Unmarshal(carrier["timeout"], &shorter) != nil || shorter <= 0 || shorter > float64(limit.Timeout) {
				carrier["timeout"] = json.RawMessage(strconv.Itoa(limit.Timeout))
			}
		}
		if !named {
			provider, _ := json.Marshal(limit.Provider) // a string always marshals
			list = append(list, map[string]json.RawMessage{"provider": provider, "timeout": json.RawMessage(strconv.Itoa(limit.Timeout))})
		}
	}
	bounded, err := json.Marshal(list)
	if err != nil {
		return theirs // cannot be: it was JSON
	}
	return bounded
}

// union is the object a with what b has besides, or instead.
func union(a, b json.RawMessage) json.RawMessage {
	var all, more map[string]json.RawMessage
	if json.Unmarshal(a, &all) != nil || all == nil {
		return b
	}
	if json.Unmarshal(b, &more) != nil {
		return a
	}
	for name, value := range more {
		all[name] = value
	}
	joined, err := json.Marshal(all)
	if err != nil {
		return b
	}
	return joined
}

// concat is the list of both, each string once.
func concat(a, b json.RawMessage) json.RawMessage {
	var all, more []string
	if json.Unmarshal(a, &all) != nil || json.Unmarshal(b, &more) != nil {
		return b
	}
	for _, s := range more {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	joined, err := json.Marshal(all)
	if err != nil {
		return b
	}
	return joined
}
