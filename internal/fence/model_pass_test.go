package fence

import (
	"github.com/superservices/voice/store"
)

// confirm asks the server whether this execution is current, and leaves word.
func (m *model) confirm(w world, i int) {
	e := &w.exec[i]
	if !m.served(e) || e.stray {
		e.at = confirmed
		m.emit("fence.reserved", fair, w)
		return
	}
	if w.current != code(i)+1 {
		e.at = giveBack
		m.emit("fence.reserved: no longer current", fair, w)
		return
	}
	told := w
	told.word = word{sends: atMost(int(e.read.dials[e.n].sends) + 1), token: code(i) + 1}
	told.exec[i].at = confirmed
	m.emit("fence.reserved", fair, told)
	if w.left.storeErrs > 0 { // and the server may fail too
		told.left.storeErrs--
		told.exec[i].at, told.exec[i].after, told.exec[i].back = retract, idle, true
		m.emit("fence.reserved: answer lost", false, told)
	}
}

// pass moves the row to sending.
func (m *model) pass(w world, i int) {
	if w.left.crashes > 0 {
		stop := w
		stop.left.crashes--
		stop.exec[i].at, stop.exec[i].after = retract, idle
		m.emit("fence.confirmed: the worker stops", false, stop)
	}
	m.swap(w, i, func(_ *world, e *exec, r *store.Record) error {
		if Passed(r, int(e.n)+1, tokens[i+1]) {
			return errNoChange // our own write, whose answer was lost
		}
		return Send(r, int(e.n)+1, tokens[i+1], noon)
	}, next{
		to: passed,
		refused: func(w world, err error) {
			e := &w.exec[i]
			e.at, e.after = retract, refusalOf(err)
			m.emit(m.label, fair, w)
		},
		failed: func(w world) {
			e := &w.exec[i]
			if e.again {
				e.at, e.after = retract, idle
			} else {
				e.at = reread
			}
			m.emit(m.label, false, w)
		},
	})
}

// refusals that pass may meet, so that they can be kept while the word is taken back.
var refusals = [...]error{nil, ErrLost, ErrClosed, ErrCancelled, ErrHeld, store.ErrNotFound, ErrNoAttempt}

func refusalOf(err error) code { return index(refusals[:], err) }

// readAgain tells from the row whether a write whose answer was lost was ours.
func (m *model) readAgain(w world, i int) {
	if w.left.storeErrs > 0 {
		gone := w
		gone.left.storeErrs--
		gone.exec[i].at, gone.exec[i].after = retract, idle
		m.emit("fence.confirmed: the store is gone", false, gone)
	}
	e := &w.exec[i]
	if w.row.version == 0 {
		e.at, e.after = retract, idle
	} else {
		e.read, e.again, e.at = w.row, true, confirmed
	}
	m.emit("fence.confirmed: read again", fair, w)
}

// retract takes back the word left at the server.
func (m *model) retract(w world, i int) {
	e := &w.exec[i]
	m.label = "retract"
	if w.current == code(i)+1 && m.server {
		if w.left.storeErrs > 0 {
			gone := w
			gone.left.storeErrs--
			gone.excused[e.n] = gone.excused[e.n] || !e.back
			m.label, m.faulty = "retract: the server is gone", true
			m.afterRetract(gone, i)
			m.label, m.faulty = "retract", false
		}
		if d := e.read.dials[e.n]; d.state != none && d.state != sending {
			w.word = word{sends: d.sends, token: code(i) + 1}
		}
	}
	m.afterRetract(w, i)
}

func (m *model) afterRetract(w world, i int) {
	if e := &w.exec[i]; e.back {
		e.at, e.back = giveBack, false
		m.emit(m.label, !m.faulty, w)
		return
	}
	if err := refusals[w.exec[i].after]; err != nil {
		m.refused(w, i, err)
		return
	}
	m.answer(w, i, answerRetry, 0)
}
