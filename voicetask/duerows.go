package voicetask

import (
	"errors"
	"iter"

	"github.com/superservices/voice/store"
)

// mostDue bounds one page of dueRows: that many rows may be due at the same moment.
const mostDue = 8192

// errCrowd: so many rows are due at one moment that those behind them cannot be listed
// by when they are due. They are there in the order of their ids.
var errCrowd = errors.New("voicetask: too many rows are due at one moment")

// dueRows goes through the rows that q, which has DueBefore and a Limit, selects, the
// earliest first, page by page. It goes on behind a page by its last DueAt, and asks
// for more at once where a single moment fills the page, or where the store ignores
// DueFrom; where mostDue are not enough it ends with errCrowd. A row that changes
// meanwhile may come twice or not at all: it is there the next time.
func dueRows(q store.Query, list func(store.Query) ([]store.Record, error)) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		page, seen := q.Limit, map[string]bool{} // of the rows due at DueFrom or before
		for {
			rows, err := list(q)
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, r := range rows {
				if r.DueAt.Before(q.DueFrom) || seen[r.ID] {
					continue
				}
				if !yield(r, nil) {
					return
				}
			}
			if len(rows) < q.Limit {
				return
			}
			switch last := rows[len(rows)-1].DueAt; {
			case last.After(q.DueFrom):
				q.DueFrom, q.Limit = last, page
				clear(seen)
			case q.Limit >= mostDue:
				yield(store.Record{}, errCrowd)
				return
			default:
				q.Limit = min(2*q.Limit, mostDue)
			}
			for _, r := range rows {
				if !r.DueAt.Before(q.DueFrom) {
					seen[r.ID] = true
				}
			}
		}
	}
}
