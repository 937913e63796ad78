package kafkasrc_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	temporal "go.temporal.io/sdk/client"

	"github.com/superservices/voice/internal/integration/devserver"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

const (
	absorbMessages = 2000
	absorbPace     = 12 // messages each 100 ms: what a small Temporal starts beside all the rest
)

// TestAbsorbed is a storm whose members submit as a host's do: to a Temporal server, with rows that
// they share. One is killed and one frozen, each in the middle of Submits; others submit these records
// again, and the thawed one goes on with them. Each task has one row and one workflow.
func TestAbsorbed(t *testing.T) {
	w := emptyBroker(t)
	w.createTopic(t, w.topic, stormPartitions, nil)
	protocol, strategy := "consumer", ""
	if w.Kind() == "apache" {
		protocol, strategy = "classic", "cooperative-sticky"
	}
	a := &absorber{storm: storm{w: w, crew: newCrew(t, w, protocol, strategy)}}
	a.pace.Store(absorbPace)
	a.startHost(t)
	stay := []*member{a.join(t), a.join(t)}
	calm, fed := make(chan struct{}), make(chan error, 1)
	go func() { fed <- a.feed(t.Context(), client(t, w), absorbMessages, calm) }()
	killed := a.kill(t)
	frozen, finished := a.freeze(t)
	// Which starts are refused depends on the moment in which Submits were stopped.
	for n := 0; n < 5 && a.refused(t) == 0; n++ {
		more, did := a.freeze(t)
		frozen, finished = append(frozen, more...), finished+did
	}
	close(calm)
	if err := <-fed; err != nil {
		t.Fatalf("producing: %v", err)
	}
	eventually(t, "all is committed", func() bool { return committedSum(w, w.group, w.topic) == a.sent.Load() })
	for _, m := range stay {
		m.end(t, syscall.SIGTERM)
	}

	again, refused := a.repeated(t, slices.Concat(killed, frozen)), a.refused(t)
	t.Logf("measured: %d tasks, of which %d were submitted more than once; %d of these starts were refused by Temporal; in the middle of a Submit were %d when a member was killed, %d when one was frozen, who then finished %d",
		a.sent.Load(), again, refused, len(killed), len(frozen), finished)
	if again == 0 || refused == 0 {
		t.Errorf("%d tasks were submitted more than once and %d starts were refused: there was nothing to absorb", again, refused)
	}
	a.wantOnce(t, "workflow", a.workflows(t))
	a.wantOnce(t, "row", a.rowIDs(t))
}

// An absorber is a storm with what stands behind its members.
type absorber struct {
	storm
	addr, file string
	engine     temporal.Client
	rows       *sqlstore.Store
	db         *sql.DB
}

func (a *absorber) startHost(t *testing.T) {
	t.Helper()
	server, err := devserver.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Client().Close()
		_ = server.Stop() // nothing in it is needed any more
	})
	a.addr, a.engine, a.file = server.FrontendHostPort(), server.Client(), filepath.Join(t.TempDir(), "voice.db")
	if a.rows, a.db, err = openRows(a.file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.db.Close() })
	if err := a.rows.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (a *absorber) join(t *testing.T) *member {
	t.Helper()
	return a.crew.join(t, func(told *memberConfig) {
		told.Submit, told.Temporal, told.Rows = 0, a.addr, a.file
	})
}

// stopInside joins a guest and stops it in the middle of Submits. It returns their tasks.
func (a *absorber) stopInside(t *testing.T) (guest *member, inside []string) {
	t.Helper()
	guest = a.join(t)
	eventually(t, "a guest is in the middle of Submits", func() bool {
		if r, _ := guest.report(); r.Accepted == 0 {
			return false
		}
		guest.freeze(t)
		if inside = a.inside(t, guest.pid()); len(inside) > 0 && a.writable(t) {
			return true
		}
		guest.signal(t, syscall.SIGCONT)
		return false
	})
	return guest, inside
}

// inside are the tasks whose Submit that member has begun, and not ended.
func (a *absorber) inside(t *testing.T, pid int) (ids []string) {
	t.Helper()
	accepted := a.crew.accepted(t)
	for id, who := range a.crew.ledger(t, ledgerBegun) {
		if slices.Contains(who, pid) && !slices.Contains(accepted[id], pid) {
			ids = append(ids, id)
		}
	}
	return ids
}

// writable reports whether the others can go on: one that is stopped in the middle of SQLite's writing
// stops them all, which is not the matter here.
func (a *absorber) writable(t *testing.T) bool {
	t.Helper()
	conn, err := a.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, do := range []string{"PRAGMA busy_timeout=500", "BEGIN IMMEDIATE", "ROLLBACK", "PRAGMA busy_timeout=5000"} {
		if _, err := conn.ExecContext(t.Context(), do); err != nil {
			return false
		}
	}
	return true
}

func (a *absorber) kill(t *testing.T) (inside []string) {
	t.Helper()
	guest, inside := a.stopInside(t)
	guest.end(t, syscall.SIGKILL)
	return inside
}

// freeze thaws the guest when others have submitted its tasks, and returns how many of these it has then
// finished by itself.
func (a *absorber) freeze(t *testing.T) (inside []string, finished int) {
	t.Helper()
	guest, inside := a.stopInside(t)
	before, _ := guest.report()
	eventually(t, "others have submitted the tasks of a frozen member", func() bool {
		begun := a.crew.ledger(t, ledgerBegun)
		return !slices.ContainsFunc(inside, func(id string) bool { return begun[id][len(begun[id])-1] == guest.pid() })
	})
	guest.signal(t, syscall.SIGCONT)
	eventually(t, "the thawed one goes on", func() bool { r, _ := guest.report(); return r.Accepted > before.Accepted })
	guest.end(t, syscall.SIGTERM)
	accepted := a.crew.accepted(t)
	for _, id := range inside {
		if slices.Contains(accepted[id], guest.pid()) {
			finished++
		}
	}
	return inside, finished
}

// repeated is how many tasks were submitted more than once, as those inside must have been.
func (a *absorber) repeated(t *testing.T, inside []string) (again int) {
	t.Helper()
	for id, who := range a.crew.ledger(t, ledgerBegun) {
		if len(who) > 1 {
			again++
		} else if slices.Contains(inside, id) {
			t.Errorf("%s was left in the middle of its Submit, and not submitted again", id)
		}
	}
	return again
}

// refused is how many starts Temporal has refused.
func (a *absorber) refused(t *testing.T) (n int) {
	t.Helper()
	for _, who := range a.crew.ledger(t, ledgerKnown) {
		n += len(who)
	}
	return n
}

// workflows are the tasks of all executions that Temporal lists: one that was started twice stands there
// twice.
func (a *absorber) workflows(t *testing.T) (ids []string) {
	t.Helper()
	list := func() int {
		all, err := collect.Workflows(t.Context(), a.engine, voicetask.DefaultTaskQueue)
		if err != nil {
			t.Fatal(err)
		}
		ids = ids[:0]
		for _, w := range all {
			ids = append(ids, strings.TrimPrefix(w.ID, voicetask.WorkflowID("")))
		}
		return len(ids)
	}
	// The list lags behind a little.
	eventually(t, "the workflows are listed", func() bool { return list() >= int(a.sent.Load()) })
	seen := len(ids)
	always(t, "the list is complete", time.Second, func() bool { return list() == seen })
	return ids
}

func (a *absorber) rowIDs(t *testing.T) (ids []string) {
	t.Helper()
	for q := (store.Query{Limit: 500}); ; q.After = ids[len(ids)-1] {
		page, err := a.rows.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		if len(page) == 0 {
			return ids
		}
	}
}

// wantOnce fails unless each message's task is there once, and nothing else.
func (a *absorber) wantOnce(t *testing.T, what string, ids []string) {
	t.Helper()
	count := map[string]int{}
	for _, id := range ids {
		count[id]++
	}
	messages, missing, twice := int(a.sent.Load()), 0, 0
	for i := range messages {
		switch count[numbered("s", i)] {
		case 0:
			missing++
		case 1:
		default:
			twice++
		}
	}
	if messages < absorbMessages || missing > 0 || twice > 0 || len(ids) != messages {
		t.Errorf("of %d tasks %d have no %s and %d have several; there are %d", messages, missing, what, twice, len(ids))
	}
}
