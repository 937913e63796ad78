// Package carrier is a telephone network for tests, demos and benchmarks: it
// rings scripted callees and writes down every ring.
//
// It imports nothing of this module, so that its ledger is a witness from
// outside: what it wrote down happened, whatever the library believes. Packages
// below it speak the vendors' HTTP protocols and place their calls here.
package carrier

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Entry is one line of the ledger.
type Entry struct {
	At       time.Time `json:"at"`
	Event    string    `json:"event"` // one of the Event constants
	Number   string    `json:"number"`
	Platform string    `json:"platform"`        // "vapi", "livekit"
	Call     string    `json:"call"`            // the platform's id of the call
	Key      string    `json:"key,omitempty"`   // the caller's correlation key, if the platform was given one
	Cause    Cause     `json:"cause,omitempty"` // of an end
}

// Events of the ledger.
const (
	EventRing   = "ring"   // the callee's phone begins to ring: what must never happen twice
	EventAnswer = "answer" // somebody or something picked up
	EventEnd    = "end"    // the leg is over
	EventRefuse = "refuse" // the network refused before ringing
)

// Cause says why a leg ended.
type Cause string

// Causes.
const (
	CauseCallee    Cause = "callee_hung_up"
	CauseCaller    Cause = "caller_hung_up" // Hangup was called
	CauseLimit     Cause = "limit"          // the platform's own longest call
	CauseBusy      Cause = "busy"
	CauseNoAnswer  Cause = "no_answer"
	CauseDeclined  Cause = "declined"
	CauseBadNumber Cause = "bad_number"
	CauseFault     Cause = "fault"
)

// Network rings callees. It is safe for concurrent use.
type Network struct {
	mu     sync.Mutex
	ledger *json.Encoder
	pace   Pace
	dials  map[string]int // per number
	rings  map[string]int // per number
	legs   map[*Leg]struct{}
}

// Pace says how long things take on the network.
type Pace struct {
	Setup   time.Duration // from dial to the first ring
	Ring    time.Duration // from the first ring to the callee's reaction
	Talk    time.Duration // a conversation
	Machine time.Duration // a voicemail greeting
}

// DefaultPace is fast: a whole answered call takes about 100 ms.
var DefaultPace = Pace{Setup: 5 * time.Millisecond, Ring: 30 * time.Millisecond, Talk: 60 * time.Millisecond, Machine: 40 * time.Millisecond}

// New returns a network that writes its ledger, one JSON object a line, to w.
func New(w io.Writer, pace Pace) *Network {
	return &Network{
		ledger: json.NewEncoder(w), pace: pace,
		dials: map[string]int{}, rings: map[string]int{}, legs: map[*Leg]struct{}{},
	}
}

// Rings counts how often a number has rung, or all numbers for "".
func (n *Network) Rings(number string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number != "" {
		return n.rings[number]
	}
	sum := 0
	for _, r := range n.rings {
		sum += r
	}
	return sum
}

// Live counts the legs that have not ended.
func (n *Network) Live() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.legs)
}

func (n *Network) write(e Entry) { // n.mu is held
	e.At = time.Now().UTC()
	_ = n.ledger.Encode(e) // a ledger that cannot be written shows as missing rings, which every reader treats as a failure
}

// Dial is one call to be made.
type Dial struct {
	Number, Platform, Call, Key string
	RingLimit, MaxDuration      time.Duration // 0 = 45 s, 15 min
	Changed                     func(l *Leg)  // called after each change of state, perhaps concurrently: go by Snapshot; may be nil
}

// State of a leg.
type State string

// States of a leg.
const (
	StateDialing State = "dialing"
	StateRinging State = "ringing"
	StateActive  State = "active"
	StateEnded   State = "ended"
)

// Leg is a call on the network.
type Leg struct {
	net    *Network
	dial   Dial
	script Script

	mu         sync.Mutex
	state      State
	cause      Cause
	machine    bool
	answeredAt time.Time
	endedAt    time.Time
	timer      *time.Timer
	done       chan struct{}
	prompt     bool // picks up as soon as it rings
}

// Snapshot is a leg's state at one moment.
type Snapshot struct {
	State               State
	Cause               Cause
	Machine             bool // a machine answered
	AnsweredAt, EndedAt time.Time
}

// Dial starts a leg; the script of its number decides what becomes of it.
func (n *Network) Dial(d Dial) *Leg {
	if d.RingLimit == 0 {
		d.RingLimit = 45 * time.Second
	}
	if d.MaxDuration == 0 {
		d.MaxDuration = 15 * time.Minute
	}
	l := &Leg{net: n, dial: d, state: StateDialing, done: make(chan struct{})}
	n.mu.Lock()
	n.dials[d.Number]++
	l.script = ScriptFor(d.Number).at(n.dials[d.Number])
	n.legs[l] = struct{}{}
	n.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.after(n.pace.Setup, l.ring)
	return l
}

func (l *Leg) after(d time.Duration, step func()) { // l.mu is held
	l.timer = time.AfterFunc(d, step)
}

func (l *Leg) ring() {
	switch l.script.Result {
	case ResultBadNumber:
		l.end(CauseBadNumber, EventRefuse)
		return
	case ResultFault:
		l.end(CauseFault, EventRefuse)
		return
	}
	if !l.move(StateDialing, StateRinging, EventRing) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != StateRinging {
		return
	}
	switch l.script.Result {
	case ResultNoAnswer:
		l.after(l.dial.RingLimit, func() { l.end(CauseNoAnswer, EventEnd) })
	case ResultBusy:
		l.after(l.net.pace.Ring, func() { l.end(CauseBusy, EventEnd) })
	case ResultDeclined:
		l.after(l.net.pace.Ring, func() { l.end(CauseDeclined, EventEnd) })
	default:
		d := l.net.pace.Ring
		if l.prompt {
			d = 0
		}
		l.after(d, l.answer)
	}
}

// PickUp has the callees who ring now, or are being dialled, pick up at once, if their
// script is to answer: for whoever cannot say how long the ringing must last.
func (n *Network) PickUp() {
	n.mu.Lock()
	legs := slices.Collect(maps.Keys(n.legs))
	n.mu.Unlock()
	for _, l := range legs {
		l.pickUp()
	}
}

func (l *Leg) pickUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prompt = true
	switch l.script.Result {
	case ResultAnswer, ResultEndless, ResultVoicemail:
		if l.state == StateRinging && l.timer.Stop() {
			l.after(0, l.answer)
		}
	}
}

func (l *Leg) answer() {
	if !l.move(StateRinging, StateActive, EventAnswer) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != StateActive {
		return
	}
	talk := l.net.pace.Talk
	if l.script.Result == ResultVoicemail {
		talk = l.net.pace.Machine
	}
	cause := CauseCallee
	if l.script.Result == ResultEndless || talk > l.dial.MaxDuration {
		talk, cause = l.dial.MaxDuration, CauseLimit
	}
	l.after(talk, func() { l.end(cause, EventEnd) })
}

// move goes from one state to another, unless the leg has moved meanwhile.
func (l *Leg) move(from, to State, event string) bool {
	l.mu.Lock()
	if l.state != from {
		l.mu.Unlock()
		return false
	}
	l.state = to
	if to == StateActive {
		l.answeredAt = time.Now().UTC()
		l.machine = l.script.Result == ResultVoicemail
	}
	l.net.mu.Lock()
	if event == EventRing {
		l.net.rings[l.dial.Number]++
	}
	l.net.write(l.entry(event))
	l.net.mu.Unlock()
	l.mu.Unlock()
	l.changed()
	return true
}

func (l *Leg) end(cause Cause, event string) {
	l.mu.Lock()
	if l.state == StateEnded {
		l.mu.Unlock()
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.state, l.cause, l.endedAt = StateEnded, cause, time.Now().UTC()
	l.net.mu.Lock()
	l.net.write(l.entry(event))
	delete(l.net.legs, l)
	l.net.mu.Unlock()
	close(l.done)
	l.mu.Unlock()
	l.changed()
}

func (l *Leg) entry(event string) Entry {
	return Entry{Event: event, Number: l.dial.Number, Platform: l.dial.Platform, Call: l.dial.Call, Key: l.dial.Key, Cause: l.cause}
}

func (l *Leg) changed() {
	if l.dial.Changed != nil {
		l.dial.Changed(l)
	}
}

// Hangup ends the leg from the caller's side. An ended leg stays as it is.
func (l *Leg) Hangup() { l.end(CauseCaller, EventEnd) }

// Done is closed when the leg has ended.
func (l *Leg) Done() <-chan struct{} { return l.done }

// Snapshot returns the state of the leg now.
func (l *Leg) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Snapshot{State: l.state, Cause: l.cause, Machine: l.machine, AnsweredAt: l.answeredAt, EndedAt: l.endedAt}
}
