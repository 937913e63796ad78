package voicetask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
	pass     uint32       // how often the open rows were looked at
}

// How often and how late the sweeper looks.
const (
	sweepEvery = 15 * time.Second
	// overdueBy is how long a row may be due before somebody ought to have come to it:
	// longer than a Submit takes from the row to the start of the workflow.
	overdueBy = 30 * time.Second
	// directOverdueBy gives the Direct processes, which look each minute, the first turn.
	directOverdueBy = 5 * time.Minute
	sweepPage       = 500
	// checkedOf: of so many passes one asks after a live call that is not overdue.
	checkedOf = 8
)

// NewSweeper checks its arguments; it opens nothing until Run. cfg is that of the
// workers; cfg.Store must be a store.Lister, and a store.Leaser where a provider is
// a provider.Lister. w hands tasks to their engine: a *Client, or a *Direct.
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
		cfg: cfg, workflow: w, rows: rows, leaser: leaser, token: rand.Text(),
		raw: &activities{cfg: cfg, engine: ownerTemporal}, acts: newActivities(cfg, ownerTemporal, 0),
	}, nil
}

// Run sweeps until ctx ends, and returns nil then. A store or a platform that is
// away is logged, and asked again the next time.
func (s *Sweeper) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		s.every(ctx, sweepEvery, "the rows", func(ctx context.Context) error {
			return s.sweepOpen(ctx)
		})
		return nil
	})
	g.Go(func() error { // by itself: a platform that hangs must not keep open tasks waiting
		s.every(ctx, sweepEvery, "the unknown dials", s.sweepUnknown)
		return nil
	})
	for _, name := range s.cfg.Providers.Names() {
		p, _ := s.cfg.Providers.Lookup(name)
		lister, ok := p.(provider.Lister)
		if !ok {
			continue
		}
		a := account{Sweeper: s, name: name, lister: lister}
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
		err := look(ctx)
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

// eachRow calls visit for every row in one of the statuses, page by page. What visit
// cannot do now is done at the next sweep: its error is returned at the end.
func (s *Sweeper) eachRow(ctx context.Context, statuses []store.Status, visit func(r store.Record) error) error {
	var failed error
	q := store.Query{Statuses: statuses, Limit: sweepPage}
	for {
		page, err := s.list(ctx, q)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, r := range page {
			if ctx.Err() != nil {
				return nil
			}
			if err := visit(r); err != nil {
				failed = err // one is enough to tell of
			}
		}
		if len(page) < q.Limit {
			return failed
		}
		q.After = page[len(page)-1].ID
	}
}

func (s *Sweeper) list(ctx context.Context, q store.Query) ([]store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	page, err := s.rows.List(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("voicetask: listing rows: %w", err)
	}
	return page, nil
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

// openDial returns the dial of r that may have a live call, if there is one.
func openDial(r store.Record) (store.Attempt, bool) {
	i := slices.IndexFunc(r.Attempts, func(a store.Attempt) bool {
		return a.State == store.AttemptSending || a.State == store.AttemptPlaced
	})
	if i < 0 {
		return store.Attempt{}, false
	}
	return r.Attempts[i], true
}
