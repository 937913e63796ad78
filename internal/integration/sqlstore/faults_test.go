package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

// increment adds one to the counter of a task, by compare-and-set. Who finds SQLite's file
// locked for too long has written nothing, and tries again as a host would.
func increment(ctx context.Context, s store.Store, id string) (store.Record, error) {
	for {
		r, err := s.Get(ctx, id)
		if isLocked(err) {
			continue
		}
		if err != nil {
			return r, err
		}
		r.Attempts[0].Sends++
		r.Attempts[0].OtherCallIDs = []provider.CallID{provider.CallID(fmt.Sprint(r.Attempts[0].Sends))}
		r, err = s.Update(ctx, r)
		if !errors.Is(err, store.ErrConflict) && !isLocked(err) {
			return r, err
		}
	}
}

func isLocked(err error) bool {
	return err != nil && strings.Contains(err.Error(), "database is locked")
}

func counter(t *testing.T, s store.Store) {
	t.Helper()
	if _, err := s.Create(t.Context(), store.Record{ID: "counter", Attempts: []store.Attempt{{N: 1, Provider: "vapi"}}}); err != nil {
		t.Fatal(err)
	}
}

// Handles of their own, as different processes have.
func TestManyHandles(t *testing.T) {
	const handles, each = 6, 20
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		counter(t, s)
		var wg sync.WaitGroup
		for range handles {
			other, _ := d.store(t, nil)
			wg.Go(func() {
				for range each {
					if _, err := increment(t.Context(), other, "counter"); err != nil {
						t.Errorf("increment: %v", err)
					}
				}
			})
		}
		wg.Wait()
		r, err := s.Get(t.Context(), "counter")
		if err != nil || r.Attempts[0].Sends != handles*each || r.Version != 1+handles*each {
			t.Errorf("got %d increments, Version %d and error %v, want %d", r.Attempts[0].Sends, r.Version, err, handles*each)
		}
	})
}

// TestSQLiteKill kills a process in mid-write, again and again: every write that it
// was told of must be there.
func TestSQLiteKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "voice.db")
	s := migrated(t, openSQLite(t, file, nil), sqlstore.Config{Dialect: sqlstore.SQLite})
	counter(t, s)
	acknowledged := 0
	for round := range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "VOICE_TEST_CHILD=increment", "VOICE_TEST_FILE="+file)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatalf("child: %s", lines.Text())
			}
			if n == 10+round {
				child.Process.Kill()
			}
		}
		child.Wait()
		r, err := s.Get(t.Context(), "counter")
		if err != nil {
			t.Fatal(err)
		}
		// One more may have been committed and not been told.
		if sends := r.Attempts[0].Sends; sends < acknowledged || sends > acknowledged+1 || r.Version != int64(1+sends) {
			t.Fatalf("after kill %d: counter %d, Version %d, acknowledged %d", round, sends, r.Version, acknowledged)
		}
		found, err := s.FindCall(t.Context(), "vapi", r.Attempts[0].OtherCallIDs[0])
		if err != nil || found.Version != r.Version {
			t.Errorf("after kill %d: FindCall: got Version %d and error %v, want %d", round, found.Version, err, r.Version)
		}
	}
	if acknowledged < 80 {
		t.Errorf("only %d writes were made", acknowledged)
	}
}

func init() {
	children["increment"] = func() {
		t := &testing.B{} // for its helpers only
		s, err := sqlstore.New(openSQLite(t, os.Getenv("VOICE_TEST_FILE"), nil), sqlstore.Config{Dialect: sqlstore.SQLite})
		for err == nil {
			var r store.Record
			if r, err = increment(context.Background(), s, "counter"); err == nil {
				fmt.Println(r.Attempts[0].Sends)
			}
		}
		fmt.Println(err)
		os.Exit(1)
	}
}

// TestPostgresCrash crashes the server under writers. What was acknowledged is
// there, what failed was written at most once.
func TestPostgresCrash(t *testing.T) {
	pg := postgresServer(t)
	d := database{cfg: sqlstore.Config{Dialect: sqlstore.Postgres, Prefix: freshPrefix()}}
	db := openPostgres(t, nil)
	s := migrated(t, db, d.cfg)
	counter(t, s)
	var mu sync.Mutex
	acknowledged, failed := 0, 0
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := increment(t.Context(), s, "counter")
				mu.Lock()
				if err == nil {
					acknowledged++
				} else {
					failed++
				}
				mu.Unlock()
				if err != nil {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	count := func() (ok, no int) { mu.Lock(); defer mu.Unlock(); return acknowledged, failed }
	more := func() { // until there is something to lose
		t.Helper()
		before, _ := count()
		for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if now, no := count(); now >= before+20 {
				return
			} else if time.Now().After(until) {
				t.Fatalf("%d acknowledged and %d failed, and no more come", now, no)
			}
		}
	}
	for n := range 20 {
		// Between two writes nobody feels a crash: then once more.
		if _, no := count(); n >= 3 && no > 0 {
			break
		}
		more()
		if err := pg.Crash(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	more()
	end()
	wg.Wait()
	r, err := s.Get(t.Context(), "counter")
	if err != nil {
		t.Fatal(err)
	}
	sends := r.Attempts[0].Sends
	t.Logf("%d acknowledged, %d failed, %d written", acknowledged, failed, sends)
	if sends < acknowledged || sends > acknowledged+failed || r.Version != int64(1+sends) {
		t.Errorf("counter %d, Version %d, with %d acknowledged and %d failed", sends, r.Version, acknowledged, failed)
	}
	if failed == 0 {
		t.Error("nothing failed: the crash was not felt")
	}
}

// Without a busy timeout SQLite refuses at once; the store tries again, but not for
// ever.
func TestSQLiteBusy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "voice.db")
	s := migrated(t, openSQLiteWith(t, &connector{dsn: "file:" + file}), sqlstore.Config{Dialect: sqlstore.SQLite})
	r, err := s.Create(t.Context(), store.Record{ID: "task-1"})
	if err != nil {
		t.Fatal(err)
	}
	other := openSQLiteWith(t, &connector{dsn: "file:" + file})
	hold := func(lasts time.Duration) (release func()) {
		conn, err := other.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(context.Background(), "BEGIN EXCLUSIVE"); err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(lasts)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			select {
			case <-timer.C:
			case <-stop:
			}
			conn.ExecContext(context.Background(), "ROLLBACK")
			conn.Close()
		}()
		return func() { close(stop); <-done }
	}
	// A machine that stands still may wake the store before the one who lets go: then once more.
	var release func()
	for try := 1; ; try++ {
		release = hold(100 * time.Millisecond)
		updated, err := s.Update(t.Context(), r)
		release()
		if err == nil {
			r = updated
			break
		}
		if try == 10 {
			t.Fatalf("Update of a file locked for 100 ms, ten times: %v", err)
		}
	}
	if r.Version != 2 {
		t.Errorf("Update of a file locked for 100 ms: got Version %d, want 2", r.Version)
	}

	release = hold(time.Minute)
	start := time.Now()
	calls := map[string]func() error{
		"Update": func() error { _, err := s.Update(t.Context(), r); return err },
		"Get":    func() error { _, err := s.Get(t.Context(), "task-1"); return err },
		"Acquire": func() error {
			_, err := s.Acquire(t.Context(), store.Lease{Holder: "a/1", Scopes: map[string]int{"x": 1}})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); err == nil || !strings.Contains(err.Error(), "locked") {
			t.Errorf("%s of a locked file: got error %v, want one that says so", name, err)
		}
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("gave up after %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Update(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update of a locked file until the deadline: got %v", err)
	}
	release()
	if r, err = s.Update(t.Context(), r); err != nil || r.Version != 3 {
		t.Errorf("Update afterwards: got Version %d and error %v, want 3: a failed one was written", r.Version, err)
	}
}

func TestUnstorable(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, _ := d.store(t, nil)
		ctx := t.Context()
		good, err := s.Create(ctx, store.Record{ID: "good"})
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"nul \x00", "broken \xff"} {
			for name, r := range map[string]store.Record{
				"ID":       {ID: bad},
				"RunID":    {ID: "good", RunID: bad},
				"TenantID": {ID: "good", TenantID: bad},
				"Status":   {ID: "good", Status: store.Status(bad)},
				"AgentID":  {ID: "good", AgentID: bad},
				"To":       {ID: "good", To: bad},
				"Outcome":  {ID: "good", Outcome: provider.Outcome(bad)},
				"Reason":   {ID: "good", Reason: bad},
				"CallID":   {ID: "good", Attempts: []store.Attempt{{CallID: provider.CallID(bad)}}},
				"Provider": {ID: "good", Attempts: []store.Attempt{{Provider: bad, CallID: "x"}}},
				"Other":    {ID: "good", Attempts: []store.Attempt{{OtherCallIDs: []provider.CallID{"x", provider.CallID(bad)}}}},
			} {
				if _, err := s.Create(ctx, r); !errors.Is(err, sqlstore.ErrText) {
					t.Errorf("Create with %s %q: got error %v, want %v", name, bad, err, sqlstore.ErrText)
				}
				r.Version = good.Version
				if _, err := s.Update(ctx, r); !errors.Is(err, sqlstore.ErrText) {
					t.Errorf("Update with %s %q: got error %v, want %v", name, bad, err, sqlstore.ErrText)
				}
			}
			if _, err := s.Get(ctx, bad); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get of %q: %v", bad, err)
			}
			if _, err := s.FindCall(ctx, "vapi", provider.CallID(bad)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("FindCall of %q: %v", bad, err)
			}
			for _, q := range []store.Query{{RunID: bad}, {TenantID: bad}, {After: bad, RunID: "x"}, {Statuses: []store.Status{store.Status(bad)}}} {
				if found, err := s.List(ctx, q); err != nil || len(found) != 0 {
					t.Errorf("List of %+v: got %d records and error %v", q, len(found), err)
				}
				if sum, err := s.Summarize(ctx, q); err != nil || len(sum.ByStatus) != 0 {
					t.Errorf("Summarize of %+v: got %v and error %v", q, sum, err)
				}
			}
			for _, l := range []store.Lease{{Holder: bad, Scopes: map[string]int{"x": 1}}, {Holder: "a/1", Scopes: map[string]int{bad: 1}}} {
				if taken, err := s.Acquire(ctx, l); taken || !errors.Is(err, sqlstore.ErrText) {
					t.Errorf("Acquire of %+v: got %v and error %v", l, taken, err)
				}
			}
			if err := s.Release(ctx, bad); err != nil {
				t.Errorf("Release of %q: %v", bad, err)
			}
			// What is JSON only: NUL is escaped there, broken UTF-8 replaced.
			got, err := s.Update(ctx, store.Record{ID: "good", Version: good.Version, Owner: bad})
			if err != nil {
				t.Fatal(err)
			}
			if good, err = s.Get(ctx, "good"); err != nil || good.Version != got.Version || good.Owner != strings.ToValidUTF8(bad, "\ufffd") {
				t.Errorf("Owner %q came back as %q, with error %v", bad, good.Owner, err)
			}
		}
		if _, err := s.Create(ctx, store.Record{ID: "json", Task: json.RawMessage("{\"a\":\"broken \xff\"}")}); !errors.Is(err, sqlstore.ErrText) {
			t.Errorf("Create with broken UTF-8 in Task: got error %v", err)
		}
		for name, r := range map[string]store.Record{
			"no JSON":        {ID: "bad", Task: json.RawMessage(`{"a":`)},
			"far DueAt":      {ID: "bad", DueAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
			"far LeaseUntil": {ID: "bad", LeaseUntil: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		} {
			if _, err := s.Create(ctx, r); err == nil {
				t.Errorf("Create with %s: got no error", name)
			}
		}
		if _, err := s.Get(ctx, "bad"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of what could not be created: %v", err)
		}
	})
}

// Hosts delete old tasks with SQL; the calls go along, and ids may come back.
func TestDeleteByHand(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, db := d.store(t, nil)
		for range 2 {
			for _, id := range []string{"task-1", "task-2"} {
				if err := plainCall(t.Context(), s, id); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.Exec(`DELETE FROM ` + d.table("tasks")); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := db.QueryRow(`SELECT count(*) FROM ` + d.table("calls")).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d calls are left, with error %v", n, err)
			}
		}
	})
}

// Clocks are set back; times of a row must not go with them.
func TestClockSetBack(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, db := d.store(t, nil)
		r, err := s.Create(t.Context(), store.Record{ID: "task-1"})
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(r.CreatedAt); age < -time.Minute || age > time.Minute {
			t.Errorf("CreatedAt is %v away from now", age)
		}
		later := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		if _, err := db.Exec(fmt.Sprintf(`UPDATE %s SET updated_at = %d`, d.table("tasks"), later.UnixMicro())); err != nil {
			t.Fatal(err)
		}
		if r, err = s.Update(t.Context(), r); err != nil || !r.UpdatedAt.Equal(later) {
			t.Errorf("Update: got UpdatedAt %v and error %v, want %v", r.UpdatedAt, err, later)
		}
	})
}

// Expired leases do not pile up, whatever their scope; what a holder no longer
// asks for is given back.
func TestLeasesAreSwept(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, db := d.store(t, nil)
		acquire := func(holder string, lasts time.Duration, scopes ...string) {
			l := store.Lease{Holder: holder, Scopes: map[string]int{}, Until: time.Now().Add(lasts)}
			for _, scope := range scopes {
				l.Scopes[scope] = 1
			}
			if taken, err := s.Acquire(t.Context(), l); !taken || err != nil {
				t.Errorf("Acquire for %s: got %v and error %v", holder, taken, err)
			}
		}
		acquire("crashed/1", -time.Second, "a", "b")
		acquire("crashed/2", -time.Second, "a", "b", "c")
		acquire("lives/1", time.Hour, "d", "e")
		acquire("lives/1", time.Hour, "e", "f")
		acquire("lives/2", time.Hour, "d")
		acquire("lives/3", time.Hour)
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM ` + d.table("leases")).Scan(&n); err != nil || n != 3 {
			t.Errorf("%d rows of leases and error %v, want 3", n, err)
		}
		acquire("lives/1", time.Hour)
		acquire("lives/3", time.Hour, "e", "f")
	})
}
