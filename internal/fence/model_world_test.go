package fence

import (
	"errors"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// world is one state of the model: the row in the store, two executions that may
// overlap, the server and the workflow as far as they matter to the fence, and the
// carrier, whose ledger alone says what rang.
type world struct {
	row    row
	backup row // what a restored store comes back with
	exec   [2]exec
	flight write // a write whose writer was told an error, and that may still arrive

	current code // slot+1 of the attempt that the server regards as current
	word    word // the last that a heartbeat told
	tried   bool // an attempt was made before
	flow    code // where the workflow is
	n       code // its dial
	before  code // how the dial before it ended
	verdict code // the outcome that is to be recorded
	dials   code // of which it knows
	asked   bool // the workflow was asked to cancel, and has not acted
	told    bool // its caller was told that nothing was sent

	wire     [2]code // requests on their way, by dial
	via      [2]code // to which provider they were sent
	rings    [2]code // phones that rang
	call     [2]code // the call at the carrier
	twice    [2]bool // the carrier dialled twice for one request
	uncalled [2]bool // the dial has passed the fence, and should not have
	recorded bool    // a result was recorded, and not unknown
	seen     [2]code // call ids that the row was told of, as bits
	excused  [2]bool // an execution stopped, or an answer was lost, when the request may have left

	left        budget // faults that may still happen
	lost, reset bool   // have happened
	lied        bool   // the vendor said no and dialled
}

// budget is how often each fault may still happen in a run.
type budget struct {
	crashes   code // kill -9
	freezes   code // an execution that outlives its heartbeat, and wakes; in Direct its lease
	refusals  code // certain errors of the vendor
	storeErrs code // errors of the store, after which a write has happened, has not, or will
	resets    code // of the workflow
	losses    code // of the row
	holds     code
	strays    code // executions that nobody should have asked for
}

// write is an update on its way to the store.
type write struct {
	base code // the version it compares with; 0 = there is none
	row  row
}

// Where the workflow is. Direct has none: its executions do its work.
const (
	dialling code = iota
	following
	recording
	done
)

// The call at the carrier.
const (
	noCall code = iota
	up
	endedBusy
	endedCompleted
	hungUp
)

// outcomeOf is how a call ended.
func outcomeOf(call code) code {
	switch call {
	case endedBusy:
		return busy
	case endedCompleted:
		return completed
	case hungUp:
		return cancelled
	}
	return noOutcome
}

// knows reports whether the provider that the row of dial k names has its call.
func (w *world) knows(k code) bool { return w.call[k] != noCall && w.row.dials[k].via == w.via[k] }

// snapshot is what the carrier says of the call of dial k.
func (w *world) snapshot(k code) provider.Call {
	c := provider.Call{ID: calls[1], Status: provider.StatusRinging}
	if w.call[k] > up {
		c.Status, c.Outcome = provider.StatusEnded, outcomes[outcomeOf(w.call[k])]
	}
	return c
}

// errConflict is the store's word on a row that changed since it was read.
var errConflict = errors.New("conflict")

// errNoChange ends a change that has nothing to write.
var errNoChange = errors.New("nothing to write")

// swap is the compare-and-set of an execution: change what it has read, and write
// that if the version still stands. A conflict reads the row again.
func (w *world) swap(e *exec, change func(r *store.Record) error) error {
	if e.read.version == stale && w.row.version > 0 {
		e.read = w.row
		return errConflict
	}
	next, err := changed(e.read, change)
	switch {
	case err != nil:
		return err
	case w.row.version == 0:
		return store.ErrNotFound
	case e.read.version != w.row.version && !blind:
		e.read = w.row
		return errConflict
	}
	w.put(next)
	e.read = w.row
	return nil
}

// blind, where a test sets it, is a store whose compare-and-set always says yes.
var blind bool

// deaf, where a test sets it, is an execution that does not hear an earlier one's word.
var deaf bool

func changed(from row, change func(r *store.Record) error) (row, error) {
	r := from.unpack()
	if err := change(r); err != nil {
		return from, err
	}
	return pack(r), nil
}

// put writes the next version of the row.
func (w *world) put(next row) {
	next.version = w.row.version + 1
	w.row = next
}

// modify is a change by somebody whose read and write are not interesting: it is
// carried out on the row as it stands.
func (w *world) modify(change func(r *store.Record) error) error {
	if w.row.version == 0 {
		return store.ErrNotFound
	}
	next, err := changed(w.row, change)
	if err == nil {
		w.put(next)
	}
	return err
}

// create is record(): the pending row of a task that has none.
func (w *world) create() (created bool) {
	if w.row.version > 0 {
		return false
	}
	w.row = row{version: 1}
	return true
}

// observe writes the sight of a call, and what it is told of.
func (w *world) observe(r *store.Record, k code, c provider.Call) error {
	o, err := Observe(r, int(k)+1, c, noon)
	if err == nil && !o.Changed {
		return errNoChange
	}
	return err
}

func (w *world) lease(engine code) time.Time {
	if engine < 2 {
		return time.Time{}
	}
	return noon.Add(time.Minute)
}

// errOpen refuses a result that does not know of a dial which is open.
var errOpen = errors.New("a dial is open")

// finish is voicetask's: the record of a task that ends with outcome o after so many
// dials.
func (w *world) finish(r *store.Record, o, dials code) error {
	if r.Status.Terminal() && (r.Outcome != provider.OutcomeUnknown || o == outcomeUnknown) {
		return errNoChange
	}
	if n := len(r.Attempts); n > 0 { // overtaken
		switch last := r.Attempts[n-1]; last.State {
		case store.AttemptSending, store.AttemptPlaced:
			if n > int(dials) {
				return errOpen
			}
		case store.AttemptUnknown:
			o = outcomeUnknown
		case store.AttemptEnded:
			if n > int(dials) && last.CallID != "" {
				o = index(outcomes[:], last.Outcome)
			}
		}
	}
	if n := len(r.Attempts); n > 0 { // settleLast
		last := &r.Attempts[n-1]
		k := code(last.N - 1)
		switch last.State {
		case store.AttemptPlaced, store.AttemptSending:
			if call := w.call[k]; call > up && o != outcomeUnknown {
				_, _ = Observe(r, last.N, w.snapshot(k), noon)
			}
		default:
			Abort(r, last.N, "")
		}
		if o == outcomeUnknown && last.State == store.AttemptEnded && last.Outcome != "" {
			o = index(outcomes[:], last.Outcome)
		}
	}
	r.Status, r.Outcome = store.StatusFailed, outcomes[o]
	return nil
}
