package fence

import (
	"errors"

	"github.com/superservices/voice/store"
)

// decide is execute up to the judge: lost row, what the row knows, closed, hold.
func (m *model) decide(w world, i int) {
	e := &w.exec[i]
	m.label = stepNames[begun]
	d := e.read.dials[e.n]
	if e.beat > d.sends || (e.created && e.tried && m.volatile) {
		e.at = rowLost
		m.emit("execute.begun: the row was lost", fair, w)
		return
	}
	m.known(w, i)
}

// known answers from the row where it says what became of the dial.
func (m *model) known(w world, i int) {
	e := &w.exec[i]
	switch d := e.read.dials[e.n]; d.state {
	case placed:
		m.answer(w, i, answerLive, 0)
		return
	case ended, unknownState:
		m.answer(w, i, answerEnded, d.outcome)
		return
	case sending:
		e.at = look
		m.emit("execute.begun: sending", fair, w)
		return
	}
	if m.closed(w, i) {
		return
	}
	if e.read.hold {
		e.at = putOff
		m.emit("execute.begun: on hold", fair, w)
		return
	}
	if m.refuses {
		no := w
		no.exec[i].at = decline
		m.emit("judged: no", false, no)
	}
	if m.defers {
		no := w
		no.exec[i].at = putOff
		m.emit("judged: later", false, no)
	}
	e.at = reserve
	m.emit("judged: dial", fair, w)
}

func (m *model) closed(w world, i int) bool {
	e := &w.exec[i]
	switch err := Claimable(*e.read.unpack(), engines[m.engine(i)], noon); {
	case errors.Is(err, ErrClosed), errors.Is(err, ErrOtherEngine):
		m.answer(w, i, answerForeign, 0)
	case e.read.cancel && holds(guardCancelled):
		m.answer(w, i, answerOver, cancelled)
	default:
		return false
	}
	return true
}

// refused answers for a guard that did not hold.
func (m *model) refused(w world, i int, err error) {
	e := &w.exec[i]
	switch {
	case errors.Is(err, ErrClosed), errors.Is(err, ErrOtherEngine), errors.Is(err, ErrCancelled):
		if m.closed(w, i) {
			return
		}
	case errors.Is(err, ErrHeld):
		e.at = putOff
		m.emit(m.label, fair, w)
		return
	case errors.Is(err, ErrSpent):
		m.answer(w, i, answerOver, fault)
		return
	case errors.Is(err, ErrOrder):
		m.answer(w, i, answerOver, outcomeUnknown)
		return
	}
	m.answer(w, i, answerRetry, 0)
}

// confirm asks the server whether this execution is current, and leaves word.
func (m *model) confirm(w world, i int) {
	e := &w.exec[i]
	if !m.server || e.stray {
		e.at = confirmed
		m.emit("fence.reserved", fair, w)
		return
	}
	if w.current != code(i)+1 {
		m.label = "fence.reserved: no longer current"
		m.answer(w, i, answerRetry, 0)
		return
	}
	told := w
	told.beat = e.read.dials[e.n].sends + 1
	told.exec[i].at = confirmed
	m.emit("fence.reserved", fair, told)
	if w.left.storeErrs > 0 { // and the server may fail too
		told.left.storeErrs--
		told.exec[i].at, told.exec[i].after = retract, idle
		told.excused[e.n] = true
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
			gone.excused[e.n] = true
			m.label, m.faulty = "retract: the server is gone", true
			m.afterRetract(gone, i)
			m.label, m.faulty = "retract", false
		}
		if d := e.read.dials[e.n]; d.state != none && d.state != sending {
			w.beat = d.sends
		}
	}
	m.afterRetract(w, i)
}

func (m *model) afterRetract(w world, i int) {
	if err := refusals[w.exec[i].after]; err != nil {
		m.refused(w, i, err)
		return
	}
	m.answer(w, i, answerRetry, 0)
}

// post sends the request, unless it is too late.
func (m *model) post(w world, i int) {
	e := &w.exec[i]
	if w.left.refusals > 0 {
		late := w
		late.left.refusals--
		late.exec[i].at, late.exec[i].final = refusedByVendor, false
		m.emit("fence.sending: too late", false, late)
	}
	w.wire[e.n]++
	e.at = sent
	m.checkPost(&w, e.n)
	m.emit("fence.sending", fair, w)
}

// reply is what comes back: the call, a certain error, or nothing.
func (m *model) reply(w world, i int) {
	k := w.exec[i].n
	if w.call[k] != noCall && w.wire[k] == 0 {
		got := w
		got.exec[i].at = replied
		m.emit("place.sent: placed", fair, got)
	}
	if w.wire[k] > 0 && w.left.refusals > 0 {
		for _, final := range []bool{false, true} {
			no := w
			no.left.refusals--
			no.wire[k]--
			no.exec[i].at, no.exec[i].final = refusedByVendor, final
			m.emit("place.sent: refused", false, no)
			if m.faithless && !final {
				no.wire[k]++
				no.lied = true
				m.emit("place.sent: refused, and dialled", false, no)
			}
		}
	}
	if m.losesReplies {
		w.exec[i].at = replyLost
		w.excused[k] = true
		nothing := w.wire[k] == 0 && w.call[k] == noCall // there will be none
		m.emit("place.sent: reply lost", nothing, w)
	}
}

// keep writes the call's id. A store that stays down does not keep it from the engine.
func (m *model) keep(w world, i int) {
	m.swap(w, i, func(w *world, e *exec, r *store.Record) error { return w.observe(r, e.n, w.snapshot(e.n)) }, next{
		to:      afterPlaced,
		refused: func(w world, _ error) { m.answerCall(w, i) },
		failed:  func(w world) { m.answerCall(w, i) },
	})
}

// answerCall returns the call as the carrier and the row know it.
func (m *model) answerCall(w world, i int) {
	k := w.exec[i].n
	if w.call[k] > up {
		m.answer(w, i, answerEnded, outcomeOf(w.call[k]))
		return
	}
	m.answer(w, i, answerLive, 0)
}

// notPlaced writes down that the request was refused for certain.
func (m *model) notPlaced(w world, i int) {
	m.swap(w, i, func(_ *world, e *exec, r *store.Record) error {
		n := int(e.n) + 1
		again := !e.final && Find(r, n) != nil && Find(r, n).Sends < MaxSends
		if err := NotSent(r, n, tokens[i+1], "unavailable", noon); err != nil || again {
			return err
		}
		return GiveUp(r, n, outcomes[fault], "", noon)
	}, next{
		ok: func(w world) {
			e := &w.exec[i]
			if e.read.dials[e.n].state == ended {
				m.answer(w, i, answerEnded, fault)
				return
			}
			m.answer(w, i, answerRetry, 0)
		},
		failed: func(w world) { // tried again for a while
			label := m.label
			m.emit(label, false, w)
			m.label = label
			m.answer(w, i, answerRetry, 0)
		},
	})
}

// look searches for the call of a row that is sending under another token.
func (m *model) look(w world, i int) {
	e := &w.exec[i]
	switch e.at {
	case look:
		if w.call[e.n] != noCall {
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
	if m.server {
		return w.current == code(other)+1 || w.exec[other].stray
	}
	if w.left.freezes == 0 {
		return true
	}
	w.left.freezes--
	w.excused[e.n] = true
	return false
}

// decline gives up a reservation before the task is ended by the judge.
func (m *model) decline(w world, i int) {
	m.swap(w, i, func(_ *world, e *exec, r *store.Record) error {
		a := Find(r, int(e.n)+1)
		switch {
		case a == nil, a.State == store.AttemptAborted, a.State == store.AttemptNotSent:
			return errNoChange
		case a.State != store.AttemptReserved:
			return ErrLost
		}
		if err := Claimable(*r, engines[m.engine(i)], noon); err != nil {
			return err
		}
		Abort(r, int(e.n)+1, "")
		return nil
	}, next{
		ok: func(w world) { m.answer(w, i, answerOver, cancelled) },
	})
}
