package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/superservices/voice/internal/integration/faults/parts"
	"github.com/superservices/voice/internal/integration/faults/pgserver"
)

// server is the PostgreSQL that all tests share: a real one, on a unix socket in a
// directory of its own, started by the first test that asks for it.
var server struct {
	once sync.Once
	dir  string
	pg   *pgserver.Server
	err  error
}

// postgresServer returns the running server, or skips the test.
func postgresServer(t testing.TB) *pgserver.Server {
	t.Helper()
	s := &server
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "voice-pg"); s.err == nil {
			s.pg, s.err = pgserver.Start(context.Background(), parts.NewFamily(s.dir, nil), 0)
		}
	})
	switch {
	case errors.Is(s.err, pgserver.ErrMissing) && os.Getenv("CI") == "true":
		t.Fatalf("%v; with CI=true these tests are never skipped", s.err)
	case errors.Is(s.err, pgserver.ErrMissing):
		t.Skip(s.err)
	case s.err != nil:
		t.Fatal(s.err)
	}
	return s.pg
}

// openServer returns a pool whose statements are recorded. Settings are those of the
// server: "default_transaction_isolation=serializable".
func openServer(pg *pgserver.Server, rec *recorder, settings ...string) *sql.DB {
	dsn := pgserver.SocketDSN(pg.Dir)
	for _, setting := range settings {
		dsn += " " + setting
	}
	return sql.OpenDB(&connector{driver: stdlib.GetDefaultDriver(), dsn: dsn, rec: rec})
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv("VOICE_TEST_CHILD")]; child != nil {
		child()
		return
	}
	code := m.Run()
	if server.pg != nil && server.pg.Child() != nil {
		server.pg.Child().End(syscall.SIGINT, 10*time.Second)
	}
	if server.dir != "" {
		os.RemoveAll(server.dir)
	}
	os.Exit(code)
}
