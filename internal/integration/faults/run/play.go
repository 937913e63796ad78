package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Report is the last line.
type Report struct {
	Seed         uint64  `json:"seed"`
	Fence        string  `json:"fence"`
	Tasks        int     `json:"tasks"`
	Faults       int     `json:"faults"`
	Cells        int     `json:"cells"`
	Produced     int     `json:"produced"`
	Rows         int     `json:"rows"`
	Rings        int     `json:"rings"`
	Hits         int     `json:"hits"`
	Lost         int     `json:"lost"`
	DoubleDials  int     `json:"double_dials"`
	WrongResults int     `json:"wrong_results"`
	Unknown      int     `json:"unknown"`
	CellsUnknown int     `json:"cells_unknown"`
	Recovered    float64 `json:"recovered_p99_s"`
	Failed       int     `json:"failed"` // cells and campaigns that did not hold
	Took         float64 `json:"took_s"`

	recovered []time.Duration
}

// OK reports whether everything held. With the fence off it is the other way round: the
// harness has to see phones that ring twice.
func (r Report) OK() bool {
	something := r.Produced > 0 && r.Rows > 0 && r.Rings > 0 && r.Hits > 0
	if r.Fence == "off" {
		return something && r.DoubleDials > 0
	}
	return something && r.Failed == 0 && r.Lost == 0 && r.DoubleDials == 0 && r.WrongResults == 0
}

func (r *Report) add(v audit.Verdict) {
	r.Tasks += v.Tasks
	r.Produced += v.Produced
	r.Rows += v.Rows
	r.Rings += v.Rings
	r.Lost += v.Lost
	r.DoubleDials += v.DoubleDials
	r.WrongResults += v.WrongResults
	r.recovered = append(r.recovered, v.Recovered...)
}

// Play is the whole run.
func Play(ctx context.Context, o Options) (report Report, err error) {
	report = Report{Seed: o.Seed, Fence: "on"}
	if o.FenceOff {
		report.Fence = "off"
	}
	w := &World{Options: o}
	kept := true
	defer func() { w.Close(kept && ctx.Err() == nil) }()
	if err := w.Open(ctx); err != nil {
		return report, err
	}
	w.say("seed %d, fence %s; PostgreSQL and Temporal are up", o.Seed, report.Fence)
	cells := w.chosen()
	for _, done := range w.cells(ctx, cells) {
		report.Cells++
		report.Hits += done.hits
		report.Faults += done.faults
		report.CellsUnknown += done.verdict.Unknown
		report.add(done.verdict)
		if done.err != nil {
			report.Failed++
		}
	}
	if o.Tasks > 0 && ctx.Err() == nil {
		w.say("the campaign: %d tasks, %d faults", o.Tasks, o.Faults)
		done := w.campaign(ctx)
		w.show(done)
		report.Hits += done.hits
		report.Faults += done.faults
		report.Unknown = done.verdict.Unknown
		report.add(done.verdict)
		if done.err != nil {
			report.Failed++
		}
	}
	slices.Sort(report.recovered)
	report.Recovered = audit.P99(report.recovered).Seconds()
	report.Took = time.Since(w.began).Seconds()
	kept = report.Failed > 0 && !o.FenceOff
	return report, ctx.Err()
}

// chosen are the cells of this run.
func (w *World) chosen() []Cell {
	var all []Cell
	for _, c := range Cells() {
		switch {
		case len(w.Only) > 0 && !slices.Contains(w.Only, c.Number):
		case len(w.Only) == 0 && w.Short && !c.Short:
		default:
			all = append(all, c)
		}
	}
	return all
}

// cells runs them, some at once; those that break what all share come last, one by one.
func (w *World) cells(ctx context.Context, all []Cell) []outcome {
	var (
		mu      sync.Mutex
		done    []outcome
		running sync.WaitGroup
		free    = make(chan struct{}, w.Lanes)
	)
	finish := func(o outcome) {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, o)
		w.show(o)
	}
	for _, c := range all {
		if c.Exclusive {
			continue
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-free }()
			finish(w.run(ctx, c))
		})
	}
	running.Wait()
	for _, c := range all {
		if c.Exclusive && ctx.Err() == nil {
			finish(w.run(ctx, c))
		}
	}
	return done
}

// showCampaign prints what became of the campaign.
func (w *World) showCampaign(o outcome) {
	v := o.verdict
	said := "ok"
	if o.err != nil {
		said = "FAILS"
	}
	w.say("%s %s after %.0fs: %d tasks, %d rings, %d faults, %d unknown, recovered in %.1f s (p99)",
		o.cell.Name, said, o.took.Seconds(), v.Tasks, v.Rings, o.faults, v.Unknown, audit.P99(v.Recovered).Seconds())
	if o.err != nil {
		w.say("%v", o.err)
		if !w.FenceOff {
			w.tails("random")
		}
	}
}

// show prints what became of a cell.
func (w *World) show(o outcome) {
	v := o.verdict
	if errors.Is(o.err, context.Canceled) {
		return // the run is broken off
	}
	if o.cell.Number == 0 {
		w.showCampaign(o)
		return
	}
	if o.err == nil {
		w.say("cell %s ok    %5.1fs  %d tasks, %d rings, %d hits, %d unknown  %s", o.cell.Label(), o.took.Seconds(), v.Tasks, v.Rings, o.hits, v.Unknown, o.cell.Name)
		return
	}
	w.say("cell %s FAILS %5.1fs  %s\n%v", o.cell.Label(), o.took.Seconds(), o.cell.Name, o.err)
	if !w.FenceOff {
		w.tails("c" + o.cell.Label())
	}
}
