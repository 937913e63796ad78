package voicetask

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/store"
)

// TestDueRows goes through all rows once, earliest first, whatever falls on one moment
// and whether the store heeds Query.DueFrom or, as it may, does not.
func TestDueRows(t *testing.T) {
	noon := time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		rows  int
		apart func(i int) time.Duration
		deaf  bool
		want  int
		lists int // at most
	}{
		"none":                  {rows: 0, apart: func(int) time.Duration { return 0 }, lists: 1},
		"one page":              {rows: 99, apart: func(i int) time.Duration { return time.Duration(i) }, want: 99, lists: 1},
		"pages":                 {rows: 1000, apart: func(i int) time.Duration { return time.Duration(i) * time.Second }, want: 1000, lists: 12},
		"groups":                {rows: 1000, apart: func(i int) time.Duration { return time.Duration(i/70) * time.Second }, want: 1000, lists: 30},
		"one moment":            {rows: 1000, apart: func(int) time.Duration { return 0 }, want: 1000, lists: 6},
		"pages, deaf":           {rows: 1000, apart: func(i int) time.Duration { return time.Duration(i) * time.Second }, deaf: true, want: 1000, lists: 60},
		"too many at a moment":  {rows: mostDue + 500, apart: func(int) time.Duration { return 0 }, want: mostDue, lists: 9},
		"a moment in the midst": {rows: 1500, apart: func(i int) time.Duration { return time.Duration(min(i, 400)) * time.Second }, want: 1500, lists: 14},
	} {
		t.Run(name, func(t *testing.T) {
			m := store.NewMemory()
			for i := range c.rows {
				_, err := m.Create(t.Context(), store.Record{ID: fmt.Sprintf("t%05d", i), DueAt: noon.Add(c.apart(i))})
				require.NoError(t, err)
			}
			lists, got := 0, 0
			last := store.Record{}
			for r, err := range dueRows(store.Query{DueBefore: noon.AddDate(0, 0, 1), Limit: 100}, func(q store.Query) ([]store.Record, error) {
				lists++
				if c.deaf {
					q.DueFrom = time.Time{}
				}
				return m.List(t.Context(), q)
			}) {
				if errors.Is(err, errCrowd) {
					require.Equal(t, mostDue, c.want)
					break
				}
				require.NoError(t, err)
				require.Less(t, last.ID, r.ID, "earliest first, each once")
				last = r
				got++
			}
			require.Equal(t, c.want, got)
			require.LessOrEqual(t, lists, c.lists)
		})
	}
}

func TestDueRowsEndsWithAnError(t *testing.T) {
	down := errors.New("down")
	n := 0
	for _, err := range dueRows(store.Query{DueBefore: time.Now(), Limit: 1}, func(store.Query) ([]store.Record, error) { return nil, down }) {
		require.ErrorIs(t, err, down)
		n++
	}
	require.Equal(t, 1, n)
}
