package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	lookEvery = 200 * time.Millisecond
	// quietFor is how long nothing must happen after the last task has ended, so
	// that a ring that comes too late or a dead letter too many is still seen.
	quietFor = 1500 * time.Millisecond
)

// watch looks from outside at what becomes of the messages: at the store's table,
// the dead-letter topic and the carrier's ledger.
type watch struct {
	demo     *demo
	evidence evidence

	table   *table
	letters *letterBox
	ledger  ledger
	lane    map[string]string // of a task
	show    progress
}

func newWatch(d *demo) (*watch, error) {
	t, err := openTable(d.file(fileStore))
	if err != nil {
		return nil, err
	}
	box, err := openLetterBox(d.broker.addr)
	if err != nil {
		t.close()
		return nil, err
	}
	w := &watch{
		demo: d, evidence: evidence{deferrals: map[string]deferral{}},
		table: t, letters: box, ledger: ledger{file: d.file(fileLedger)},
		lane: map[string]string{}, show: newProgress(os.Stdout, d.began),
	}
	for _, c := range d.cases {
		w.lane[c.Key] = c.Lane
	}
	return w, nil
}

func (w *watch) close() {
	w.table.close()
	w.letters.close()
}

// send sends some of the cases and keeps what was acknowledged.
func (w *watch) send(ctx context.Context, from, to int) error {
	acks, err := w.demo.broker.produce(ctx, w.demo.cases, from, to)
	w.evidence.acks = append(w.evidence.acks, acks...)
	return err
}

// untilSettled looks until every message has come to its end and nothing has
// moved for a while, or until the time is up: then the audit says what is open.
func (w *watch) untilSettled(ctx context.Context) (evidence, error) {
	defer w.show.end()
	limit := time.Now().Add(w.demo.limit)
	var still snapshot
	since := time.Now()
	for {
		now, err := w.look(ctx)
		if err != nil {
			return evidence{}, err
		}
		if now != still {
			still, since = now, time.Now()
		}
		w.show.update(now)
		switch {
		case now.settled() && time.Since(since) >= quietFor:
			return w.evidence, nil
		case time.Now().After(limit):
			w.show.note(fmt.Sprintf("not everything has ended within %v", w.demo.limit))
			return w.evidence, nil
		}
		select {
		case c := <-w.demo.family.died():
			return evidence{}, errors.New(c.obituary())
		case <-ctx.Done():
			return evidence{}, context.Cause(ctx)
		default:
		}
	}
}

// look takes one look at everything. Its pace is that of the dead-letter topic.
func (w *watch) look(ctx context.Context) (snapshot, error) {
	if err := w.letters.collect(ctx, lookEvery); err != nil {
		return snapshot{}, err
	}
	if err := w.ledger.read(); err != nil {
		return snapshot{}, err
	}
	rows, err := w.table.rows(ctx)
	if err != nil {
		return snapshot{}, err
	}
	w.evidence.letters, w.evidence.entries, w.evidence.rows = w.letters.all, w.ledger.entries, rows
	w.noteDeferrals(rows)
	return w.snapshot(rows), nil
}

// noteDeferrals remembers who is put off: it no longer shows in the end.
func (w *watch) noteDeferrals(rows []row) {
	for _, r := range rows {
		if _, known := w.evidence.deferrals[r.id]; known || r.status != statusScheduled {
			continue
		}
		rule := ruleOf(r.reason)
		if rule == ruleRedial {
			continue // not put off: it has failed, and is tried again
		}
		w.evidence.deferrals[r.id] = deferral{rule, r.due}
		w.show.note(fmt.Sprintf("%s is put off for %v: %s", r.id, time.Until(r.due).Round(time.Second), r.reason))
	}
}

// snapshot counts.
func (w *watch) snapshot(rows []row) snapshot {
	s := snapshot{letters: len(w.evidence.letters)}
	for _, c := range w.demo.cases {
		if c.isTask() {
			s.tasks++
		} else {
			s.lettersWanted += c.copies()
		}
	}
	for _, r := range rows {
		if r.ended() {
			s.ended++
		}
		lane := 0
		if w.lane[r.id] == laneBulk {
			lane = 1
		}
		if i := statusIndex(r.status); i >= 0 {
			s.byStatus[i][lane]++
		}
	}
	for _, ls := range legs(w.evidence.entries) {
		for _, l := range ls {
			s.rings += l.rings
			if l.ended.IsZero() {
				s.live++
			}
		}
	}
	return s
}
