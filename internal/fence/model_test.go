package fence

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/store"
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
		{name: "lost row of a dial that is sent again", server: true, dials: 1, initial: []row{waiting(1)}, faults: budget{crashes: 1, losses: 1}, events: true},
		{name: "lost row over two dials", server: true, dials: 2, faults: budget{crashes: 1, losses: 1}, losesReplies: true, events: true, volatile: true},
		{name: "Direct: leases run out", dials: 1, faults: budget{freezes: 2}, losesReplies: true, events: true, refuses: true},
		{name: "Direct: crash and cancel", dials: 1, faults: budget{crashes: 1}, losesReplies: true, events: true, cancels: true},
		{name: "Direct beside a worker of Temporal", server: true, beside: true, dials: 1, faults: budget{freezes: 1}, losesReplies: true, events: true},
		{name: "Failover", server: true, dials: 1, faults: budget{freezes: 1, refusals: 1}, failover: true, losesReplies: true, events: true},
		{name: "a call's id is not stored, and its worker dies", server: true, dials: 1, faults: budget{crashes: 1, storeErrs: 1}, events: true, honest: true},
		{name: "server or store away twice", server: true, dials: 1, faults: budget{storeErrs: 2}, events: true, honest: true},
		{name: "somebody asks for the wrong dial", server: true, dials: 2, faults: budget{strays: 1}, losesReplies: true, events: true},
		{name: "reset over two dials", server: true, dials: 2, faults: budget{resets: 1}, events: true, refuses: true},
		{name: "a vendor that refuses for ever", server: true, dials: 1, refusesAll: true},
		{name: "a vendor that breaks its word over two dials", server: true, dials: 2, faults: budget{crashes: 1}, faithless: true, events: true},
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
	moved, made := map[int]bool{}, map[string]bool{}
	for _, m := range models() {
		m.run()
		require.Empty(t, m.bad, "%s: %s", m.name, m.finding())
		t.Logf("%-56s %6d states", m.name, len(m.states))
		visited += len(m.states)
		maps.Copy(moved, m.moved)
		for _, step := range m.labels {
			made[step] = true
		}
	}
	t.Logf("%d states in %v", visited, time.Since(began).Round(time.Millisecond))
	require.GreaterOrEqual(t, visited, 20_000, "a search this small proves little")

	for _, step := range []string{stepNames[giveBack], "look: told before", "judged: dial by the second"} {
		require.True(t, made[step], "nothing in the search goes by %q", step)
	}
	require.False(t, moved[-1], "a move that the table does not list")
	for i, row := range Transitions {
		require.True(t, moved[i], "nothing in the search makes this move: %s from %q to %q", row.Name, row.From, row.To)
	}
}

// TestEachGuardIsNeeded switches one off at a time. The search passes by all that only
// leads to harm, and goes on until the carrier's ledger shows a second ring, or a task
// is lost.
func TestEachGuardIsNeeded(t *testing.T) {
	const people, stray, faithless = "nothing goes wrong, and people steer", "somebody asks for the wrong dial", "a vendor that breaks its word over two dials"
	for guard, c := range map[string]struct{ search, harm string }{
		guardClosed:    {"reset over two dials", againRing},
		guardCancelled: {people, againRing},
		guardHeld:      {people, againRing},
		guardNext:      {stray, againRing},
		guardSettled:   {stray, againRing},
		guardSends:     {"a vendor that refuses for ever", lostTask},
		guardToken:     {"ambiguous commit, server and store down", twoRings},
		guardFirstID:   {faithless, againRing},
		guardOutcome:   {faithless, againRing},
		guardListed:    {"crash, pause, lost reply, late visibility", twoRings},
	} {
		t.Run(guard, func(t *testing.T) {
			without(t, guard)
			i := slices.IndexFunc(models(), func(m *model) bool { return m.name == c.search })
			require.GreaterOrEqual(t, i, 0)
			m := models()[i]
			m.only = c.harm
			m.run()
			require.Equal(t, c.harm, m.bad, "nothing goes wrong without it: extend the search, or remove the guard")
			t.Logf("%s: %s", m.name, m.finding())
		})
	}
}

// TestEachRowIsNeeded takes one row out of the table at a time: something goes wrong, or
// stands still for ever. ReplyLost only shortens the time for which a call is looked for.
func TestEachRowIsNeeded(t *testing.T) {
	const plain, lostRow, faithless = "nothing goes wrong, and people steer", "lost row", "a vendor that breaks its word"
	searches := map[string]string{
		nameReserve: plain, nameReserveAgain: plain, nameSendAgain: plain, nameSend: plain, nameNotSent: plain, nameGiveUp: plain,
		namePlaced: plain, nameEndedAtOnce: plain, nameProgress: plain, nameEnded: plain, nameEnriched: plain,
		nameTakeOver: "crash, pause, lost reply, late visibility", nameUnknown: "crash, pause, lost reply, late visibility",
		nameFoundLate: "crash, pause, lost reply, late visibility", nameToldLate: "crash, pause, lost reply, late visibility",
		nameAbort: "server or store away twice", nameSecondCall: faithless + " over two dials",
		nameRowLost: lostRow, nameRowLost + string(store.AttemptNotSent): "lost row of a dial that is sent again",
		nameBelied: lostRow, nameBelied + string(store.AttemptNotSent): faithless,
	}
	whole := Transitions
	t.Cleanup(func() { Transitions = whole })
	for i, row := range whole {
		if row.Name == nameReplyLost {
			continue
		}
		search := cmp.Or(searches[row.Name+string(row.From)], searches[row.Name])
		at := slices.IndexFunc(models(), func(m *model) bool { return m.name == search })
		require.GreaterOrEqual(t, at, 0, row.Name)
		m := models()[at]
		Transitions = slices.Delete(slices.Clone(whole), i, i+1)
		m.run()
		require.NotEmpty(t, m.bad, "nothing goes wrong without %s from %q to %q", row.Name, row.From, row.To)
		t.Logf("%s from %q to %q: %s", row.Name, row.From, row.To, m.bad)
	}
}

// TestTheOwnerIsNoGuard: two engines that work on one task at once ring once all the
// same. It keeps them from doing the work twice.
func TestTheOwnerIsNoGuard(t *testing.T) {
	without(t, guardOwner)
	for _, m := range models() {
		if !m.server || m.beside {
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
	for _, m := range []*model{
		{name: "a store that always says yes", dials: 1, faults: budget{freezes: 1}, only: twoRings},
		{name: "the same, with a Direct beside a worker of Temporal", server: true, beside: true, dials: 1, faults: budget{freezes: 1}, only: twoRings},
	} {
		m.run()
		require.Equal(t, twoRings, m.bad, m.name)
		t.Log(m.name + ": " + m.finding())
	}
}

// TestStoreThatForgetsAndNoOtherWitness: what the heartbeat tells makes good one loss.
func TestStoreThatForgetsAndNoOtherWitness(t *testing.T) {
	deaf = true
	t.Cleanup(func() { deaf = false })
	m := &model{name: "nobody hears the word", server: true, dials: 1, faults: budget{crashes: 1, losses: 1}, only: twoRings}
	m.run()
	require.Equal(t, twoRings, m.bad)
	t.Log(m.finding())
}

// TestNotPromised: a store that has lost a row, and no other witness, because the
// workflow was reset or because there is none.
func TestNotPromised(t *testing.T) {
	for _, m := range []*model{
		{name: "lost row and reset", server: true, dials: 1, faults: budget{resets: 1, losses: 1}, events: true},
		{name: "lost row in Direct", dials: 1, faults: budget{losses: 1, crashes: 1}, events: true, only: twoRings},
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
