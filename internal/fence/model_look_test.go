package fence

import (
	"github.com/superservices/voice/store"
)

// look searches for the call of a row that is sending under another token.
func (m *model) look(w world, i int) {
	e := &w.exec[i]
	switch e.at {
	case look:
		if d := e.read.dials[e.n]; e.word.call && e.word.token == d.token {
			if _, told := Told(*Find(e.read.unpack(), int(e.n)+1), e.word.unpack(e.n)); told {
				e.at = adopt
				m.emit("look: told before", fair, w)
				return
			}
		}
		if w.knows(e.n) {
			found := w
			found.exec[i].at = adopt
			m.emit("look: found", fair, found)
		}
		m.label = "look: not yet"
		m.answer(w, i, answerRetry, 0)
		if m.onTime(&w, i) {
			return
		}
		e = &w.exec[i]
		e.at, e.token = giveUpLooking, e.read.dials[e.n].token
		m.emit("look: the window has passed", fair, w)
	case adopt:
		m.swap(w, i, func(w *world, e *exec, r *store.Record) error { return w.observe(r, e.n, w.snapshot(e.n)) },
			next{ok: func(w world) { m.answerCall(w, i) }})
	case giveUpLooking:
		m.swap(w, i, func(_ *world, e *exec, r *store.Record) error {
			if !Passed(r, int(e.n)+1, tokens[e.token]) {
				return ErrLost // what was looked for was another send
			}
			return Unknown(r, int(e.n)+1, "")
		}, next{
			ok: func(w world) {
				m.unknown(&w, w.exec[i].n)
				m.answer(w, i, answerEnded, outcomeUnknown)
			},
			refused: func(w world, _ error) { m.answer(w, i, answerRetry, 0) },
		})
	}
}

// onTime reports whether the sender of the row that execution i looks at may still be
// waiting for its reply: the look window is longer than that. A sender that takes
// longer was frozen.
func (m *model) onTime(w *world, i int) bool {
	e, other := &w.exec[i], 1-i
	d := w.row.dials[e.n]
	if d.state != sending || d.marked || int(d.token) != other+1 {
		return false
	}
	if m.served(&w.exec[other]) {
		return w.current == code(other)+1 || w.exec[other].stray
	}
	if w.left.freezes == 0 {
		return true
	}
	w.left.freezes--
	w.excused[e.n] = true
	return false
}
