package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

// campaign is one lane under random faults.
type campaign struct {
	*Lane
	servers sync.Mutex // one server is killed at a time
}

// campaign plays the random part.
func (w *World) campaign(ctx context.Context) (o outcome) {
	began := time.Now()
	o.cell = Cell{Name: fmt.Sprintf("random campaign, seed %d", w.Seed)}
	defer func() { o.took = time.Since(began) }()
	l, err := w.newLane("random")
	if err != nil {
		o.err = err
		return o
	}
	defer l.close()
	c := &campaign{Lane: l}
	span := time.Duration(float64(w.Tasks) / w.Rate * float64(time.Second))
	ctx, cancel := context.WithTimeout(ctx, 2*span+25*time.Minute)
	defer cancel()
	o.verdict, o.err = c.play(ctx, span)
	o.faults, o.hits = c.struck(), c.struck()
	return o
}

func (c *campaign) play(ctx context.Context, span time.Duration) (v audit.Verdict, err error) {
	w := c.world
	rng := rand.New(rand.NewPCG(w.Seed, 7))
	c.random(w.Tasks, w.Rate, rng)
	if err := c.prepare(ctx, 1); err != nil {
		return v, err
	}
	c.consumers[0].cfg.FallbackAfter = "5s"
	hosts, stop := context.WithCancel(ctx)
	defer stop()
	if err := c.startHost(hosts, c.hosts()...); err != nil {
		return v, err
	}
	if err := c.awaitWorkers(ctx); err != nil {
		return v, err
	}
	if err := c.produce(); err != nil {
		return v, err
	}
	watched, enough := context.WithCancel(ctx)
	defer enough()
	go c.tell(watched)
	plan := schedule(w.Seed, w.Faults, span)
	var running sync.WaitGroup
	running.Go(func() { c.cancelSome(ctx, rand.New(rand.NewPCG(w.Seed, 11))) })
	for _, p := range plan {
		sleep(ctx, time.Until(c.produced.Add(p.At)))
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			if err := c.strike(ctx, p); err != nil && ctx.Err() == nil {
				w.say("fault did not take place: %v: %v", p, err)
			}
		})
	}
	running.Wait()
	open := c.settle(ctx, settleTime)
	// The last faults may have been armed when hardly a task was left to strike at.
	for round := 0; round < moreRounds && open == "" && ctx.Err() == nil && c.enough(len(plan)) != nil; round++ {
		w.say("%v of %d messages; there are more", c.enough(len(plan)), len(c.messages))
		c.more(w.Tally, 1, "")
		if err := c.produce(); err != nil {
			return v, err
		}
		open = c.settle(ctx, settleTime)
	}
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	e, err := c.evidence(ctx)
	if err != nil {
		return v, err
	}
	if open != "" {
		err = fmt.Errorf("not settled within %v: %s", settleTime, open)
	}
	if w.SaveTo != "" {
		err = errors.Join(err, e.Save(filepath.Join(w.SaveTo, "random.json.gz")))
	}
	v = audit.Audit(e)
	return v, errors.Join(err, c.judge(Cell{Unknown: (v.Tasks*5 - 1) / 1000}, e, v), c.enough(len(plan)))
}

// tellEvery is how often a campaign says how far it is.
const tellEvery = 20 * time.Second

// tell says how far the campaign is.
func (c *campaign) tell(ctx context.Context) {
	for {
		sleep(ctx, tellEvery)
		if ctx.Err() != nil {
			return
		}
		all, open, err := c.table.Open(ctx)
		if err != nil {
			continue // the database is away
		}
		c.world.say("%d tasks have come, %d of them are open, %d rings, %d faults so far", all, open, c.rings(), c.struck())
	}
}

// enough fails a campaign whose faults mostly did not take place.
func (c *campaign) enough(planned int) error {
	if n := c.struck(); n < planned*8/10 {
		return fmt.Errorf("%d of %d faults took place", n, planned)
	}
	return nil
}

// struck counts the faults that took place: those that the harness did itself, and
// those at points that were hit.
func (c *campaign) struck() int {
	n := 0
	c.Lane.mu.Lock()
	defer c.Lane.mu.Unlock()
	for _, f := range c.faults {
		if f.Action != "note" {
			n++
		}
	}
	return n
}

// strike has one fault take place.
func (c *campaign) strike(ctx context.Context, p planned) error {
	switch p.Kind {
	case atPoint:
		return c.point(p)
	case resetting:
		return c.reset(ctx, p)
	case killNow:
		return c.killOne(ctx, p)
	case freezeNow:
		return c.freezeOne(ctx, p)
	case cutOff, holdUp, noAnswers:
		return c.partition(ctx, p)
	case hooks:
		return c.hooks(ctx, p)
	case platform:
		c.note(audit.Fault{At: time.Now().UTC(), Process: p.Process, Action: p.Kind})
		return c.trouble(p.Body)
	case storeReply:
		c.note(audit.Fault{At: time.Now().UTC(), Process: p.Process, Action: p.Kind})
		c.toPostgres[p.Process].LoseReply(p.Body, p.Nth)
		return nil
	case backend:
		c.servers.Lock()
		defer c.servers.Unlock()
		if err := c.world.postgres.KillBackend(ctx, c.world.db); err != nil {
			return err
		}
		c.note(audit.Fault{At: time.Now().UTC(), Process: "postgres", Action: "kill"})
		return nil
	}
	return fmt.Errorf("kind %q", p.Kind)
}

func (c *campaign) process(name string) *process {
	for _, p := range c.hosts() {
		if p.cfg.Name == name {
			return p
		}
	}
	return nil
}

// point arms a process.
func (c *campaign) point(p planned) error {
	c.process(p.Process).give(fmt.Sprintf("%s:%s:%d", p.Point, p.Action, p.Nth), p.For)
	return nil
}

// reset holds a worker up before its compare-and-set and turns what runs back to its
// beginning meanwhile.
func (c *campaign) reset(ctx context.Context, p planned) error {
	proc := c.process(p.Process)
	before := proc.hits(p.Point)
	if err := c.point(p); err != nil {
		return err
	}
	if err := parts.Await(ctx, "held up", patience, func(context.Context) bool { return proc.hits(p.Point) > before }); err != nil {
		return err
	}
	return c.resetAll(ctx, 1)
}

func (c *campaign) killOne(ctx context.Context, p planned) error {
	c.servers.Lock()
	defer c.servers.Unlock()
	switch p.Process {
	case "temporal":
		return c.world.restartTemporal(ctx, c.Lane, p.For, nil)
	case "postgres":
		return c.world.restartPostgres(ctx, c.Lane, p.For)
	case "broker":
		return c.restartBroker(ctx, p.For)
	case "producer":
		return c.restartProducer(ctx, 500*time.Millisecond)
	}
	c.process(p.Process).kill()
	return nil
}

func (c *campaign) freezeOne(ctx context.Context, p planned) error {
	var child *parts.Child
	switch p.Process {
	case "temporal":
		c.servers.Lock()
		defer c.servers.Unlock()
		child = c.world.temporal.Child()
	case "broker":
		c.servers.Lock()
		defer c.servers.Unlock()
		child = c.broker
	case "carrier":
		child = c.carrier
	default:
		if !c.process(p.Process).freeze(ctx, p.For) {
			return errors.New("it was not seen stopped")
		}
		return nil
	}
	if !freeze(ctx, c.Lane, child, p.Process, p.For) {
		return errors.New("it was not seen stopped")
	}
	return nil
}

func (c *campaign) partition(ctx context.Context, p planned) error {
	proxy := map[string]map[string]*parts.Proxy{"temporal": c.toTemporal, "postgres": c.toPostgres, "platform": c.toVapi}[p.To][p.Process]
	mode := map[string]parts.Mode{cutOff: parts.Cut, holdUp: parts.Hold, noAnswers: parts.NoReply}[p.Kind]
	now := time.Now().UTC()
	c.note(audit.Fault{At: now, Until: now.Add(p.For), Process: p.Process, Action: "partition " + p.To})
	proxy.For(ctx, mode, p.For)
	return nil
}

func (c *campaign) hooks(ctx context.Context, p planned) error {
	drop, double, hold := 0.0, 0.0, time.Duration(0)
	switch p.Body {
	case "lost":
		drop = 1
	case "doubled":
		double = 1
	case "reordered":
		hold = 3 * time.Second
	default:
		drop, double, hold = 0.3, 0.5, 2*time.Second
	}
	now := time.Now().UTC()
	c.note(audit.Fault{At: now, Until: now.Add(p.For), Process: "webhooks", Action: p.Body})
	c.relay.Trouble(drop, double, hold)
	sleep(ctx, p.For)
	c.relay.Trouble(0, 0, 0)
	return nil
}

// cancelSome cancels three tasks in a hundred, somewhere in their lives.
func (c *campaign) cancelSome(ctx context.Context, rng *rand.Rand) {
	for _, m := range c.messages {
		if m.Task == "" || rng.IntN(33) != 0 {
			continue
		}
		sleep(ctx, time.Until(c.produced.Add(m.After+time.Duration(rng.Int64N(int64(3*time.Second))))))
		if ctx.Err() != nil {
			return
		}
		c.cancel(m.Task) // one that is not there yet, or a worker that is away: then not
	}
}
