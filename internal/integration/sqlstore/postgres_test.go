package sqlstore_test

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/store/storetest"
)

var schemas atomic.Int64

// freshPrefix is that of a schema that nobody has used.
func freshPrefix() string { return fmt.Sprintf("s%d.app_", schemas.Add(1)) }

func openPostgres(t testing.TB, rec *recorder, settings ...string) *sql.DB {
	t.Helper()
	db := openServer(postgresServer(t), rec, settings...)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPostgresConformance(t *testing.T) { postgresConformance(t) }

// A host may have made these its default: collisions are then errors that the
// store must try again, and a transaction does not see what it waited for.
func TestPostgresConformanceIsolated(t *testing.T) {
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			postgresConformance(t, "default_transaction_isolation='"+level+"'")
		})
	}
}

func postgresConformance(t *testing.T, settings ...string) {
	pg := postgresServer(t)
	prefixes := map[store.Store]string{}
	dbs := map[store.Store]*sql.DB{}
	open := func(t *testing.T, prefix string) store.Store {
		db := openPostgres(t, nil, settings...)
		s := migrated(t, db, sqlstore.Config{Dialect: sqlstore.Postgres, Prefix: prefix})
		prefixes[s], dbs[s] = prefix, db
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) store.Store { return open(t, freshPrefix()) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			dbs[s].Close()
			if err := pg.Crash(t.Context()); err != nil {
				t.Fatal(err)
			}
			return open(t, prefixes[s])
		},
	})
}
