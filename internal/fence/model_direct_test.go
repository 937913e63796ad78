package fence

// directSteps are those of Direct: one reads the row of a task and does what is due, in
// one execution.
func (m *model) directSteps(w world) {
	working := m.working(&w.exec[0]) || m.working(&w.exec[1])
	for i := range w.exec {
		if w.exec[i].at == idle && w.row.version > 0 && !w.row.over && !(m.server && working) {
			next := w
			next.exec[i] = exec{at: claim, read: w.row, direct: m.server}
			m.emit("a step of Direct is due", fair, next)
		}
	}
	if w.row.leased && !w.row.lapsed && (w.left.freezes > 0 || !working) {
		if working {
			w.left.freezes-- // an execution in hand renews it
		}
		w.row.lapsed = true // by the clock: the row does not change
		for i := range w.exec {
			w.exec[i].read.lapsed = w.exec[i].read.leased
		}
		m.emit("the lease runs out", fair, w)
	}
}

// working reports whether a process of Direct carries out e.
func (m *model) working(e *exec) bool { return e.at != idle && !m.served(e) }

// directNext goes on by the row's last dial.
func (m *model) directNext(w world, i int) {
	e := &w.exec[i]
	n := code(0)
	if e.read.dials[1].state != none {
		n = 1
	}
	d := e.read.dials[n]
	e.n, e.at = n, begun
	switch d.state {
	case placed:
		if e.read.cancel && w.call[n] == up {
			w.call[n] = hungUp
		}
		if w.call[n] > up {
			m.directDecided(w, i, outcomeOf(w.call[n]))
			return
		}
		w.leave(i)
	case ended:
		m.directDecided(w, i, d.outcome)
		return
	case unknownState:
		e.at, e.outcome, e.dials = record, outcomeUnknown, n+1
	case sending:
		if e.read.cancel && w.call[n] == up {
			w.call[n] = hungUp
		}
	}
	m.emit(m.label, fair, w)
}

func (m *model) directDecided(w world, i int, o code) {
	e := &w.exec[i]
	switch {
	case e.read.cancel && o != outcomeUnknown:
		e.at, e.outcome, e.dials = record, cancelled, e.n+1
	case o == busy && e.n+1 < m.dials:
		*e = exec{at: begun, n: e.n + 1, read: e.read, prev: o, direct: e.direct}
	default:
		e.at, e.outcome, e.dials = record, o, e.n+1
	}
	m.emit(m.label, fair, w)
}

func (m *model) directAnswer(w world, i int, kind, outcome code) {
	switch kind {
	case answerEnded:
		m.directDecided(w, i, outcome)
		return
	case answerOver:
		e := &w.exec[i]
		e.at, e.outcome, e.dials = record, outcome, e.n
	default:
		w.leave(i)
	}
	m.emit(m.label, fair, w)
}
