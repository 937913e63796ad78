package voicetask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Direct carries out tasks without Temporal, with the same fence ("legacy mode").
// It implements Workflow too; its work is done by Run.
//
// The rows are its only memory: each step of a task reads its row, does one thing
// and writes when it is due next. A waiting call therefore costs no goroutine, and
// a process that dies leaves rows that another one carries on with. What Direct
// does not have is history, and a promise of when: a step comes when it is due and
// a slot is free.
type Direct struct {
	cfg    Config
	owner  string // of the tasks that this process carries out
	acts   Activity
	raw    *activities
	ledger ledger
	lister store.Lister

	wake     chan struct{}
	nextWalk time.Time     // of Run's
	walkWait time.Duration // longer while there is nothing to be found

	mu      sync.Mutex
	inHand  map[string]struct{}
	running bool
}

var _ Workflow = (*Direct)(nil)

const (
	directLease    = 30 * time.Second
	directInFlight = 128
	directTick     = time.Second
	directRetry    = 10 * time.Second
	recoverEvery   = time.Minute
	walkEvery      = 5 * time.Second
)

// NewDirect checks cfg; cfg.Store must be a store.Lister too, and Durable unless
// cfg.AllowVolatile. It opens nothing until Run.
func NewDirect(cfg Config) (*Direct, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	lister, ok := cfg.Store.(store.Lister)
	if !ok {
		return nil, errors.New("voicetask: NewDirect: Config.Store is no store.Lister: Direct finds its work by listing what is due")
	}
	if !durable(cfg.Store) && !cfg.AllowVolatile {
		return nil, errors.New("voicetask: NewDirect: Config.Store can lose acknowledged writes, so a crash could ring a phone twice: use a durable store, or set Config.AllowVolatile")
	}
	cfg = cfg.withDefaults()
	owner := ownerDirect + rand.Text()
	d := &Direct{
		cfg: cfg, owner: owner, lister: lister,
		raw:  &activities{cfg: cfg, engine: owner, lease: directLease},
		acts: newActivities(cfg, owner, directLease),
		wake: make(chan struct{}, 1), inHand: map[string]struct{}{},
	}
	d.ledger = ledger{store: cfg.Store, now: cfg.Now, observe: cfg.Observe, logger: cfg.Logger}
	return d, nil
}

// Submit writes the task's row and leaves the rest to Run, of this process or
// another. A task that Temporal carries out already is left to it.
func (d *Direct) Submit(ctx context.Context, t Task) error {
	rec, _, err := d.ledger.submit(ctx, t)
	if err != nil || rec.Status.Terminal() || rec.Owner != "" {
		return quiet(t, err)
	}
	_, err = d.ledger.modify(ctx, t.ID, func(r *store.Record) error {
		if r.Owner != "" || r.Status.Terminal() {
			return errNoChange
		}
		r.Owner, r.LeaseUntil = d.owner, d.raw.leaseUntil()
		return nil
	})
	d.nudge()
	return quiet(t, err)
}

// Run carries out what is due until ctx ends; then it takes nothing new, lets the
// steps in hand finish for a bounded time and returns nil. Several processes may
// Run on one store.
func (d *Direct) Run(ctx context.Context) error {
	d.setRunning(true)
	defer d.setRunning(false)
	var steps sync.WaitGroup
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	slots := make(chan struct{}, directInFlight)
	recovered := time.Time{}
	for ctx.Err() == nil {
		if time.Since(recovered) > recoverEvery {
			if _, err := d.Recover(ctx); err != nil && ctx.Err() == nil {
				d.cfg.Logger.WarnContext(ctx, "looking for what a crash left", "error", quiet(Task{}, err))
			}
			recovered = time.Now()
		}
		if err := d.startDue(ctx, work, slots, &steps); err != nil && ctx.Err() == nil {
			d.cfg.Logger.WarnContext(ctx, "listing due tasks", "error", quiet(Task{}, err))
		}
		d.waitForWork(ctx)
	}
	return d.drain(&steps)
}

// startDue starts a step for each due row that is ours to work on. Rows of the other
// engine may be due for long, a backlog of Temporal's say, and must not hide ours:
// where nothing but foreign rows is due, it looks through all open rows, ever less often
// while that finds nothing.
func (d *Direct) startDue(ctx, work context.Context, slots chan struct{}, steps *sync.WaitGroup) error {
	const page = 2 * directInFlight
	now := d.raw.now()
	due, err := d.lister.List(ctx, store.Query{Statuses: openStatuses, DueBefore: now, Limit: page})
	if err != nil {
		return err
	}
	foreign := func(r store.Record) bool { return !d.mine(r, now) }
	hidden := len(due) == page
	ours := slices.DeleteFunc(due, foreign)
	if len(ours) == 0 && hidden && now.After(d.nextWalk) {
		found := false
		err := d.eachOpen(ctx, func(r store.Record) error {
			if foreign(r) || r.DueAt.After(now) {
				return nil
			}
			found = true
			return d.start(ctx, work, []store.Record{r}, slots, steps)
		})
		d.walkWait = min(2*d.walkWait, recoverEvery)
		if found || d.walkWait == 0 {
			d.walkWait = walkEvery
		}
		d.nextWalk = now.Add(d.walkWait)
		return err
	}
	return d.start(ctx, work, ours, slots, steps)
}

// eachOpen calls visit for each open row, page by page.
func (d *Direct) eachOpen(ctx context.Context, visit func(r store.Record) error) error {
	q := store.Query{Statuses: openStatuses, Limit: 200}
	for ctx.Err() == nil {
		page, err := d.lister.List(ctx, q)
		if err != nil {
			return fmt.Errorf("voicetask: listing open tasks: %w", err)
		}
		for _, r := range page {
			if err := visit(r); err != nil {
				return err
			}
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].ID
	}
	return ctx.Err()
}

func (d *Direct) start(ctx, work context.Context, due []store.Record, slots chan struct{}, steps *sync.WaitGroup) error {
	for _, r := range due {
		hand, step := d.job(r)
		if step == nil {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			d.letGo(hand)
			return nil
		}
		steps.Add(1)
		go func() {
			defer steps.Done()
			defer func() { <-slots }()
			if err := step(work, r.ID); err != nil {
				// The row is due still: in hand it is left alone for a while.
				d.cfg.Logger.WarnContext(work, "the next step of a task could not be written", "task_id", r.ID, "error", quiet(Task{}, err))
				time.AfterFunc(directRetry, func() { d.letGo(hand) })
				return
			}
			d.letGo(hand)
			d.nudge()
		}()
	}
	return nil
}

// job takes a due row in hand and says what to do with it: nil, nothing. A step that
// is in hand already may be a Place that blocks for as long as the call lasts; the
// call of a task that is being cancelled is ended beside it.
func (d *Direct) job(r store.Record) (hand string, step func(ctx context.Context, id string) error) {
	beside := r.ID + "/end"
	switch {
	case d.take(r.ID):
		return r.ID, d.step
	case !r.CancelRequestedAt.IsZero() && d.take(beside):
		return beside, d.endInHand
	}
	return "", nil
}

// openStatuses are those in which a Direct may have something to do. A task on
// hold is left alone until Resume, unless it is being cancelled.
var openStatuses = []store.Status{
	store.StatusPending, store.StatusScheduled, store.StatusProcessing, store.StatusInProgress, store.StatusHold,
}

// mine reports whether a row belongs to this process, or to a Direct whose lease
// has run out.
func (d *Direct) mine(r store.Record, now time.Time) bool {
	return r.Owner == d.owner || (strings.HasPrefix(r.Owner, ownerDirect) && r.LeaseUntil.Before(now))
}

func (d *Direct) waitForWork(ctx context.Context) {
	timer := time.NewTimer(directTick)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-d.wake:
	case <-timer.C:
	}
}

// drain waits for the steps in hand, for as long as a dial in flight may take; a blocking
// provider's call is followed by whoever comes next.
func (d *Direct) drain(steps *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { steps.Wait(); close(done) }()
	limit := d.cfg.DrainTime()
	select {
	case <-done:
	case <-time.After(limit):
		d.cfg.Logger.Warn("stopped with steps in hand; their rows are carried on with after the lease", "limit", limit)
	}
	return nil
}

// Recover takes over what Direct processes that died have left, and returns how
// many tasks that were. Run calls it at start and from time to time. Of this process's
// own it takes up what its store would not let it put off.
func (d *Direct) Recover(ctx context.Context) (int, error) {
	taken := 0
	err := d.eachOpen(ctx, func(r store.Record) error {
		now := d.raw.now()
		if !d.leftBehind(r, now) {
			return nil
		}
		r.Owner, r.LeaseUntil, r.DueAt = d.owner, d.raw.leaseUntil(), now
		switch _, err := d.cfg.Store.Update(ctx, r); {
		case err == nil:
			taken++
		case !errors.Is(err, store.ErrConflict): // another process was faster
			return fmt.Errorf("voicetask: taking over task %s: %w", r.ID, err)
		}
		return nil
	})
	return taken, err
}

// leftBehind reports whether nobody follows a row of a Direct: its process died, or, if that is
// this one, could not write down when it goes on.
func (d *Direct) leftBehind(r store.Record, now time.Time) bool {
	if !d.mine(r, now) {
		return false
	}
	due := !r.DueAt.After(now)
	// In the middle of a dial, or right behind it: whoever puts a row off claims it for longer than that.
	dialling, behind := r.Status == store.StatusProcessing, r.Status == store.StatusInProgress
	if r.Owner == d.owner { // what is due is taken in hand anyway
		return !due && (dialling || behind) && !r.LeaseUntil.After(now) && !d.busy(r.ID)
	}
	return due || dialling || behind && !d.blocks(r)
}

// blocks reports whether the last dial's Place may be under way for as long as its call
// lasts, and with it the step of the process that dialled.
func (d *Direct) blocks(r store.Record) bool {
	n := len(r.Attempts)
	if n == 0 {
		return false
	}
	p, ok := d.cfg.Providers.Lookup(r.Attempts[n-1].Provider)
	return ok && provider.TraitsOf(p).Blocking
}

func (d *Direct) take(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, busy := d.inHand[id]; busy {
		return false
	}
	d.inHand[id] = struct{}{}
	return true
}

func (d *Direct) busy(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, busy := d.inHand[id]
	return busy
}

func (d *Direct) letGo(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inHand, id)
}

func (d *Direct) setRunning(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = on
}

// nudge makes Run look at once.
func (d *Direct) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
