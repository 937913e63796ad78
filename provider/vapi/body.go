package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/superservices/voice/provider"
)

// Names of our fields in a call's assistantOverrides.metadata. They are permanent:
// calls in flight are found by them.
const (
	MetadataKey    = "voice_key"     // Request.Key, "<task_id>/<n>"
	MetadataTaskID = "voice_task_id" // the <task_id> of it
)

// Vapi's limits.
const (
	maxNameUnits = 40
	minDuration  = 10 * time.Second
	maxDuration  = 43200 * time.Second
	maxRing      = 600 * time.Second
)

// notForPrompts are the keys of a task's data that are for the library or the host
// and never become a variable of the assistant.
var notForPrompts = []string{
	"contact_number", "token", "provider", "quality", "room", "vapi_agent_id",
	"user_id", "document_id", "thread_id",
}

// instructionsVariable is the assistant's variable that holds Request.Instructions.
const instructionsVariable = "instructions"

// createCall is the body of POST /call. Vapi refuses properties it does not know.
type createCall struct {
	AssistantID   string          `json:"assistantId,omitempty"`
	Assistant     json.RawMessage `json:"assistant,omitempty"` // instead of an id
	PhoneNumberID string          `json:"phoneNumberId"`
	Customer      createCustomer  `json:"customer"`
	Overrides     json.RawMessage `json:"assistantOverrides"`
}

type createCustomer struct {
	Number string `json:"number,omitempty"`
	SIPURI string `json:"sipUri,omitempty"`
	Name   string `json:"name,omitempty"`
}

type overrides struct {
	VariableValues     map[string]json.RawMessage `json:"variableValues,omitempty"`
	Metadata           map[string]string          `json:"metadata"`
	MaxDurationSeconds int                        `json:"maxDurationSeconds,omitempty"`
	Transports         []transportConfiguration   `json:"transportConfigurations,omitempty"`
	Server             *server                    `json:"server,omitempty"`
	ServerMessages     []string                   `json:"serverMessages,omitempty"`
}

// transportConfiguration bounds the ringing where Twilio is the carrier; for
// others Vapi's own limit of 60 s holds.
type transportConfiguration struct {
	Provider string `json:"provider"`
	Timeout  int    `json:"timeout"`
}

// server is where a call reports to. The secret travels as one of its headers,
// which Vapi sends with every report: server.secret, which does the same, left the
// OpenAPI document in May 2025, and a strict reading of that document refuses it.
type server struct {
	URL         string            `json:"url"`
	Credential  string            `json:"credentialId,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	BackoffPlan backoffPlan       `json:"backoffPlan"`
}

// backoffPlan makes Vapi send a report again that was not taken; without one it is
// lost. Six times from two seconds on is about two minutes.
type backoffPlan struct {
	Type                string `json:"type"`
	MaxRetries          int    `json:"maxRetries"`
	BaseDelaySeconds    int    `json:"baseDelaySeconds"`
	ExcludedStatusCodes []int  `json:"excludedStatusCodes"`
}

var reportPlan = backoffPlan{
	Type: "exponential", MaxRetries: 6, BaseDelaySeconds: 2,
	ExcludedStatusCodes: []int{400, 401, 403, 404, 405, 413, 422},
}

// body makes the body of POST /call, or says what is missing for one.
func (p *Provider) body(ctx context.Context, req provider.Request) ([]byte, createCall, error) {
	data, err := dataOf(req)
	if err != nil {
		return nil, createCall{}, err
	}
	c := createCall{
		PhoneNumberID: p.callerID(req),
		Customer:      customer(req),
	}
	if c.Assistant, err = hostObject(ctx, "Assistant", p.cfg.Assistant, req); err != nil {
		return nil, c, err
	}
	if c.Assistant == nil {
		c.AssistantID = firstOf(text(data["vapi_agent_id"]), p.cfg.AssistantID, req.AgentID)
	}
	switch {
	case c.Assistant == nil && c.AssistantID == "":
		return nil, c, errors.New("there is no assistant: set vapi_agent_id in the task's data, Config.AssistantID or the task's agent_id")
	case c.PhoneNumberID == "":
		return nil, c, errors.New("there is no number to call from: set Config.PhoneNumberID (VAPI_PHONE_NUMBER_ID) or Request.From")
	case req.To == "":
		return nil, c, errors.New("Request.To is empty")
	}
	theirs, err := hostObject(ctx, "Overrides", p.cfg.Overrides, req)
	if err != nil {
		return nil, c, err
	}
	if c.Overrides, err = join(theirs, p.overrides(req, data)); err != nil {
		return nil, c, err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, c, errors.New("the request cannot be written as JSON: check what Config.Assistant returns")
	}
	return b, c, nil
}

func dataOf(req provider.Request) (data map[string]json.RawMessage, err error) {
	if _, _, ok := provider.SplitKey(req.Key); !ok {
		return nil, errors.New(`Request.Key must be "<task_id>/<n>"`)
	}
	if len(req.Data) > 0 && json.Unmarshal(req.Data, &data) != nil {
		return nil, errors.New("Request.Data is not a JSON object")
	}
	return data, nil
}

// callerID is the Vapi id of the number to call from.
func (p *Provider) callerID(req provider.Request) string {
	pool := p.cfg.PhoneNumberIDs
	if p.cfg.PhoneNumberID != "" {
		pool = append([]string{p.cfg.PhoneNumberID}, pool...)
	}
	if req.From != "" || len(pool) == 0 {
		return req.From
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(req.Key))
	return pool[h.Sum32()%uint32(len(pool))]
}

// overrides are what this package sets for a call.
func (p *Provider) overrides(req provider.Request, data map[string]json.RawMessage) overrides {
	taskID, _, _ := provider.SplitKey(req.Key)
	o := overrides{
		VariableValues:     variables(data, req.Instructions),
		Metadata:           map[string]string{MetadataKey: req.Key, MetadataTaskID: taskID},
		MaxDurationSeconds: seconds(req.MaxDuration, minDuration, maxDuration),
	}
	if ring := seconds(req.RingTimeout, time.Second, maxRing); ring > 0 {
		o.Transports = []transportConfiguration{{Provider: "twilio", Timeout: ring}}
	}
	if p.cfg.WebhookURL != "" {
		o.Server = &server{URL: p.cfg.WebhookURL, Credential: p.cfg.WebhookCredentialID, BackoffPlan: reportPlan}
		if p.cfg.WebhookSecret != "" {
			o.Server.Headers = map[string]string{secretHeader: p.cfg.WebhookSecret}
		}
		o.ServerMessages = []string{typeStatusUpdate, typeEndOfCallReport}
	}
	return o
}

var sipURI = regexp.MustCompile(`(?i)^sips?:`)

func customer(req provider.Request) createCustomer {
	c := createCustomer{Name: shorten(req.ToName)}
	if sipURI.MatchString(req.To) {
		c.SIPURI = req.To
	} else {
		c.Number = req.To
	}
	return c
}

// variables is the task's data without notForPrompts, values untouched, so that an
// integer beyond 2^53 stays what it is.
func variables(data map[string]json.RawMessage, instructions string) map[string]json.RawMessage {
	v := make(map[string]json.RawMessage, len(data)+1)
	for key, value := range data {
		v[key] = value
	}
	for _, key := range notForPrompts {
		delete(v, key)
	}
	if instructions != "" {
		v[instructionsVariable], _ = json.Marshal(instructions) // a string always marshals
	}
	return v
}

// shorten cuts a name to Vapi's 40 characters, in UTF-16 units: whichever way
// Vapi counts them, it is no more. A longer name fails the whole call.
func shorten(name string) string {
	name = strings.ToValidUTF8(strings.TrimSpace(name), "")
	units := 0
	for i, r := range name {
		if units += utf16.RuneLen(r); units > maxNameUnits {
			return strings.TrimSpace(name[:i])
		}
	}
	return name
}

// seconds rounds d up and clamps it; 0 stays 0, which leaves it to Vapi.
func seconds(d, low, high time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int(math.Ceil(min(max(d, low), high).Seconds()))
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}

func firstOf(candidates ...string) string {
	for _, c := range candidates {
		if c != "" {
			return c
		}
	}
	return ""
}
