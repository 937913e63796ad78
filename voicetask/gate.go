package voicetask

import (
	"time"

	"github.com/superservices/voice/store"
)

// Dial is one about to be made.
type Dial struct {
	Task Task
	// N counts from 1.
	N        int
	Provider string
	At       time.Time
	// Previous are the task's attempts so far.
	Previous []store.Attempt
}

// Verdict of a Gate; the zero Verdict lets the dial pass, and so does one that has
// neither Refuse nor an Until in the future, whatever its Rule says. Rule and
// Reason are kept with the task.
type Verdict struct {
	// Refuse ends the task, Outcome cancelled.
	Refuse bool
	// Until asks again then.
	Until        time.Time
	Rule, Reason string
}
