package sqlstore_test

import (
	"sync"
	"testing"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

// Every process of a deploy migrates at its start, all at the same moment.
func TestMigrateConcurrently(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 12 {
			db := d.open(t, nil)
			s, err := sqlstore.New(db, d.cfg)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				<-start
				if err := s.Migrate(t.Context()); err != nil {
					t.Errorf("Migrate: %v", err)
				}
				if _, err := s.Get(t.Context(), "nobody"); err == nil {
					t.Error("Get: no error")
				}
			})
		}
		close(start)
		wg.Wait()
		steps, err := sqlstore.Migrations(d.cfg)
		if err != nil {
			t.Fatal(err)
		}
		var n, last int
		db := d.open(t, nil)
		if err := db.QueryRow(`SELECT count(*), max(version) FROM `+d.table("schema_version")).Scan(&n, &last); err != nil {
			t.Fatal(err)
		}
		if n != len(steps) || last != steps[len(steps)-1].Version {
			t.Errorf("schema_version has %d rows up to %d, want %d", n, last, len(steps))
		}
	})
}

// A host's own tool runs the scripts; Migrate then finds nothing to do, and leaves
// tables alone that a newer library has taken further.
func TestMigrationsByHand(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		var rec recorder
		db := d.open(t, &rec)
		if d.cfg.Dialect == sqlstore.Postgres {
			if _, err := db.Exec(`CREATE SCHEMA ` + d.cfg.Prefix[:len(d.cfg.Prefix)-len(".app_")]); err != nil {
				t.Fatal(err)
			}
		}
		steps, err := sqlstore.Migrations(d.cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			if _, err := db.Exec(step.SQL); err != nil {
				t.Fatalf("step %d, %s: %v", step.Version, step.Name, err)
			}
		}
		if _, err := db.Exec(`INSERT INTO ` + d.table("schema_version") + ` (version, name) VALUES (999, 'of the future')`); err != nil {
			t.Fatal(err)
		}
		rec.take()
		s := migrated(t, db, d.cfg)
		if got := verbs(rec.take()); got != "SELECT SELECT" {
			t.Errorf("Migrate after the scripts sent %s", got)
		}
		if err := plainCall(t.Context(), s, "task-1"); err != nil {
			t.Error(err)
		}
	})
}

// A step that fails leaves nothing behind, and a connection fit for use.
func TestMigrateFails(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		db := d.open(t, nil)
		db.SetMaxOpenConns(1)
		if d.cfg.Dialect == sqlstore.Postgres {
			if _, err := db.Exec(`CREATE SCHEMA ` + d.cfg.Prefix[:len(d.cfg.Prefix)-len(".app_")]); err != nil {
				t.Fatal(err)
			}
		}
		// In the way of the last table.
		if _, err := db.Exec(`CREATE TABLE ` + d.table("leases") + ` (mine integer)`); err != nil {
			t.Fatal(err)
		}
		s, err := sqlstore.New(db, d.cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Migrate(t.Context()); err == nil {
				t.Fatal("Migrate: no error, though a table of the host is in the way")
			}
		}
		if _, err := db.Exec(`SELECT 1 FROM ` + d.table("tasks")); err == nil {
			t.Error("the failed step left a table behind")
		}
		if _, err := db.Exec(`DROP TABLE ` + d.table("leases")); err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Errorf("Migrate once the table was gone: %v", err)
		}
	})
}

// Two prefixes are two stores in one database.
func TestPrefixes(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		first, db := d.store(t, nil)
		d.cfg.Prefix = "other_" + d.cfg.Prefix
		if d.cfg.Dialect == sqlstore.Postgres {
			d.cfg.Prefix = freshPrefix()
		}
		second := migrated(t, db, d.cfg)
		if _, err := first.Create(t.Context(), store.Record{ID: "task-1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := second.Create(t.Context(), store.Record{ID: "task-1"}); err != nil {
			t.Errorf("Create with another prefix: %v", err)
		}
	})
}
