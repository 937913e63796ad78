package fence

import (
	"fmt"
	"slices"
	"strings"
)

const fair = true

// model is one search: which faults there are, and what was found.
type model struct {
	name    string
	server  bool // Temporal; else two processes of Direct
	beside  bool // a process of Direct beside it
	dials   code // the policy's
	initial []row

	faults       budget
	losesReplies bool // of the vendor, and requests on their way
	events       bool // are delivered; else only polls tell
	cancels      bool
	refuses      bool   // the judge may say no
	defers       bool   // or later
	faithless    bool   // the vendor may dial twice for one request, or after it said no
	failover     bool   // any of two providers may be chosen for each send
	refusesAll   bool   // the vendor refuses each request, and for certain
	only         string // the one thing to look for; "" = everything
	honest       bool   // follow why a dial is unknown
	volatile     bool   // the store says that it may forget

	states []world
	ids    map[world]uint32
	parent []uint32
	labels []string
	edges  [][2]uint32 // the fair ones

	from   uint32 // the state whose successors are emitted
	label  string
	faulty bool // what is emitted follows a fault
	bad    string
	badEnd []string
	moved  map[int]bool // rows of the table
	rung   int          // most rings under one key
}

// engine is the one that execution e in slot i works for.
func (m *model) engine(e *exec, i int) code {
	switch {
	case m.served(e):
		return 1
	case m.server:
		return 2
	}
	return code(i) + 2
}

// served reports whether e works for the Temporal server, and is watched by it.
func (m *model) served(e *exec) bool { return m.server && !e.direct }

// run searches breadth first until everything was seen, or something is wrong.
func (m *model) run() {
	m.ids, m.moved = make(map[world]uint32, 1<<15), map[int]bool{}
	watch = func(row int) { m.moved[row] = true }
	defer func() { watch = nil }()
	if m.initial == nil {
		m.initial = []row{pending}
	}
	for _, r := range m.initial {
		m.add("", world{row: r, backup: r, left: m.faults})
	}
	for at := 0; at < len(m.states) && m.bad == ""; at++ {
		m.from = uint32(at)
		w := m.states[at]
		for i := range w.exec {
			if w.exec[i].at != idle {
				m.label = stepNames[w.exec[i].at]
				m.step(w, i)
			}
		}
		if m.server {
			m.engineSteps(w)
		}
		if !m.server || m.beside {
			m.directSteps(w)
		}
		m.outside(w)
	}
	if m.bad == "" && m.looksFor(lostTask) {
		m.checkEnds()
	}
}

// emit is a step from the state at hand to w.
func (m *model) emit(label string, isFair bool, w world) {
	if m.bad != "" {
		return
	}
	w.recorded = w.recorded || (w.row.over && w.row.outcome != outcomeUnknown)
	m.tidy(&w)
	m.label = label
	m.checkRow(&m.states[m.from].row, &w)
	id, known := m.ids[w]
	if !known {
		id = m.add(label, w)
	}
	if isFair && !m.faulty {
		m.edges = append(m.edges, [2]uint32{m.from, id})
	}
}

func (m *model) add(label string, w world) uint32 {
	id := uint32(len(m.states))
	m.states, m.parent, m.labels = append(m.states, w), append(m.parent, m.from), append(m.labels, label)
	m.ids[w] = id
	return id
}

func (m *model) path(id uint32) []string {
	var steps []string
	for ; m.labels[id] != ""; id = m.parent[id] {
		steps = append(steps, m.labels[id])
	}
	slices.Reverse(steps)
	return steps
}

// tidy makes two states equal that no step can tell apart. A version is good for one
// question: whether it is still the row's.
func (m *model) tidy(w *world) {
	if !m.honest {
		w.excused = [2]bool{}
	}
	if w.left.losses == 0 {
		w.backup = row{}
	}
	if w.flow == done {
		w.verdict, w.dials, w.asked, w.n, w.before = 0, 0, false, 0, 0
	}
	if w.flow != dialling {
		w.word, w.tried = word{}, false
	}
	w.tried = w.tried && m.volatile
	v := w.row.version
	w.row.tidy()
	if w.flight.base != v || v == 0 {
		w.flight = write{}
	} else {
		w.flight.base, w.flight.row.version = 1, 0
	}
	for i := range w.exec {
		w.exec[i].tidy(v)
	}
	if v > 0 {
		w.row.version = 1
	}
	if less(w.exec[1], w.exec[0]) { // who is in which slot says nothing
		w.swapSlots(!m.server)
	}
}

func (r *row) tidy() {
	for k := range r.dials {
		switch d := &r.dials[k]; d.state {
		case placed, ended, unknownState: // nobody dials it again
			d.token, d.sends, d.marked = dead, MaxSends, false
		case reserved, aborted, notSent:
			d.marked = false
		}
	}
}

func (e *exec) tidy(version code) {
	if e.at != begun {
		e.tried, e.created = false, false
	}
	if e.at != begun && (e.at != look || !e.word.call) {
		e.word = word{}
	}
	switch {
	case e.read.version == 0 || blind:
	case e.at == begun || e.at == passed || e.at == sent || e.at == afterPlaced:
		e.read = row{version: stale} // it is read again before it counts, or no more
	case e.read.version == version:
		e.read.version = 1
		e.read.tidy()
	case e.at == retract || e.at == decline || e.at == afterReserve || e.at == confirmed || e.at == look:
		e.read.version = stale // and what it says still counts
	default:
		e.read = row{version: stale}
	}
}

// stale is the version of a row that was read before the last write.
const stale = 255

// checkEnds looks for states from which no fair steps lead to a good end: a task that
// is stuck, or a call whose end nobody writes down.
func (m *model) checkEnds() {
	reach := make([]bool, len(m.states))
	var todo []uint32
	for id := range m.states {
		if m.goodEnd(&m.states[id]) {
			reach[id] = true
			todo = append(todo, uint32(id))
		}
	}
	first := make([]uint32, len(m.states)+1)
	for _, e := range m.edges {
		first[e[1]+1]++
	}
	for i := range m.states {
		first[i+1] += first[i]
	}
	back, fill := make([]uint32, len(m.edges)), slices.Clone(first)
	for _, e := range m.edges {
		back[fill[e[1]]] = e[0]
		fill[e[1]]++
	}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range back[first[id]:first[id+1]] {
			if !reach[p] {
				reach[p] = true
				todo = append(todo, p)
			}
		}
	}
	for id := range m.states {
		if !reach[id] {
			m.bad = lostTask
			m.badEnd = m.path(uint32(id))
			return
		}
	}
}

func (m *model) finding() string {
	if m.bad == "" {
		return ""
	}
	return fmt.Sprintf("%s (%d states):\n  %s\n", m.bad, len(m.states), strings.Join(m.badEnd, "\n  "))
}
