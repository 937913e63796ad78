package vapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/superservices/voice/provider"
)

// hostObject asks one of the host's funcs for a JSON object; nil is none. An error
// of it is repeated to nobody: it may hold what the host put into the object.
func hostObject(ctx context.Context, field string, ask func(context.Context, provider.Request) (json.RawMessage, error), req provider.Request) (json.RawMessage, error) {
	if ask == nil {
		return nil, nil
	}
	raw, err := ask(ctx, req)
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
			value = base[name] // the host knows its carrier
		}
		base[name] = value
	}
	return json.Marshal(base)
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
