package audit

import (
	"slices"
	"sort"
	"time"
)

// recovery measures, for each fault and each task that was open when it struck, how
// long it took until something of that task moved again: its row, or its call. It is
// an upper bound of what the fault cost: a task may have had nothing to do.
func (a *auditor) recovery() {
	steps := map[string][]time.Time{} // of a task, in order
	for id, moves := range a.moves {
		for _, m := range moves {
			steps[id] = append(steps[id], m.At)
		}
	}
	numbers := map[string]string{}
	for _, m := range a.seen.Messages {
		if m.Task != "" {
			numbers[m.Callee] = m.Task
		}
	}
	for _, e := range a.seen.Ledger {
		if id := numbers[e.Number]; id != "" {
			steps[id] = append(steps[id], e.At)
		}
	}
	for id := range steps {
		slices.SortFunc(steps[id], func(x, y time.Time) int { return x.Compare(y) })
	}
	for _, f := range a.seen.Faults {
		if f.Action == "note" {
			continue
		}
		for id, moves := range a.moves {
			if !openAt(moves, f.At) {
				continue
			}
			all := steps[id]
			if i := sort.Search(len(all), func(i int) bool { return all[i].After(f.At) }); i < len(all) {
				a.Recovered = append(a.Recovered, all[i].Sub(f.At))
			}
		}
	}
	slices.Sort(a.Recovered)
}

// openAt reports whether a task was there and had not ended.
func openAt(moves []Move, at time.Time) bool {
	open := false
	for _, m := range moves {
		if m.At.After(at) {
			break
		}
		open = m.To != "" && !terminal(m.To)
	}
	return open
}

// P99 is the 99th percentile of sorted durations; 0 for none.
func P99(sorted []time.Duration) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*99/100)]
}
