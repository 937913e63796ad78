package audit

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"time"
)

// Evidence is all that was seen of one run, from outside. None of it but the rows is
// the library's to write, and the rows are what is being audited.
type Evidence struct {
	// Messages are what the producer was told to send.
	Messages []Message `json:"messages"`
	// Acks are what the brokers acknowledged to it, by the producer's own ledger.
	Acks []Ack `json:"acks"`
	// Log is what the topic holds in the end, acknowledged or not.
	Log []Stored `json:"log"`
	// Letters are the dead letters.
	Letters []Letter `json:"letters"`
	// Offsets are the group's commits, sampled all the time.
	Offsets []Sample `json:"offsets"`
	// Rows are the table of tasks in the end.
	Rows []Row `json:"rows"`
	// Moves are the changes of rows, written down by a trigger in the database.
	Moves []Move `json:"moves"`
	// Ledger is the carrier's: every ring, answer and end.
	Ledger []Entry `json:"ledger"`
	// Workflows are what Temporal lists in the end.
	Workflows []Workflow `json:"workflows"`
	// Faults are what the harness did, and when.
	Faults []Fault `json:"faults"`
	// Cancelled are the tasks that the harness asked to cancel.
	Cancelled []string `json:"cancelled,omitempty"`
	// Crashes are the deaths of consumers: each may repeat a dead letter.
	Crashes int `json:"crashes"`
	// Redialable are the ends of a call that the host's policy dials again after, and
	// how often; 0 is as often as the task's dials allow.
	Redialable map[string]int `json:"redialable"`
	// MaxDials is the host's policy.
	MaxDials int `json:"max_dials"`
	// Settled is when the harness took the last look.
	Settled time.Time `json:"settled"`
}

// Message is one record for the topic.
type Message struct {
	Index  int    `json:"index"`
	Task   string `json:"task,omitempty"`   // its task id; empty for a message that is no task
	Callee string `json:"callee,omitempty"` // the number that this task has, and no other
	Key    []byte `json:"key"`
	Value  []byte `json:"value"`
	// Headers are pairs of name and value.
	Headers [][2]string `json:"headers,omitempty"`
	// After is when it is sent, since the start of the producer.
	After time.Duration `json:"after"`
	// Partition is where it is sent; negative: by its key.
	Partition int32 `json:"partition"`
}

// Ack is one record acknowledged.
type Ack struct {
	At        time.Time `json:"at"`
	Index     int       `json:"index"` // of the message
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
}

// Stored is one record of the topic.
type Stored struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Key       []byte `json:"key"`
	Value     []byte `json:"value"`
}

// Letter is one dead letter.
type Letter struct {
	At      time.Time   `json:"at"`
	Key     []byte      `json:"key"`
	Value   []byte      `json:"value"`
	Headers [][2]string `json:"headers"`
}

// Sample is the group's commits at one moment. Only samples that differ from the one
// before are kept.
type Sample struct {
	At      time.Time       `json:"at"` // after the answer came
	Offsets map[int32]int64 `json:"offsets"`
}

// Row is one task as the table has it.
type Row struct {
	ID       string          `json:"id"`
	Status   string          `json:"status"`
	Outcome  string          `json:"outcome"`
	Reason   string          `json:"reason"`
	Callee   string          `json:"callee"`
	Created  time.Time       `json:"created"`
	Task     json.RawMessage `json:"task"`
	Attempts []Attempt       `json:"attempts"`
}

// Attempt is one dial in a row's document.
type Attempt struct {
	N        int       `json:"n"`
	Key      string    `json:"key"`
	Provider string    `json:"provider"`
	State    string    `json:"state"`
	CallID   string    `json:"call_id"`
	Outcome  string    `json:"outcome"`
	Kind     string    `json:"kind"` // of the last error of the platform's answer
	Reserved time.Time `json:"reserved_at"`
	Sent     time.Time `json:"sent_at"`
}

// Move is one change of a row.
type Move struct {
	At      time.Time `json:"at"`
	ID      string    `json:"id"`
	From    string    `json:"from"` // status; empty for a new row
	To      string    `json:"to"`   // empty for a row that was deleted
	Outcome string    `json:"outcome"`
	Before  string    `json:"before"` // the outcome before
}

// Entry is a line of the carrier's ledger.
type Entry struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Number string    `json:"number"`
	Call   string    `json:"call"`
	Key    string    `json:"key"`
	Cause  string    `json:"cause"`
}

// Workflow is one execution.
type Workflow struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// Fault is one thing that the harness did to a part.
type Fault struct {
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"` // of one that lasts
	Process string    `json:"process"`
	Action  string    `json:"action"`
	Point   string    `json:"point,omitempty"`
}

// Load reads evidence that Save wrote.
func Load(file string) (e Evidence, err error) {
	f, err := os.Open(file)
	if err != nil {
		return e, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return e, err
	}
	return e, json.NewDecoder(z).Decode(&e)
}

// Save writes evidence.
func (e Evidence) Save(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	if err := json.NewEncoder(z).Encode(e); err != nil {
		_ = f.Close()
		return err
	}
	if err := z.Close(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
