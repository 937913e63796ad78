package fence

// What must hold. A violation names itself; the path to it is printed with it.
//
// Three of them are the harm itself, and where it is looked for the search goes on
// past all that merely leads to it. A second ring is what the carrier's ledger shows of
// a phone that this task has rung before, and that nothing called for: under the same
// key; or under another one, while the earlier call had not ended with an outcome that
// is redialled, or when at the fence the task had ended, was being cancelled, or was on
// hold. The auditor of the fault campaign counts the same. A lost task is one from which
// no steps but faults lead to a recorded result with the ledger of its calls at rest.
const (
	twoRings  = "a phone rings twice for one dial"
	againRing = "a phone rings again, and nothing called for it"
	lostTask  = "a task is lost: no steps but faults lead from here to its end"
)

func (m *model) wrong(what string) {
	if m.bad == "" && m.looksFor(what) {
		m.bad, m.badEnd = what, append(m.path(m.from), m.label)
	}
}

// looksFor reports whether the search is for that.
func (m *model) looksFor(what string) bool { return m.only == "" || m.only == what }

// check looks at a compare-and-set of execution i that was carried out.
func (m *model) check(was, now *world, i int) {
	e := &was.exec[i]
	if e.at != confirmed || now.row.dials[e.n].state != sending || was.row.dials[e.n].state == sending {
		return
	}
	if why := uncalledFor(was, e); why != "" {
		now.uncalled[e.n] = true
		m.wrong(why)
	}
}

// uncalledFor says why a dial should not pass the fence.
func uncalledFor(was *world, e *exec) string {
	before := was.row.dials[0]
	switch {
	case was.lost: // it may pass late, once
	case was.row.over || was.recorded:
		return "a dial of a task that has ended passes the fence"
	case was.row.cancel:
		return "a dial of a cancelled task passes the fence"
	case was.row.hold:
		return "a dial of a task on hold passes the fence"
	case e.n == 1 && (before.state != ended || before.outcome == outcomeUnknown || (was.call[0] <= up && before.outcome != fault)):
		return "a second dial passes the fence, and the first has not ended"
	}
	return ""
}

// checkPost looks at a request that leaves.
func (m *model) checkPost(w *world, e *exec) {
	k := e.n
	switch {
	case w.via[k] != e.via && (w.wire[k] > 0 || w.rings[k] > 0) && !m.allowsTwo(w):
		m.wrong("a second provider is asked, and the first may have dialled")
	case w.row.dials[k].sends > MaxSends:
		m.wrong("a dial is sent more than three times")
	case w.told:
		m.wrong("a request leaves after somebody was told that nothing was sent")
	}
}

// checkRing looks at a phone that rings.
func (m *model) checkRing(w *world, k code) {
	m.rung = max(m.rung, int(w.rings[k]))
	other := 1 - k
	if w.rings[other] > 0 && (w.uncalled[k] || w.call[other] != endedBusy) {
		m.wrong(againRing)
	}
	switch {
	case w.rings[k] > 1 && !m.allowsTwo(w):
		m.wrong(twoRings)
	case w.told && !w.lost:
		m.wrong("a phone rings after somebody was told that nothing was sent")
	case w.row.over && w.row.outcome != outcomeUnknown && !w.lost:
		m.wrong("a phone rings after the task has ended")
	}
}

// allowsTwo: a store that has lost a row, and no other witness: the workflow was reset,
// or there is none. That much is not promised.
func (m *model) allowsTwo(w *world) bool { return w.lost && (w.reset || !m.server) }

// checkTold looks at what end_call says of a task that is cancelled.
func (m *model) checkTold(w *world, k code) {
	if !w.lost && (w.wire[k] > 0 || w.call[k] != noCall) {
		m.wrong("somebody is told that nothing was sent, and something was")
	}
}

// unknown looks at a dial that is given up as unknown.
func (m *model) unknown(w *world, k code) {
	if m.honest && !w.excused[k] {
		m.wrong("a dial is unknown although nothing went wrong with it")
	}
}

// checkRow looks at what the ledger and the task say, and said before.
func (m *model) checkRow(was *row, w *world) {
	now := &w.row
	for k := range now.dials {
		d := &now.dials[k]
		if d.call != 0 && d.state != placed && d.state != ended {
			m.wrong("the row has a call and does not say so")
		}
		if w.lost {
			continue
		}
		if before := &was.dials[k]; before.state == ended && before.outcome != outcomeUnknown && (d.state != ended || d.outcome != before.outcome) {
			m.wrong("an outcome is taken back")
		}
		if told := w.seen[k]; (told&1 != 0 && d.call != 1 && !d.second) || (told&2 != 0 && d.call != 2 && !d.second) {
			m.wrong("a call is forgotten")
		}
	}
	if was.over && was.outcome != outcomeUnknown && !w.lost && (!now.over || now.outcome != was.outcome) {
		m.wrong("a result is taken back")
	}
	if now.over && !w.lost && !w.twice[0] && !w.lied {
		m.checkResult(w)
	}
}

// checkResult compares what was recorded with the carrier's ledger.
func (m *model) checkResult(w *world) {
	last := 0
	switch w.row.dials[1].state {
	case none, reserved, aborted, notSent:
	default:
		last = 1
	}
	switch truth := outcomeOf(w.call[last]); w.row.outcome {
	case outcomeUnknown:
	case cancelled:
		if w.call[last] == up || w.wire[last] > 0 {
			m.wrong("a task is recorded as cancelled, and its phone rings")
		}
	default:
		if w.row.outcome != fault && truth != w.row.outcome || w.row.outcome == fault && w.rings[last] > 0 {
			m.wrong("a recorded result contradicts the carrier")
		}
	}
}

// goodEnd is a state in which everything is at rest, and written down.
func (m *model) goodEnd(w *world) bool {
	if !w.row.over || w.exec[0].at != idle || w.exec[1].at != idle || w.flight.base != 0 || (m.server && w.flow != done) {
		return false
	}
	for k := range w.call {
		d := &w.row.dials[k]
		switch {
		case w.wire[k] > 0 || w.call[k] == up:
			return false
		case w.call[k] == noCall || w.lost:
		case d.state != ended || (d.outcome != outcomeOf(w.call[k]) && (m.events || d.outcome != outcomeUnknown)):
			return false // what events tell late is written, too
		}
		if !w.lost && (d.state == sending || d.state == placed) {
			return false
		}
	}
	return true
}
