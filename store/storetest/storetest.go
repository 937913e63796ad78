// Package storetest checks a store.Store of yours against the contract.
//
// You give [Run] a [Harness] that opens fresh stores and reopens one after a
// restart; it runs every check as a subtest with a store of its own:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			Open:   func(t *testing.T) store.Store { return open(t, t.TempDir()) },
//			Reopen: func(t *testing.T, s store.Store) store.Store { ... },
//		})
//	}
//
// What the suite cannot see: whether a write survives the loss of the machine, or
// a failover to a replica that lags. The dial fence needs both, see package store.
//
// # Checks
//
// create, create_race, not_found, compare_and_set, own_write, contention, attempts,
// versions_and_times, isolation, round_trip, zero_values, json, large, strings,
// cancelled_context and restart are for every store. list_order, list_pages, list_filters and list_due
// ask for store.Lister, summarize for store.Summarizer, find_call for
// store.CallFinder; leases, lease_race and lease_expiry for store.Leaser. Without
// the interface they are skipped, by name; Run logs which are there.
//
// Times may be cut to the microsecond, JSON may change its white space, and an
// empty slice may come back nil.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/superservices/voice/store"
)

// Harness tells Run how to open the store under test.
type Harness struct {
	// Open returns a fresh, empty store, independent of those it returned before, and
	// has it closed with t.Cleanup. A check may open more than one. Required.
	Open func(t *testing.T) store.Store
	// Reopen returns a store with the data of s after a restart: close s, drop what it
	// keeps in memory, open the same data again. Better still, kill the database. May
	// be nil only for a store whose Durable is false.
	Reopen func(t *testing.T, s store.Store) store.Store
}

// Run checks the stores of h.Open against the contract of package store, a fresh
// store for each subtest. Optional interfaces are checked when present.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("storetest: set Harness.Open")
	}
	s := h.Open(t)
	for _, i := range interfaces {
		if i.in(s) {
			t.Logf("store.%s: there", i.name)
		} else {
			t.Logf("store.%s: not there; needed for %s", i.name, i.use)
		}
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(t.Context(), newSubject(t, h)); errors.Is(err, errAbsent) {
				t.Skip(err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// check is one subtest: it opens what it needs from the subject and returns what
// is wrong. Being a plain function it can be seen to fail.
type check struct {
	name  string
	needs string // name in interfaces, or empty
	do    func(ctx context.Context, s subject) error
}

var checks = []check{
	{"create", "", checkCreate},
	{"create_race", "", checkCreateRace},
	{"not_found", "", checkNotFound},
	{"compare_and_set", "", checkCompareAndSet},
	{"own_write", "", checkOwnWrite},
	{"contention", "", checkContention},
	{"attempts", "", checkAttempts},
	{"versions_and_times", "", checkVersionsAndTimes},
	{"isolation", "", checkIsolation},
	{"round_trip", "", checkRoundTrip},
	{"zero_values", "", checkZeroValues},
	{"json", "", checkJSON},
	{"large", "", checkLarge},
	{"strings", "", checkStrings},
	{"cancelled_context", "", checkCancelledContext},
	{"restart", "", checkRestart},
	{"list_order", "Lister", checkListOrder},
	{"list_pages", "Lister", checkListPages},
	{"list_filters", "Lister", checkListFilters},
	{"list_due", "Lister", checkListDue},
	{"summarize", "Summarizer", checkSummarize},
	{"find_call", "CallFinder", checkFindCall},
	{"leases", "Leaser", checkLeases},
	{"lease_race", "Leaser", checkLeaseRace},
	{"lease_expiry", "Leaser", checkLeaseExpiry},
}

// interfaces are the optional ones.
var interfaces = []struct {
	name, use string
	in        func(s store.Store) bool
}{
	{"Lister", "Direct and the sweeper", is[store.Lister]},
	{"Summarizer", "the status of runs", is[store.Summarizer]},
	{"CallFinder", "webhooks that carry a call id only", is[store.CallFinder]},
	{"Leaser", "voicetask.Config.Limits", is[store.Leaser]},
	{"Durability", "a store that can lose writes; without it the store is taken for durable", is[store.Durability]},
}

func is[T any](s store.Store) bool {
	_, ok := s.(T)
	return ok
}

var errAbsent = errors.New("optional interface is not implemented")

// run does the check, or returns errAbsent.
func (c check) run(ctx context.Context, s subject) error {
	for _, i := range interfaces {
		if i.name == c.needs && !i.in(s.open()) {
			return fmt.Errorf("store.%s: %w", c.needs, errAbsent)
		}
	}
	return c.do(ctx, s)
}

// subject is what a check sees of a Harness.
type subject struct {
	open   func() store.Store
	reopen func(store.Store) store.Store // may be nil
}

func newSubject(t *testing.T, h Harness) subject {
	s := subject{open: func() store.Store { return h.Open(t) }}
	if h.Reopen != nil {
		s.reopen = func(old store.Store) store.Store { return h.Reopen(t, old) }
	}
	return s
}

// problems gathers what is wrong, so that one run tells all of it.
type problems []string

func (p *problems) addf(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// want adds a problem unless err is target.
func (p *problems) want(target, err error, format string, args ...any) {
	if !errors.Is(err, target) {
		p.addf("%s: got error %v, want %v", fmt.Sprintf(format, args...), err, target)
	}
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p, "\n"))
}
