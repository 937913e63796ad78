package sqlstore_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

func postgresConfig() sqlstore.Config {
	return sqlstore.Config{Dialect: sqlstore.Postgres, Prefix: freshPrefix()}
}

// A backend that is stopped in the middle of a write (57P01) has written nothing, and
// the write is made once more. Here a trigger stops it, twice.
func TestPostgresBackendIsStopped(t *testing.T) {
	postgresServer(t)
	cfg := postgresConfig()
	db := openPostgres(t, nil)
	s := migrated(t, db, cfg)
	schema := strings.TrimSuffix(cfg.Prefix, ".app_")
	r, err := s.Create(t.Context(), store.Record{ID: "task-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`CREATE SEQUENCE ` + schema + `.stops`, // not rolled back
		`CREATE FUNCTION ` + schema + `.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('` + schema + `.stops') <= 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10); END IF;
			RETURN new; END $$`,
		`CREATE TRIGGER stop BEFORE UPDATE ON ` + schema + `.app_tasks FOR EACH ROW EXECUTE FUNCTION ` + schema + `.stop()`,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	// The store gives up after three seconds, which a machine may stand still for: then, with
	// nothing written, once more.
	for try := 1; ; try++ {
		updated, err := s.Update(t.Context(), r)
		if err == nil {
			r = updated
			break
		}
		if try == 5 {
			t.Fatalf("Update, with two stops each time: %v", err)
		}
		if _, err := db.Exec(`SELECT setval('` + schema + `.stops', 1, false)`); err != nil {
			t.Fatal(err)
		}
	}
	if r.Version != 2 {
		t.Errorf("Update: got Version %d, want 2", r.Version)
	}
	var stops int
	if err := db.QueryRow(`SELECT last_value FROM ` + schema + `.stops`).Scan(&stops); err != nil || stops != 3 {
		t.Errorf("the trigger ran %d times, with error %v, want 3", stops, err)
	}
}

// Backends are stopped at random moments under writers: no write is made twice, none
// that was acknowledged is lost, and a conflict is always somebody else's.
func TestPostgresBackendsAreStopped(t *testing.T) {
	const writers, each, atLeast = 4, 60, 10
	postgresServer(t)
	cfg := postgresConfig()
	s := migrated(t, openPostgres(t, nil, "application_name=stopped"), cfg)
	admin := openPostgres(t, nil)
	var acknowledged, unsure, stopped atomic.Int64
	done := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for before := int64(0); ; {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				// On a slow machine nobody would get as far as a write.
				now := acknowledged.Load()
				if now == before {
					continue
				}
				before = now
				var n int64
				if err := admin.QueryRow(`SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE application_name = 'stopped' LIMIT 2) AS stopped`).Scan(&n); err == nil {
					stopped.Add(n)
				}
			}
		}
	})
	var wg sync.WaitGroup
	for w := range writers { // each has a task of its own, so that nobody else can be in the way
		wg.Go(func() {
			id := fmt.Sprint("task-", w)
			r, err := s.Create(t.Context(), store.Record{ID: id, Attempts: []store.Attempt{{N: 1}}})
			// On a quick machine the writes are done before enough was stopped: then go on.
			for n := 0; (n < each || stopped.Load() < atLeast && n < 100*each) && t.Context().Err() == nil; {
				if err == nil {
					next := r
					next.Attempts = []store.Attempt{{N: 1, Sends: r.Attempts[0].Sends + 1}}
					next, err = s.Update(t.Context(), next)
					if errors.Is(err, store.ErrConflict) {
						t.Errorf("a conflict with nobody: %v", err)
						return
					}
					n++
					if err == nil {
						acknowledged.Add(1)
						r = next
						continue
					}
				}
				unsure.Add(1)
				if r, err = s.Get(t.Context(), id); errors.Is(err, store.ErrNotFound) {
					r, err = s.Create(t.Context(), store.Record{ID: id, Attempts: []store.Attempt{{N: 1}}})
				}
			}
		})
	}
	wg.Wait()
	close(done)
	killer.Wait()
	var written int64
	for w := range writers {
		r, err := s.Get(t.Context(), fmt.Sprint("task-", w))
		for err != nil && t.Context().Err() == nil && !errors.Is(err, store.ErrNotFound) { // a connection stopped last
			r, err = s.Get(t.Context(), fmt.Sprint("task-", w))
		}
		if err != nil || r.Version != int64(1+r.Attempts[0].Sends) {
			t.Errorf("task-%d: Version %d with %d writes, error %v", w, r.Version, r.Attempts[0].Sends, err)
			continue
		}
		written += int64(r.Attempts[0].Sends)
	}
	t.Logf("%d backends stopped; %d writes acknowledged, %d left unsure, %d made", stopped.Load(), acknowledged.Load(), unsure.Load(), written)
	if written < acknowledged.Load() || written > acknowledged.Load()+unsure.Load() {
		t.Error("writes were lost or made twice")
	}
	if stopped.Load() < atLeast {
		t.Errorf("%d backends were stopped, want %d", stopped.Load(), atLeast)
	}
}

// No connection is to be had (53300): for a moment it is waited for, and no longer.
func TestPostgresTooManyConnections(t *testing.T) {
	postgresServer(t)
	cfg := postgresConfig()
	admin := openPostgres(t, nil)
	migrated(t, admin, cfg)
	schema := strings.TrimSuffix(cfg.Prefix, ".app_")
	role := schema + "_role"
	for _, text := range []string{
		`CREATE ROLE ` + role + ` LOGIN CONNECTION LIMIT 1`,
		`GRANT USAGE ON SCHEMA ` + schema + ` TO ` + role,
		`GRANT ALL ON ALL TABLES IN SCHEMA ` + schema + ` TO ` + role,
	} {
		if _, err := admin.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlstore.New(openPostgres(t, nil, "user="+role), cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool := openPostgres(t, nil, "user="+role)
	hold := func() (free func()) {
		holder, err := pool.Conn(t.Context())
		for err != nil && t.Context().Err() == nil { // the one freed before may still be on its way out
			holder, err = pool.Conn(t.Context())
		}
		return func() {
			_ = holder.Raw(func(any) error { return driver.ErrBadConn })
			_ = holder.Close()
		}
	}
	free := hold()
	var coded interface{ SQLState() string }
	if _, err := s.Create(t.Context(), store.Record{ID: "task-1"}); !errors.As(err, &coded) || coded.SQLState() != "53300" {
		t.Errorf("Create without a connection: got %v, want state 53300", err)
	}
	// A busy machine may free it too late: then once more.
	for range 10 {
		time.AfterFunc(100*time.Millisecond, free)
		var r store.Record
		if r, err = s.Create(t.Context(), store.Record{ID: "task-1"}); err == nil && r.Version == 1 {
			return
		}
		free = hold()
	}
	t.Errorf("Create while a connection came free: %v", err)
}
