package fence

import (
	"errors"

	"github.com/superservices/voice/store"
)

// answer ends execution i and hands its answer to its engine.
func (m *model) answer(w world, i int, kind, outcome code) {
	e := w.exec[i]
	if !m.served(&e) {
		m.directAnswer(w, i, kind, outcome)
		return
	}
	w.leave(i)
	if e.stray || w.current != code(i)+1 {
		m.emit(m.label, fair, w) // nobody waits for it
		return
	}
	w.current = 0
	label := m.label
	if w.left.crashes > 0 && kind != answerRetry { // a worker that stops throws it away
		lost := w
		lost.left.crashes--
		lost.tried = true
		m.emit(label+"; execute.returned: lost", false, lost)
	}
	if w.flow != dialling || w.n != e.n {
		m.emit(label, fair, w)
		return
	}
	switch kind {
	case answerRetry:
		w.tried = true
	case answerLater:
		w.word, w.tried = word{}, false // the timer, then an activity of its own
	case answerForeign:
		w.flow = done
	case answerLive:
		w.flow = following
	case answerEnded:
		m.decided(&w, outcome)
	case answerOver:
		w.flow, w.verdict, w.dials = recording, outcome, w.n
	}
	m.emit(label, fair, w)
}

// leave ends execution i: nobody holds its token any more.
func (w *world) leave(i int) {
	if w.word.token == code(i)+1 {
		w.rename(ghost, dead)
		w.rename(code(i)+1, ghost)
	} else {
		w.rename(code(i)+1, dead)
	}
	w.exec[i] = exec{}
}

func (w *world) rename(token, to code) {
	w.row.rename(token, to)
	w.backup.rename(token, to)
	w.flight.row.rename(token, to)
	if w.word.token == token {
		w.word.token = to
	}
	for i := range w.exec {
		e := &w.exec[i]
		e.read.rename(token, to)
		if e.token == token {
			e.token = to
		}
		if e.word.token == token {
			e.word.token = to
		}
	}
}

// swapSlots puts each execution in the place of the other; where each slot is a
// process of Direct, its name goes with it.
func (w *world) swapSlots(names bool) {
	const aside = 99
	w.exec[0], w.exec[1] = w.exec[1], w.exec[0]
	w.rename(1, aside)
	w.rename(2, 1)
	w.rename(aside, 2)
	if w.current > 0 {
		w.current = 3 - w.current
	}
	if !names {
		return
	}
	w.row.swapOwners()
	w.backup.swapOwners()
	w.flight.row.swapOwners()
	for i := range w.exec {
		w.exec[i].read.swapOwners()
	}
}

// swapOwners: each process of Direct has the slot of its number.
func (r *row) swapOwners() {
	if r.owner >= 2 {
		r.owner = 5 - r.owner
	}
}

// less is any order of executions.
func less(a, b exec) bool {
	if a.direct != b.direct {
		return b.direct
	}
	for _, pair := range [][2]code{{a.at, b.at}, {a.n, b.n}, {a.word.sends, b.word.sends}, {a.after, b.after}} {
		if pair[0] != pair[1] {
			return pair[0] < pair[1]
		}
	}
	return false
}

func (r *row) rename(token, to code) {
	for k := range r.dials {
		if r.dials[k].token == token {
			r.dials[k].token = to
		}
	}
}

// decided is what the workflow does with a dial that has ended.
func (m *model) decided(w *world, o code) {
	switch {
	case o == busy && w.n+1 < m.dials && !w.asked:
		w.flow, w.before, w.n, w.word, w.tried = dialling, o, w.n+1, word{}, false
		return
	case w.asked && o != outcomeUnknown:
		o = cancelled
	}
	w.flow, w.verdict, w.dials = recording, o, w.n+1
}

// engineSteps are those of the Temporal server and the workflow.
func (m *model) engineSteps(w world) {
	if w.flow == dialling && w.current == 0 {
		m.start(w)
	}
	if i := int(w.current) - 1; i >= 0 && w.left.freezes > 0 {
		slow := w // no heartbeat came in time; the execution may be frozen, and wake
		slow.left.freezes--
		slow.current, slow.tried = 0, true
		if e := &slow.exec[i]; e.mayHaveSent() {
			slow.excused[e.n] = true
		}
		m.emit("the server gives the attempt up", false, slow)
	}
	switch {
	case w.flow == dialling && w.asked:
		m.endCall(w)
	case w.flow == following && w.knows(w.n) && (w.call[w.n] > up || w.asked):
		over := w
		if over.call[w.n] == up {
			over.call[w.n] = hungUp
		}
		m.decided(&over, outcomeOf(over.call[w.n]))
		m.emit("the workflow hears of the end", fair, over)
		m.readEnd(w)
	case w.flow == following:
		m.readEnd(w)
	case w.flow == recording:
		over := w
		over.create()
		err := over.modify(func(r *store.Record) error {
			if err := Claim(r, engines[1], noon, over.lease(1)); err != nil && !errors.Is(err, ErrClosed) {
				return err
			}
			return over.finish(r, w.verdict, w.dials)
		})
		if err == nil || errors.Is(err, errNoChange) || errors.Is(err, ErrOtherEngine) {
			over.flow = done
			m.emit("record", fair, over)
		}
	}
	if w.left.resets > 0 {
		m.resetWorkflow(w)
	}
}

// readEnd: a poll looks at the row first.
func (m *model) readEnd(w world) {
	if d := w.row.dials[w.n]; d.state == ended && d.outcome != outcomeUnknown {
		m.decided(&w, d.outcome)
		m.emit("the workflow reads of the end", fair, w)
	}
}

// start hands the dial to a worker: a first attempt, or a later one.
func (m *model) start(w world) {
	for i := range w.exec {
		if w.exec[i].at != idle {
			continue
		}
		w.exec[i] = exec{at: begun, n: w.n, word: w.word, tried: w.tried, prev: w.before}
		if deaf {
			w.exec[i].word, w.exec[i].tried = word{}, false
		}
		w.current = code(i) + 1
		m.emit("execute is handed out", fair, w)
		return
	}
}

// endCall is end_call_activity of a workflow that was asked to cancel while it dials.
func (m *model) endCall(w world) {
	k := w.n
	created := w.create()
	_ = w.modify(func(r *store.Record) error {
		if !r.CancelRequestedAt.IsZero() || r.Status.Terminal() {
			return errNoChange
		}
		r.CancelRequestedAt = noon
		Abort(r, int(k)+1, "")
		return nil
	})
	switch w.row.dials[k].state {
	case none, reserved, aborted, notSent:
		if !created {
			w.told, w.flow, w.verdict, w.dials = true, recording, cancelled, k
			m.checkTold(&w, k)
		}
	default:
		if w.call[k] == up {
			w.call[k] = hungUp
		}
	}
	m.emit("end_call", fair, w)
}

// resetWorkflow starts the workflow anew: attempt 1 again, and no heartbeat told.
func (m *model) resetWorkflow(w world) {
	for i := range w.exec {
		if e := &w.exec[i]; e.mayHaveSent() {
			w.excused[e.n] = true
		}
	}
	w.left.resets--
	w.reset = true
	w.current, w.word, w.tried, w.flow, w.n, w.before, w.verdict, w.dials, w.asked = 0, word{}, false, dialling, 0, 0, 0, 0, false
	m.emit("the workflow is reset", false, w)
}
