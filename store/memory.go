package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// Memory implements Store and every optional interface, for tests and demos. It
// forgets everything with its process, so it is not Durable.
type Memory struct {
	mu     sync.Mutex
	now    func() time.Time
	rows   map[string]Record
	leases map[string]Lease // by holder
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{now: time.Now, rows: map[string]Record{}, leases: map[string]Lease{}}
}

// UseClock sets the clock behind CreatedAt, UpdatedAt and the end of leases.
func (m *Memory) UseClock(now func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// Durable is false: Memory loses everything with its process.
func (m *Memory) Durable() bool { return false }

var errNoID = errors.New("store: Record.ID is empty")

// Create implements Store.
func (m *Memory) Create(ctx context.Context, r Record) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	if r.ID == "" {
		return Record{}, errNoID
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.rows[r.ID]; ok {
		return clone(old), ErrExists
	}
	r.Version = 1
	r.CreatedAt = m.now().UTC()
	r.UpdatedAt = r.CreatedAt
	m.rows[r.ID] = clone(r)
	return clone(r), nil
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, id string) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.rows[id]
	if !ok {
		return Record{}, ErrNotFound
	}
	return clone(r), nil
}

// Update implements Store.
func (m *Memory) Update(ctx context.Context, r Record) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.rows[r.ID]
	switch {
	case !ok:
		return Record{}, ErrNotFound
	case old.Version != r.Version:
		return Record{}, ErrConflict
	}
	r.Version++
	r.CreatedAt = old.CreatedAt
	r.UpdatedAt = m.now().UTC()
	m.rows[r.ID] = clone(r)
	return clone(r), nil
}

// List implements Lister.
func (m *Memory) List(ctx context.Context, q Query) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.matching(q)
	if q.DueBefore.IsZero() {
		found = slices.DeleteFunc(found, func(r Record) bool { return q.After != "" && r.ID <= q.After })
		slices.SortFunc(found, byID)
	} else {
		slices.SortFunc(found, func(a, b Record) int { return cmp.Or(a.DueAt.Compare(b.DueAt), byID(a, b)) })
	}
	limit := q.Limit
	if limit < 1 {
		limit = DefaultLimit
	}
	found = found[:min(len(found), limit)]
	for i := range found {
		found[i] = clone(found[i])
	}
	return found, nil
}

// Summarize implements Summarizer.
func (m *Memory) Summarize(ctx context.Context, q Query) (Summary, error) {
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Summary{ByStatus: map[Status]int{}}
	for _, r := range m.matching(q) {
		s.ByStatus[r.Status]++
		for _, a := range r.Attempts {
			s.CostUSD += a.CostUSD
		}
	}
	return s, nil
}

// FindCall implements CallFinder.
func (m *Memory) FindCall(ctx context.Context, providerName string, id provider.CallID) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		for _, a := range r.Attempts {
			if a.Provider == providerName && id != "" && (a.CallID == id || slices.Contains(a.OtherCallIDs, id)) {
				return clone(r), nil
			}
		}
	}
	return Record{}, ErrNotFound
}

// Acquire implements Leaser.
func (m *Memory) Acquire(ctx context.Context, l Lease) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	used := map[string]int{}
	for holder, held := range m.leases {
		if !held.Until.After(now) {
			delete(m.leases, holder)
			continue
		}
		if holder != l.Holder {
			for scope := range held.Scopes {
				used[scope]++
			}
		}
	}
	for scope, most := range l.Scopes {
		if used[scope] >= most {
			return false, nil
		}
	}
	l.Scopes = maps.Clone(l.Scopes)
	m.leases[l.Holder] = l
	return true, nil
}

// Release implements Leaser.
func (m *Memory) Release(ctx context.Context, holder string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.leases, holder)
	return nil
}

// matching returns the rows q selects, but for After and Limit, unordered and not
// cloned.
func (m *Memory) matching(q Query) []Record {
	var found []Record
	for _, r := range m.rows {
		switch {
		case q.TenantID != "" && r.TenantID != q.TenantID,
			q.RunID != "" && r.RunID != q.RunID,
			len(q.Statuses) > 0 && !slices.Contains(q.Statuses, r.Status),
			!q.DueBefore.IsZero() && !r.DueAt.Before(q.DueBefore),
			!q.DueFrom.IsZero() && r.DueAt.Before(q.DueFrom):
			continue
		}
		found = append(found, r)
	}
	return found
}

func byID(a, b Record) int { return strings.Compare(a.ID, b.ID) }

// clone returns a copy that shares nothing with r.
func clone(r Record) Record {
	r.Task = bytes.Clone(r.Task)
	r.Result = bytes.Clone(r.Result)
	r.Attempts = slices.Clone(r.Attempts)
	for i := range r.Attempts {
		r.Attempts[i].OtherCallIDs = slices.Clone(r.Attempts[i].OtherCallIDs)
	}
	return r
}
