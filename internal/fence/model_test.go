package fence

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The model is an exhaustive search of everything that can happen around two
// overlapping executions of one dial, or of two: each interleaving of their steps with
// each other and with crash, pause, lost replies, late requests and late writes,
// events, cancel, hold, a reset of the workflow, and a store that forgets. Its
// transitions are this package's own functions, on real records.

// pending is the row that Submit writes.
var pending = row{version: 1}

// models are the searches: all faults at once would be too many states for a second,
// so each combines those that meddle with each other.
func models() []*model {
	waiting := func(sends code) row { // a dial that was not placed, so many times
		return row{version: 1, owner: 1, dials: [2]dial{{state: notSent, token: dead, sends: sends}}}
	}
	return []*model{
		{
			name: "nothing goes wrong, and people steer", server: true, dials: 2, faults: budget{refusals: 1, holds: 1},
			events: true, cancels: true, refuses: true, defers: true, honest: true,
		},
		{
			name: "crash, pause, lost reply, late visibility", server: true, dials: 1, faults: budget{crashes: 1, freezes: 1, refusals: 1},
			losesReplies: true, events: true, honest: true,
		},
		{name: "pause and lost reply over two dials", server: true, dials: 2, faults: budget{freezes: 1}, losesReplies: true, events: true},
		{name: "cancel", server: true, dials: 1, faults: budget{crashes: 1, freezes: 1}, losesReplies: true, events: true, cancels: true},
		{
			name: "ambiguous commit, server and store down", server: true, dials: 1, faults: budget{freezes: 1, storeErrs: 1, refusals: 1},
			losesReplies: true, events: true, honest: true,
		},
		{name: "reset", server: true, dials: 1, faults: budget{resets: 1, freezes: 1}, losesReplies: true, events: true, refuses: true},
		{name: "lost row", server: true, dials: 1, faults: budget{crashes: 1, freezes: 1, losses: 1}, losesReplies: true, events: true},
		{name: "lost row over two dials", server: true, dials: 2, faults: budget{crashes: 1, losses: 1}, losesReplies: true, events: true, volatile: true},
		{name: "Direct: leases run out", dials: 1, faults: budget{freezes: 2}, losesReplies: true, events: true, refuses: true},
		{name: "Direct: crash and cancel", dials: 1, faults: budget{crashes: 1}, losesReplies: true, events: true, cancels: true},
		{name: "somebody asks for the wrong dial", server: true, dials: 2, faults: budget{strays: 1}, losesReplies: true, events: true},
		{name: "a vendor that breaks its word", server: true, dials: 1, faults: budget{refusals: 1}, faithless: true, losesReplies: true, events: true},
		{
			name: "sends used up", server: true, dials: 1, initial: []row{waiting(MaxSends), waiting(MaxSends - 1)},
			faults: budget{crashes: 1, refusals: 2}, losesReplies: true, events: true,
		},
	}
}

// TestModel searches them all. It finds nothing wrong, and makes each move of the table.
func TestModel(t *testing.T) {
	began, visited := time.Now(), 0
	moved := map[int]bool{}
	for _, m := range models() {
		m.run()
		require.Empty(t, m.bad, "%s: %s", m.name, m.finding())
		t.Logf("%-45s %6d states", m.name, len(m.states))
		visited += len(m.states)
		maps.Copy(moved, m.moved)
	}
	t.Logf("%d states in %v", visited, time.Since(began).Round(time.Millisecond))
	require.GreaterOrEqual(t, visited, 20_000, "a search this small proves little")

	require.False(t, moved[-1], "a move that the table does not list")
	for i, row := range Transitions {
		require.True(t, moved[i], "nothing in the search makes this move: %s from %q to %q", row.Name, row.From, row.To)
	}
}

// TestEachGuardIsNeeded switches one off at a time, and the search finds what it is
// there for.
func TestEachGuardIsNeeded(t *testing.T) {
	for guard, search := range map[string]string{
		guardClosed:    "reset",
		guardCancelled: "cancel",
		guardHeld:      "nothing goes wrong, and people steer",
		guardNext:      "somebody asks for the wrong dial",
		guardSettled:   "somebody asks for the wrong dial",
		guardSends:     "sends used up",
		guardToken:     "ambiguous commit, server and store down",
		guardFirstID:   "a vendor that breaks its word",
		guardOutcome:   "pause and lost reply over two dials",
		guardListed:    "crash, pause, lost reply, late visibility",
	} {
		t.Run(guard, func(t *testing.T) {
			without(t, guard)
			i := slices.IndexFunc(models(), func(m *model) bool { return m.name == search })
			require.GreaterOrEqual(t, i, 0)
			m := models()[i]
			m.ringsOnly = guard == guardListed // enough goes wrong without the table before a phone rings twice
			m.run()
			require.NotEmpty(t, m.bad, "nothing goes wrong without it: extend the search, or remove the guard")
			t.Logf("%s: %s", m.name, m.finding())
		})
	}
}

// TestTheOwnerIsNoGuard: two engines that work on one task at once ring once all the
// same. It keeps them from doing the work twice.
func TestTheOwnerIsNoGuard(t *testing.T) {
	without(t, guardOwner)
	for _, m := range models() {
		if !m.server {
			m.run()
			require.Empty(t, m.bad, "%s: %s", m.name, m.finding())
		}
	}
}

// TestStoreWithoutCompareAndSet: everything rests on it, where no Temporal server bears
// witness besides.
func TestStoreWithoutCompareAndSet(t *testing.T) {
	blind = true
	t.Cleanup(func() { blind = false })
	m := &model{name: "a store that always says yes", dials: 1, faults: budget{freezes: 1}, ringsOnly: true}
	m.run()
	require.Equal(t, twoRings, m.bad)
	t.Log(m.finding())
}

// TestNotPromised: a store that has lost a row, and no other witness, because the
// workflow was reset or because there is none.
func TestNotPromised(t *testing.T) {
	for _, m := range []*model{
		{name: "lost row and reset", server: true, dials: 1, faults: budget{resets: 1, losses: 1}, events: true},
		{name: "lost row in Direct", dials: 1, faults: budget{losses: 1, crashes: 1}, events: true, ringsOnly: true},
	} {
		m.run()
		require.Empty(t, m.bad, m.finding())
		require.Equal(t, 2, m.rung, "%s: if this holds by now, say so in docs/design.md", m.name)
	}
}

func without(t *testing.T, guard string) {
	off = guard
	t.Cleanup(func() { off = "" })
}
