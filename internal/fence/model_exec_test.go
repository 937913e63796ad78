package fence

import (
	"errors"

	"github.com/superservices/voice/store"
)

// exec is one run of execute: the program of voicetask/execute.go and dial.go, a step for each
// time it meets the world. Between two steps anything may happen: that is the pause.
type exec struct {
	at      code
	n       code // the dial
	read    row  // the row as it was last read
	word    word // what an earlier attempt's heartbeat told
	tried   bool
	created bool
	prev    code // how the dial before ended, as the workflow knows it
	again   bool // the second try to pass the fence
	final   bool // the certain error is not worth another send
	stray   bool // asked for by nobody's right
	direct  bool // by the Direct beside the server
	after   code // retracting: what follows
	back    bool // and the reservation is given back
	outcome code // to be recorded
	dials   code // of which that knows
	token   code // of the send that was looked for
	via     code // the provider it was judged for
}

// Steps of an execution. Those at a fault point carry its name in stepNames.
const (
	idle code = iota
	claim
	begun
	reserve
	afterReserve
	confirmed
	reread
	retract
	passed
	sent
	replied
	afterPlaced
	refusedByVendor
	replyLost
	look
	adopt
	giveUpLooking
	rowLost
	putOff
	decline
	giveBack
	record
)

var stepNames = [...]string{
	claim: "claim", begun: "execute.begun", reserve: "reserve", afterReserve: "fence.reserved", confirmed: "fence.confirmed", reread: "fence.confirmed: read again",
	retract: "retract", passed: "fence.sending", sent: "place.sent", replied: "place.replied", afterPlaced: "fence.placed", refusedByVendor: "not placed",
	replyLost: "reply lost", look: "look", adopt: "look: found", giveUpLooking: "look: in vain", rowLost: "row lost", putOff: "put off", decline: "decline", giveBack: "give back", record: "record",
}

// mayHaveSent reports whether an execution that stops here may leave a request behind
// whose end nobody knows, or word of it at the other witness.
func (e *exec) mayHaveSent() bool {
	switch e.at {
	case confirmed, reread, retract, giveBack, passed, sent, replied, refusedByVendor, replyLost:
		return true
	}
	return false
}

// Answers of an execution to its engine.
const (
	answerRetry code = iota
	answerLive
	answerEnded
	answerOver // End: the task is decided
	answerLater
	answerForeign // closed, or another engine's: nothing to write
)

func (m *model) step(w world, i int) {
	e := &w.exec[i]
	switch e.at {
	case claim:
		m.swap(w, i, func(w *world, e *exec, r *store.Record) error {
			return Claim(r, engines[m.engine(e, i)], noon, w.lease(m.engine(e, i)))
		}, next{
			ok: func(w world) { m.directNext(w, i) }, refused: func(w world, _ error) { m.answer(w, i, answerForeign, 0) },
		})
	case begun:
		e.created = w.create()
		e.read = w.row
		m.decide(w, i)
	case rowLost:
		m.swap(w, i, func(_ *world, e *exec, r *store.Record) error { return Lost(r, int(e.n)+1, "") }, next{
			ok: func(w world) {
				m.unknown(&w, w.exec[i].n)
				m.answer(w, i, answerEnded, outcomeUnknown)
			},
			refused: func(w world, err error) {
				if errors.Is(err, ErrLost) {
					m.known(w, i)
					return
				}
				m.refused(w, i, err)
			},
		})
	case reserve:
		m.swap(w, i, func(w *world, e *exec, r *store.Record) error {
			settlePrevious(w, e, r)
			return Reserve(r, Reservation{N: int(e.n) + 1, Provider: vendors[e.via], Token: tokens[i+1], Engine: engines[m.engine(e, i)], At: noon, Lease: w.lease(m.engine(e, i))})
		}, next{to: afterReserve})
	case afterReserve:
		m.confirm(w, i)
	case confirmed:
		m.pass(w, i)
	case reread:
		m.readAgain(w, i)
	case retract:
		m.retract(w, i)
	case passed:
		m.post(w, i)
	case sent:
		m.reply(w, i)
	case replied:
		m.keep(w, i)
	case afterPlaced:
		m.answerCall(w, i)
	case refusedByVendor:
		m.notPlaced(w, i)
	case replyLost:
		m.swap(w, i, func(_ *world, e *exec, r *store.Record) error { return Ambiguous(r, int(e.n)+1, tokens[i+1]) }, next{
			ok:      func(w world) { m.answer(w, i, answerRetry, 0) },
			refused: func(w world, _ error) { m.answer(w, i, answerRetry, 0) },
			failed:  func(w world) { m.answer(w, i, answerRetry, 0) },
		})
	case look, adopt, giveUpLooking:
		m.look(w, i)
	case putOff:
		m.swap(w, i, func(w *world, e *exec, r *store.Record) error {
			if err := Claim(r, engines[m.engine(e, i)], noon, w.lease(m.engine(e, i))); err != nil {
				return err
			}
			settlePrevious(w, e, r)
			Abort(r, int(e.n)+1, "")
			return nil
		}, next{ok: func(w world) { m.answer(w, i, answerLater, 0) }})
	case decline:
		m.decline(w, i)
	case giveBack:
		over := func(w world) { m.answer(w, i, answerRetry, 0) }
		m.swap(w, i, func(_ *world, e *exec, r *store.Record) error { return GiveBack(r, int(e.n)+1, tokens[i+1], "") },
			next{ok: over, refused: func(w world, _ error) { over(w) }, failed: over})
	case record:
		m.swap(w, i, func(w *world, e *exec, r *store.Record) error {
			if err := Claim(r, engines[m.engine(e, i)], noon, w.lease(m.engine(e, i))); err != nil && !errors.Is(err, ErrClosed) {
				return err
			}
			return w.finish(r, e.outcome, e.dials)
		}, next{ok: func(w world) { m.answer(w, i, answerForeign, 0) }, refused: func(w world, _ error) { m.answer(w, i, answerForeign, 0) }})
	}
}

// settlePrevious brings the ledger of the dial before to rest, as execute does.
func settlePrevious(w *world, e *exec, r *store.Record) {
	if e.prev != noOutcome && e.n > 0 {
		_, _ = Observe(r, int(e.n), w.snapshot(e.n-1), noon)
	}
}

// next is what follows a compare-and-set.
type next struct {
	to      code // the step after it, where ok is nil
	ok      func(w world)
	refused func(w world, err error) // nil = refused()
	failed  func(w world)            // the store's answer is an error; nil = a later execution
}

// swap emits what may come of a compare-and-set by execution i: done, a conflict, a
// refusal, and the store's errors, after which the write has happened, has not, or
// will.
func (m *model) swap(w world, i int, change func(w *world, e *exec, r *store.Record) error, then next) {
	was := w
	e := &w.exec[i]
	err := w.swap(e, func(r *store.Record) error { return change(&was, &was.exec[i], r) })
	switch {
	case errors.Is(err, errConflict):
		m.emit(stepNames[e.at]+": conflict", fair, w)
		return
	case err != nil && !errors.Is(err, errNoChange):
		m.label = stepNames[e.at] + ": refused"
		if then.refused != nil {
			then.refused(w, err)
		} else {
			m.refused(w, i, err)
		}
		return
	}
	m.check(&was, &w, i)
	m.label = stepNames[e.at]
	m.went(w, i, then)
	if w.left.storeErrs == 0 || err != nil {
		return
	}
	w.left.storeErrs--
	was.left.storeErrs--
	m.label = stepNames[e.at] + ": written, answer lost"
	m.fail(w, i, was, then)
	m.label = stepNames[e.at] + ": not written"
	m.fail(was, i, was, then)
	if was.flight.base == 0 {
		late := was
		late.flight = write{was.row.version, w.row}
		m.label = stepNames[e.at] + ": still on its way"
		m.fail(late, i, was, then)
	}
}

func (m *model) went(w world, i int, then next) {
	if then.ok != nil {
		then.ok(w)
		return
	}
	w.exec[i].at = then.to
	m.emit(m.label, fair, w)
}

// fail goes on from a write whose answer was an error.
func (m *model) fail(w world, i int, was world, then next) {
	e := &w.exec[i]
	e.read = was.exec[i].read
	if e.mayHaveSent() {
		w.excused[e.n] = true
	}
	m.faulty = true
	if then.failed != nil {
		then.failed(w)
	} else {
		m.answer(w, i, answerRetry, 0)
	}
	m.faulty = false
}
