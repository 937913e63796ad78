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
	if (e.word.sends > d.sends && Forgotten(Find(e.read.unpack(), int(e.n)+1), keys[e.n], e.word.unpack(e.n))) || (e.created && e.tried && m.volatile) {
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
	if e.n > 0 && e.read.dials[e.n-1].second {
		e.at, e.outcome = decline, outcomeUnknown
		m.emit("execute.begun: two calls before", fair, w)
		return
	}
	if e.read.hold {
		e.at = putOff
		m.emit("execute.begun: on hold", fair, w)
		return
	}
	if m.refuses {
		no := w
		no.exec[i].at, no.exec[i].outcome = decline, cancelled
		m.emit("judged: no", false, no)
	}
	if m.defers {
		no := w
		no.exec[i].at = putOff
		m.emit("judged: later", false, no)
	}
	e.at = reserve
	if m.failover { // whatever the host's order and the breakers say
		for e.via = 1; e.via < code(len(vendors)); e.via++ {
			m.emit("judged: dial by the "+vendors[e.via], fair, w)
		}
		return
	}
	m.emit("judged: dial", fair, w)
}

func (m *model) closed(w world, i int) bool {
	e := &w.exec[i]
	switch err := Claimable(*e.read.unpack(), engines[m.engine(e, i)], noon); {
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

// post sends the request, unless it is too late.
func (m *model) post(w world, i int) {
	e := &w.exec[i]
	if w.left.refusals > 0 {
		late := w
		late.left.refusals--
		late.exec[i].at, late.exec[i].final = refusedByVendor, false
		m.emit("fence.sending: too late", false, late)
	}
	m.checkPost(&w, e)
	w.wire[e.n]++
	w.via[e.n] = e.via
	e.at = sent
	m.emit("fence.sending", fair, w)
}

// reply is what comes back: the call, a certain error, or nothing.
func (m *model) reply(w world, i int) {
	k := w.exec[i].n
	if m.refusesAll {
		w.wire[k]--
		w.exec[i].at, w.exec[i].final = refusedByVendor, false
		m.emit("place.sent: refused", fair, w)
		return
	}
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
		failed: func(w world) { // tell the other witness
			if w.current == code(i)+1 && w.word.token == code(i)+1 {
				w.word.call = true
			}
			m.answerCall(w, i)
		},
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
		a := Find(r, n)
		again := !e.final && a != nil && SendsLeft(*a)
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
		if err := Claimable(*r, engines[m.engine(e, i)], noon); err != nil {
			return err
		}
		Abort(r, int(e.n)+1, "")
		return nil
	}, next{
		ok: func(w world) { m.answer(w, i, answerOver, w.exec[i].outcome) },
	})
}
