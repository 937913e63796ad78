package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/store/storetest"
)

// recommended is how the package documentation says to open SQLite.
const recommended = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"

// openSQLite returns a pool for a file, with the settings of recommended.
func openSQLite(t testing.TB, file string, rec *recorder) *sql.DB {
	t.Helper()
	return openSQLiteWith(t, &connector{dsn: "file:" + file + recommended, rec: rec})
}

func openSQLiteWith(t testing.TB, c *connector) *sql.DB {
	t.Helper()
	c.driver = &sqlite.Driver{}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestSQLiteConformance(t *testing.T) {
	sqliteConformance(t, sqlstore.Config{Dialect: sqlstore.SQLite}, func(t *testing.T, file string) *sql.DB {
		return openSQLite(t, file, nil)
	})
}

// One connection: a method that wanted a second one while it has the first would
// wait for ever. No WAL: then readers stop writers at their commit.
func TestSQLiteConformanceOnOneConnection(t *testing.T) {
	sqliteConformance(t, sqlstore.Config{Dialect: sqlstore.SQLite}, func(t *testing.T, file string) *sql.DB {
		db := openSQLiteWith(t, &connector{dsn: "file:" + file + "?_pragma=busy_timeout(5000)"})
		db.SetMaxOpenConns(1)
		return db
	})
}

// An attached database takes the place of a schema.
func TestSQLiteConformanceAttached(t *testing.T) {
	sqliteConformance(t, sqlstore.Config{Dialect: sqlstore.SQLite, Prefix: "order.t_"}, func(t *testing.T, file string) *sql.DB {
		return openSQLiteWith(t, &connector{dsn: "file:" + file + ".main" + recommended, first: `ATTACH '` + file + `' AS "order"`})
	})
}

func sqliteConformance(t *testing.T, cfg sqlstore.Config, openDB func(t *testing.T, file string) *sql.DB) {
	files := map[store.Store]string{}
	dbs := map[store.Store]*sql.DB{}
	open := func(t *testing.T, file string) store.Store {
		db := openDB(t, file)
		s := migrated(t, db, cfg)
		files[s], dbs[s] = file, db
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "voice.db")) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := dbs[s].Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, files[s])
		},
	})
}
