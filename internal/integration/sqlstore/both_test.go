package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superservices/voice/store/sqlstore"
)

// database is one that tests open any number of handles to, as processes would.
type database struct {
	cfg  sqlstore.Config
	open func(t testing.TB, rec *recorder) *sql.DB
}

// table is the full name of a table.
func (d database) table(name string) string {
	if d.cfg.Prefix == "" {
		return sqlstore.DefaultPrefix + name
	}
	return d.cfg.Prefix + name
}

// store returns one over a new handle, its tables made.
func (d database) store(t testing.TB, rec *recorder) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := d.open(t, rec)
	s := migrated(t, db, d.cfg)
	if rec != nil {
		rec.take()
	}
	return s, db
}

// migrated returns a store over db whose tables are there.
func migrated(t testing.TB, db *sql.DB, cfg sqlstore.Config) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// inBoth runs a test on an empty SQLite file and in an empty PostgreSQL schema.
func inBoth(t *testing.T, test func(t *testing.T, d database)) {
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "voice.db")
		test(t, database{
			cfg:  sqlstore.Config{Dialect: sqlstore.SQLite},
			open: func(t testing.TB, rec *recorder) *sql.DB { return openSQLite(t, file, rec) },
		})
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, database{
			cfg:  sqlstore.Config{Dialect: sqlstore.Postgres, Prefix: freshPrefix()},
			open: func(t testing.TB, rec *recorder) *sql.DB { return openPostgres(t, rec) },
		})
	})
}

// explain returns the plan of a statement, as if the tables were not small.
func (d database) explain(t *testing.T, db *sql.DB, s statement) string {
	t.Helper()
	return d.plan(t, db, s, []string{"enable_seqscan", "enable_bitmapscan"})
}

// plan returns the plan of a statement; off are ways that PostgreSQL must not go.
func (d database) plan(t *testing.T, db *sql.DB, s statement, off []string) string {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	prefix := "EXPLAIN QUERY PLAN "
	if d.cfg.Dialect == sqlstore.Postgres {
		prefix = "EXPLAIN "
		for _, set := range off {
			if _, err := tx.ExecContext(t.Context(), "SET LOCAL "+set+" = off"); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows, err := tx.QueryContext(t.Context(), prefix+s.sql, s.args...)
	if err != nil {
		t.Fatalf("%s: %v", s.sql, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		var line string
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		into[len(columns)-1] = &line // SQLite has the text last
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
