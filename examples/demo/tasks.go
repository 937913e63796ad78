package main

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

//go:embed tasks.jsonl
var tasksFile []byte

// scenario is one line of tasks.jsonl: a message and what must become of it. The
// message is given as an object, as bytes in base64, or by how it is made.
type scenario struct {
	Case     string          `json:"case"`
	Key      string          `json:"key"` // of the record; a task's is its task_id
	Lane     string          `json:"lane"`
	Repeat   int             `json:"repeat"` // how often it is sent; 0 is once
	Message  json.RawMessage `json:"message"`
	Raw      *string         `json:"raw_base64"`
	Generate *generator      `json:"generate"`
	Expect   expectation     `json:"expect"`

	callee string // of a task
	value  []byte // of the record
}

// generator makes a message that nobody would want to see in a file.
type generator struct {
	Kind string `json:"kind"` // null, nesting, padding
	Size int    `json:"size"`
}

// expectation is what must become of a message: the end of a task, or a dead
// letter of a class.
type expectation struct {
	Status     string `json:"status"`
	Outcome    string `json:"outcome"`
	Dials      int    `json:"dials"`
	Rings      int    `json:"rings"`
	Deferred   string `json:"deferred"` // the rule by which it is put off on the way
	DeadLetter string `json:"dead_letter"`
}

const (
	laneNormal = "normal"
	laneBulk   = "bulk"
)

func (s scenario) isTask() bool { return s.Expect.DeadLetter == "" }

func (s scenario) copies() int { return max(1, s.Repeat) }

// record is the message as it is sent. Its header must survive wherever it goes.
func (s scenario) record() *kgo.Record {
	topic := topicNormal
	if s.Lane == laneBulk {
		topic = topicBulk
	}
	return &kgo.Record{
		Topic: topic, Key: []byte(s.Key), Value: s.value,
		Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}},
	}
}

// loadCases reads the embedded file.
func loadCases() ([]scenario, error) { return parseCases(tasksFile) }

func parseCases(file []byte) ([]scenario, error) {
	var (
		cases   []scenario
		keys    = map[string]bool{}
		callees = map[string]string{}
		n       int
	)
	for line := range bytes.Lines(file) {
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		s, err := parseCase(line)
		switch {
		case err != nil:
		case keys[s.Key]:
			err = fmt.Errorf("key %q comes twice", s.Key)
		case s.isTask() && callees[s.callee] != "":
			err = fmt.Errorf("task %s has the callee of %s: one number per task", s.Key, callees[s.callee])
		}
		if err != nil {
			return nil, fmt.Errorf("tasks.jsonl, line %d: %w", n, err)
		}
		keys[s.Key] = true
		if s.isTask() {
			callees[s.callee] = s.Key
		}
		cases = append(cases, s)
	}
	return cases, nil
}

func parseCase(line []byte) (s scenario, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, err
	}
	if s.value, err = s.makeValue(); err != nil {
		return s, err
	}
	switch {
	case s.Key == "" || s.Case == "":
		return s, errors.New("case and key are required")
	case s.Lane != laneNormal && s.Lane != laneBulk:
		return s, fmt.Errorf("lane is %q: want %q or %q", s.Lane, laneNormal, laneBulk)
	case !s.isTask():
		return s, nil
	case s.Expect.Status == "" || s.Expect.Outcome == "":
		return s, errors.New("expect has neither a dead letter nor a status and an outcome")
	}
	var m struct {
		ID   string `json:"task_id"`
		Data struct {
			Callee string `json:"contact_number"`
		} `json:"data"`
	}
	if err := json.Unmarshal(s.value, &m); err != nil {
		return s, err
	}
	if m.ID != s.Key || m.Data.Callee == "" {
		return s, errors.New("the message of a task needs a task_id, the same as key, and a contact_number")
	}
	s.callee = m.Data.Callee
	return s, nil
}

func (s scenario) makeValue() ([]byte, error) {
	switch {
	case s.Message != nil && s.Raw == nil && s.Generate == nil:
		return s.Message, nil
	case s.Raw != nil && s.Message == nil && s.Generate == nil:
		b, err := base64.StdEncoding.DecodeString(*s.Raw)
		if b == nil {
			b = []byte{} // an empty value is another thing than none
		}
		return b, err
	case s.Generate != nil && s.Message == nil && s.Raw == nil:
		return s.Generate.make()
	}
	return nil, errors.New("want one of message, raw_base64 and generate")
}

func (g generator) make() ([]byte, error) {
	switch g.Kind {
	case "null":
		return nil, nil
	case "nesting":
		deep := strings.Repeat("[", g.Size) + strings.Repeat("]", g.Size)
		return []byte(`{"task_id":"never","agent_id":"agent-7","data":{"contact_number":"+13305550101","deep":` + deep + `}}`), nil
	case "padding":
		const before, after = `{"task_id":"never","agent_id":"agent-7","data":{"contact_number":"+13305550101","padding":"`, `"}}`
		return []byte(before + strings.Repeat("x", max(0, g.Size-len(before)-len(after))) + after), nil
	}
	return nil, fmt.Errorf("generate.kind is %q: want null, nesting or padding", g.Kind)
}
