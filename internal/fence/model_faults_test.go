package fence

import (
	"errors"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// outside are the steps of everybody else: crash, network, carrier, events, people,
// and a store that forgets.
func (m *model) outside(w world) {
	if w.left.crashes > 0 {
		m.crash(w)
	}
	m.network(w)
	m.carrier(w)
	if m.events {
		m.deliver(w)
	}
	m.people(w)
	m.waited(w)
	if w.left.losses > 0 && w.row.version > 0 && !w.row.over {
		m.lose(w)
	}
}

// crash is kill -9 of a worker.
func (m *model) crash(w world) {
	for i := range w.exec {
		e := w.exec[i]
		if e.at == idle {
			continue
		}
		gone := w
		gone.left.crashes--
		gone.leave(i)
		if e.mayHaveSent() {
			gone.excused[e.n] = true
		}
		if gone.current == code(i)+1 {
			gone.current, gone.tried = 0, true
		}
		m.emit("kill -9 at "+stepNames[e.at], false, gone)
	}
}

// network: a request reaches the carrier or is lost, and a late write the store.
func (m *model) network(w world) {
	for k := range w.wire {
		if w.wire[k] == 0 {
			continue
		}
		if m.refusesAll {
			refused := w
			refused.wire[k]--
			m.emit("the request is refused, and nobody hears it", fair, refused)
			continue
		}
		rung := w
		rung.wire[k]--
		if m.faithless && rung.rings[k] > 0 {
			m.emit("the request arrives again", fair, rung) // beyond us, and nothing new
			continue
		}
		rung.rings[k]++
		rung.call[k] = up
		m.label = "a phone rings"
		m.checkRing(&rung, code(k))
		m.emit("a phone rings", fair, rung)
		if m.losesReplies {
			gone := w
			gone.wire[k]--
			m.emit("the request is lost", fair, gone)
		}
	}
	if f := w.flight; f.base != 0 {
		w.flight = write{}
		if f.base == w.row.version {
			w.put(f.row)
		}
		m.emit("a late write arrives", fair, w)
	}
}

// carrier: a call ends.
func (m *model) carrier(w world) {
	for k := range w.call {
		if w.call[k] != up {
			continue
		}
		for _, how := range m.ends() {
			over := w
			over.call[k] = how
			m.emit("the call ends", fair, over)
		}
		if m.faithless && !w.twice[k] {
			w.twice[k] = true
			m.emit("the carrier dials twice", false, w)
		}
	}
}

// ends are how a call may end: the first would be redialled. What is redialled is for the
// policy to say, not for the fence: who asks for a dial nobody wants knows that much.
func (m *model) ends() []code {
	switch {
	case m.dials == 1:
		return []code{endedCompleted}
	case m.faults.strays > 0:
		return []code{endedBusy}
	}
	return []code{endedBusy, endedCompleted}
}

// deliver is a verified event: the row first, by compare-and-set.
func (m *model) deliver(w world) {
	for k := range w.call {
		if w.row.version == 0 || !w.knows(code(k)) { // an event of another provider does not count
			continue
		}
		live := provider.Call{ID: calls[1], Status: provider.StatusRinging} // it may come late
		m.event(w, code(k), live, 1, "an event: live")
		if w.call[k] > up {
			m.event(w, code(k), w.snapshot(code(k)), 1, "an event: ended")
			poor := provider.Call{ID: calls[1], Status: provider.StatusEnded, Outcome: provider.OutcomeUnknown}
			m.event(w, code(k), poor, 1, "an event: ended, and how is not told")
		}
		if d := w.row.dials[k]; w.twice[k] && (m.dials == 1 || d.call == 1 || w.seen[k]&1 != 0) { // a second call that is told of first is taken for the one
			m.event(w, code(k), provider.Call{ID: calls[2], Status: provider.StatusRinging}, 2, "an event: another call")
			over := provider.Call{ID: calls[2], Status: provider.StatusEnded, Outcome: outcomes[outcomeOf(m.ends()[0])]}
			m.event(w, code(k), over, 2, "an event: another call has ended")
		}
		if d := w.row.dials[k]; m.faithless && d.state == ended && d.outcome == completed {
			m.event(w, code(k), provider.Call{ID: calls[1], Status: provider.StatusEnded, Outcome: provider.OutcomeBusy}, 1, "an event: after all it was busy")
		}
	}
}

func (m *model) event(w world, k code, c provider.Call, id code, label string) {
	err := w.modify(func(r *store.Record) error {
		open := r.Status.Terminal() && r.Outcome == provider.OutcomeUnknown
		if err := w.observe(r, k, c); err != nil {
			return err
		}
		if a := Find(r, int(k)+1); open && a.State == store.AttemptEnded && int(k) == len(r.Attempts)-1 && a.Outcome != "" {
			r.Outcome = a.Outcome // reopenUnknown
		}
		return nil
	})
	if errors.Is(err, ErrLost) {
		m.label = label
		m.wrong("the evidence of a call is refused")
	}
	if err == nil {
		w.seen[k] |= id
		m.emit(label, fair, w)
	}
}

// waited: a result that does not know of an open dial has waited for an hour. The sender
// is gone, and nobody looks for its call.
func (m *model) waited(w world) {
	if w.flow != recording {
		return
	}
	for k := range w.row.dials {
		if d := w.row.dials[k]; d.state == sending && d.token >= dead && w.wire[k] == 0 && w.call[k] == noCall {
			m.unknown(&w, code(k))
			_ = w.modify(func(r *store.Record) error { return Unknown(r, k+1, "") })
			m.emit("record: an hour has passed", fair, w)
		}
	}
}

// people cancel, hold, resume, and ask for what they should not.
func (m *model) people(w world) {
	open := w.row.version > 0 && !w.row.over
	if m.cancels && open && !w.row.cancel {
		next := w
		_ = next.modify(func(r *store.Record) error { r.CancelRequestedAt = noon; return nil })
		next.asked = m.server
		m.emit("somebody cancels", false, next)
	}
	if open && !w.row.hold && w.left.holds > 0 {
		next := w
		next.left.holds--
		_ = next.modify(func(r *store.Record) error { r.Status = store.StatusHold; return nil })
		m.emit("somebody holds", false, next)
	}
	if open && w.row.hold {
		next := w
		_ = next.modify(func(r *store.Record) error { r.Status = store.StatusProcessing; return nil })
		m.emit("somebody resumes", fair, next)
	}
	for i := range w.exec {
		if w.left.strays > 0 && w.exec[i].at == idle {
			next := w
			next.left.strays--
			next.exec[i] = exec{at: begun, n: 1, stray: true}
			m.emit("somebody asks for the second dial", false, next)
			break
		}
	}
}

// lose is a store that forgets what it had acknowledged: the whole row, or all since
// a backup.
func (m *model) lose(w world) {
	w.left.losses--
	w.lost = true
	w.excused = [2]bool{true, true}
	for i := range w.exec { // versions are not used twice: workers are stopped before a store is restored
		if e := &w.exec[i]; e.read.version > 0 {
			e.read.version = stale
		}
	}
	gone := w
	gone.row = row{}
	m.emit("the store loses the row", false, gone)
	w.row = w.backup
	m.emit("the store is restored from a backup", false, w)
}
