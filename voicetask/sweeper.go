package voicetask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Sweeper settles what nobody follows any more: open rows without a workflow,
// calls whose end never came, rows a crash left. By the provider's word, never by
// dialling: a task without a workflow is handed to a new one, which passes the same
// fence.
//
// Run also sweeps each provider.Lister: one listing per account tells the state of
// all its live calls, one process per account by a lease. With Config.Swept the
// calls of such a provider are left to it; else each workflow polls for itself.
//
// Run it in one process or in several; they do not get into each other's way.
type Sweeper struct {
	cfg      Config
	workflow Workflow
	acts     Activity
	raw      *activities
	rows     store.Lister
	leaser   store.Leaser // nil without a provider.Lister
	token    string       // of this process, in leases
	asked    *pace        // of questions to the engine
	skew     atomic.Int64 // of the store's clock against ours, in nanoseconds
	resting  resting
	overlong keySet    // dials whose calls are known to be up beyond their limits
	nextWalk time.Time // through the ended tasks
}

// How often and how late the sweeper looks.
const (
	// sweepEvery is between two looks at the rows that are due, sweepLiveEvery between
	// two at those that have a call or are on hold.
	sweepEvery     = 15 * time.Second
	sweepLiveEvery = 2 * time.Minute
	// overdueBy is how long a row may be due before somebody ought to have come to it:
	// longer than a Submit takes from the row to the start of the workflow.
	overdueBy = 30 * time.Second
	// directOverdueBy gives the Direct processes, which look each minute, the first turn.
	directOverdueBy = 5 * time.Minute
	sweepPage       = 500
	// askEvery bounds how often the engine is asked about a task: a backlog may be
	// overdue as a whole, and is followed all the same.
	askEvery = 10 * time.Millisecond
)

// NewSweeper checks its arguments; it opens nothing until Run. cfg is that of the
// workers; cfg.Store must be a store.Lister, and a store.Leaser where a provider is
// a provider.Lister. w hands tasks to their engine. With a *Client that is Temporal,
// also for tasks that a Direct left and no other Direct took up within five minutes.
// With a *Direct the tasks that Temporal carries out are left alone.
func NewSweeper(cfg Config, w Workflow) (*Sweeper, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if w == nil {
		return nil, errors.New("voicetask: NewSweeper: the Workflow is nil: use NewClient, or NewDirect where Temporal is not used")
	}
	rows, ok := cfg.Store.(store.Lister)
	if !ok {
		return nil, errors.New("voicetask: NewSweeper: Config.Store is no store.Lister: the sweeper finds its work by listing rows")
	}
	leaser, _ := cfg.Store.(store.Leaser)
	for _, name := range cfg.Providers.Names() {
		p, _ := cfg.Providers.Lookup(name)
		if _, lists := p.(provider.Lister); lists && leaser == nil {
			return nil, fmt.Errorf("voicetask: NewSweeper: Config.Store is no store.Leaser, but provider %q is swept by one process at a time: use a store that is, such as sqlstore.Store", name)
		}
	}
	cfg = cfg.withDefaults()
	return &Sweeper{
		cfg: cfg, workflow: w, rows: rows, leaser: leaser, token: rand.Text(), asked: &pace{every: askEvery},
		raw: &activities{cfg: cfg, engine: ownerTemporal}, acts: newActivities(cfg, ownerTemporal, 0),
	}, nil
}

// Run sweeps until ctx ends, and returns nil then. A store or a platform that is
// away is logged, and asked again the next time.
func (s *Sweeper) Run(ctx context.Context) error {
	var g errgroup.Group
	every := func(interval time.Duration, what string, look func(ctx context.Context) error) {
		g.Go(func() error {
			s.every(ctx, interval, what, look)
			return nil
		})
	}
	every(sweepEvery, "the rows that are due", s.sweepDue)
	every(sweepLiveEvery, "the rows of live calls", s.sweepLive)
	every(sweepEvery, "unknown dials", s.sweepUnknown)
	for _, name := range s.cfg.Providers.Names() {
		p, _ := s.cfg.Providers.Lookup(name)
		lister, ok := p.(provider.Lister)
		if !ok {
			continue
		}
		a := account{Sweeper: s, name: name, lister: lister, ended: map[string]listedEnd{}}
		g.Go(func() error {
			defer a.release()
			s.every(ctx, a.interval(), "the calls of "+name, a.sweep)
			return nil
		})
	}
	return g.Wait()
}

// every calls look at once and then at intervals, until ctx ends.
func (s *Sweeper) every(ctx context.Context, interval time.Duration, what string, look func(ctx context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	failing := false
	for ctx.Err() == nil {
		err := spared(func() error { return look(ctx) })
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			failing = true
			s.cfg.Logger.WarnContext(ctx, "sweeping "+what+" fails; it is tried again", "error", masked(err.Error()))
		case err == nil && failing:
			failing = false
			s.cfg.Logger.InfoContext(ctx, "sweeping "+what+" works again")
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// spared runs do. A panic of the host's code, a policy say or a decorated activity, is
// an error: it must not end the process, and all its other tasks with it.
func spared(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return do()
}

// deliver hands on what a platform says of a dial, as its webhook would have.
func (s *Sweeper) deliver(ctx context.Context, a store.Attempt, c provider.Call) error {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.workflow.Deliver(bounded, provider.Event{Provider: a.Provider, Key: a.Key, Call: c, At: s.raw.now()})
	if errors.Is(err, provider.ErrUnknownCall) {
		return nil // its row is gone
	}
	return err
}

// swept reports whether p's calls are left to the sweeper.
func (c Config) swept(p provider.Provider) bool {
	_, lists := p.(provider.Lister)
	return c.Swept && lists
}
