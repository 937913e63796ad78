package run

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kinds of faults of a campaign.
const (
	atPoint    = "point"     // a process is killed, stopped, delayed or fails at a fault point
	killNow    = "kill"      // a process is killed at any moment
	freezeNow  = "freeze"    // a process is stopped for a while
	cutOff     = "cut"       // connections are reset, and refused for a while
	holdUp     = "hold"      // nothing gets through for a while
	noAnswers  = "no answer" // requests arrive, answers do not, for a while
	hooks      = "webhooks"  // they are lost, doubled, reordered for a while
	platform   = "platform"  // the next requests are accepted and answered badly
	storeReply = "commit"    // the answer to a write of the fence is lost with its connection
	resetting  = "reset"     // what runs is turned back while a worker is held up
	backend    = "backend"   // one of the database's own processes is killed
)

// planned is one fault of a campaign.
type planned struct {
	At      time.Duration
	Kind    string
	Process string // or the server
	To      string // of a connection
	Point   string
	Action  string
	Nth     int
	For     time.Duration
	Body    string
}

// String is how it shows in the log.
func (p planned) String() string {
	switch {
	case p.Point != "":
		return fmt.Sprintf("%s %s:%s:%d", p.Process, p.Point, p.Action, p.Nth)
	case p.To != "":
		return fmt.Sprintf("%s %s -> %s for %v", p.Kind, p.Process, p.To, p.For)
	}
	return fmt.Sprintf("%s %s for %v %s", p.Kind, p.Process, p.For, p.Body)
}

// Points at which a process of each kind is broken. Those in the window hold what cannot
// be known afterwards: each costs the dial in it its outcome, so there are few of them.
var (
	workerPoints = []string{
		"execute.begun", "fence.reserved", "place.accepted", "place.replied", "fence.placed", "execute.returned",
		"event.verified", "event.stored", "event.signalled", "record.begun", "record.written",
	}
	windowPoints   = []string{"fence.confirmed", "fence.sending", "place.begun", "place.sent"}
	consumerPoints = []string{"kafka.polled", "kafka.decoded", "submit.row", "submit.sent", "submit.accepted", "kafka.buried", "kafka.stored"}
	// failing are points whose action err stands for an answer that was lost.
	failing = []string{"execute.begun", "fence.reserved", "execute.returned", "event.verified", "record.begun", "record.written", "end.begun"}
)

// schedule plans n faults over a span. The same seed gives the same plan.
func schedule(seed uint64, n int, span time.Duration) []planned {
	rng := rand.New(rand.NewPCG(seed, 2026))
	s := &scheduler{rng: rng, window: max(1, n/60)}
	kinds := []struct {
		weight int
		make   func() planned
	}{
		{10, s.workerPoint}, {5, s.consumerPoint}, {4, s.failure}, {6, s.kill}, {5, s.freeze}, {4, s.restart},
		{8, s.partition}, {4, s.hooks}, {5, s.platform}, {4, s.commit}, {2, s.reset},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	var all []planned
	for i := range n {
		x := rng.IntN(total)
		for _, k := range kinds {
			if x -= k.weight; x < 0 {
				p := k.make()
				// One in each slot of the span, somewhere within it.
				slot := span / time.Duration(n)
				p.At = time.Duration(i)*slot + time.Duration(rng.Int64N(int64(slot)))
				all = append(all, p)
				break
			}
		}
	}
	return all
}

type scheduler struct {
	rng    *rand.Rand
	window int // points of the window left
}

func (s *scheduler) pick(of []string) string { return of[s.rng.IntN(len(of))] }

// between is a duration, in tenths of a second.
func (s *scheduler) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)/1e8+1))*100*time.Millisecond
}

func (s *scheduler) worker() string { return s.pick([]string{workerA, workerB}) }

func (s *scheduler) workerPoint() planned {
	p := planned{Kind: atPoint, Process: s.worker(), Action: "kill", Nth: 1 + s.rng.IntN(4)}
	p.Point = s.pick(workerPoints)
	if s.window > 0 && s.rng.IntN(6) == 0 {
		s.window--
		p.Point = s.pick(windowPoints)
	}
	if s.rng.IntN(4) == 0 {
		p.Action, p.For = "stop", s.between(2*time.Second, 25*time.Second)
	}
	return p
}

func (s *scheduler) consumerPoint() planned {
	p := planned{Kind: atPoint, Process: consumer1, Action: "kill", Nth: 1 + s.rng.IntN(4), Point: s.pick(consumerPoints)}
	if p.Point == "kafka.buried" {
		p.Nth = 1 // they are rare
	}
	return p
}

func (s *scheduler) failure() planned {
	p := planned{Kind: atPoint, Process: s.worker(), Point: s.pick(failing), Action: "err", Nth: 1 + s.rng.IntN(3)}
	if p.Point == "end.begun" {
		p.Nth = 1
	}
	return p
}

func (s *scheduler) kill() planned {
	return planned{Kind: killNow, Process: s.pick([]string{workerA, workerB, workerA, workerB, consumer1, "producer"})}
}

func (s *scheduler) freeze() planned {
	p := planned{Kind: freezeNow, Process: s.pick([]string{workerA, workerB, consumer1, "temporal", "broker", "carrier"})}
	p.For = s.between(500*time.Millisecond, 5*time.Second)
	switch p.Process {
	case workerA, workerB:
		p.For = s.between(time.Second, 15*time.Second)
	case "carrier":
		p.For = s.between(300*time.Millisecond, 2*time.Second)
	}
	return p
}

// restart kills a server.
func (s *scheduler) restart() planned {
	if s.rng.IntN(5) == 0 {
		return planned{Kind: backend, Process: "postgres"}
	}
	return planned{Kind: killNow, Process: s.pick([]string{"temporal", "postgres", "broker"}), For: s.between(200*time.Millisecond, 4*time.Second)}
}

func (s *scheduler) partition() planned {
	p := planned{Kind: s.pick([]string{cutOff, cutOff, holdUp}), Process: s.pick([]string{workerA, workerB, consumer1}), For: s.between(500*time.Millisecond, 7*time.Second)}
	p.To = s.pick([]string{"temporal", "postgres"})
	if p.Process != consumer1 && s.rng.IntN(3) == 0 {
		// A request that is swallowed whole cannot be told from one that arrived, so only
		// answers are.
		p.To, p.Kind, p.For = "platform", s.pick([]string{cutOff, noAnswers}), s.between(300*time.Millisecond, 1500*time.Millisecond)
	}
	return p
}

func (s *scheduler) hooks() planned {
	return planned{Kind: hooks, Body: s.pick([]string{"lost", "doubled", "reordered", "all"}), For: s.between(3*time.Second, 12*time.Second)}
}

func (s *scheduler) platform() planned {
	one := s.pick([]string{
		`{"kind":"lose_reply"}`, `{"kind":"fail_after_accept","status":500}`, `{"kind":"fail_after_accept","status":504}`,
		`{"kind":"truncate_reply"}`, `{"kind":"no_id"}`, `{"kind":"reply_as_batch"}`, `{"kind":"closed_connection"}`,
		`{"kind":"refuse","status":429,"body":"{\"message\":\"Rate limit exceeded\",\"statusCode\":429}"}`,
	})
	return planned{Kind: platform, Process: "platform", Body: `{"faults":[` + one + `]}`}
}

func (s *scheduler) commit() planned {
	return planned{
		Kind: storeReply, Process: s.worker(), To: "postgres", Nth: 1 + s.rng.IntN(3),
		Body: s.pick([]string{`"state":"reserved"`, `"state":"sending"`, `"state":"placed"`, `"state":"ended"`}),
	}
}

func (s *scheduler) reset() planned {
	return planned{Kind: resetting, Process: s.worker(), Point: "fence.confirmed", Action: "sleep:2500ms", Nth: 1}
}
