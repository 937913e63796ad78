package sqlstore_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/superservices/voice/internal/integration/faults/pgserver"
	"github.com/superservices/voice/store"
)

// cutter stands between a store and PostgreSQL. Once armed it lets the next write
// reach the server and be committed, then cuts the connection instead of passing the
// server's word on: the commit that nobody can be sure of.
type cutter struct {
	dir  string
	tag  atomic.Pointer[string] // of the command to cut off
	cuts atomic.Int32
}

func newCutter(t *testing.T, pg *pgserver.Server) *cutter {
	t.Helper()
	c := &cutter{dir: t.TempDir()}
	ln, err := net.Listen("unix", filepath.Join(c.dir, pgserver.Socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(pg.Dir, pgserver.Socket))
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() { c.pass(client, server); _ = client.Close(); _ = server.Close() }()
		}
	}()
	return c
}

// arm cuts off the next command that the server says is complete with this tag.
func (c *cutter) arm(tag string) { tag += "\x00"; c.tag.Store(&tag) }

// committed is what PostgreSQL says outside a transaction block once a command is
// over: ready, idle.
var committed = []byte("Z\x00\x00\x00\x05I")

func (c *cutter) pass(client io.Writer, server io.Reader) {
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if tag := c.tag.Load(); tag != nil && bytes.Contains(buf[:n], []byte(*tag)) && bytes.Contains(buf[:n], committed) {
			c.tag.Store(nil)
			c.cuts.Add(1)
			return
		}
		if _, writeErr := client.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func (c *cutter) open(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(&connector{driver: stdlib.GetDefaultDriver(), dsn: pgserver.SocketDSN(c.dir)})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// A write whose reply was lost is neither repeated nor taken for a conflict: the error
// claims nothing, and the row tells by its token that the write was one's own.
func TestPostgresLostReply(t *testing.T) {
	pg := postgresServer(t)
	c := newCutter(t, pg)
	d := database{cfg: postgresConfig()}
	direct := migrated(t, openPostgres(t, nil), d.cfg)
	s := migrated(t, c.open(t), d.cfg)
	ctx := t.Context()
	claimsNothing := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s whose reply was lost: got no error", what)
		}
		for _, sentinel := range []error{store.ErrExists, store.ErrConflict, store.ErrNotFound} {
			if errors.Is(err, sentinel) {
				t.Errorf("%s whose reply was lost: got %v, which claims to know", what, err)
			}
		}
	}

	c.arm("INSERT 0 1")
	fresh := store.Record{ID: "task-1", Status: store.StatusPending}
	_, err := s.Create(ctx, fresh)
	claimsNothing("Create", err)
	r, err := s.Create(ctx, fresh)
	if !errors.Is(err, store.ErrExists) || r.Version != 1 {
		t.Fatalf("the same Create again: got Version %d and %v", r.Version, err)
	}

	write := r
	write.Status = store.StatusProcessing
	write.Attempts = []store.Attempt{{N: 1, Key: "task-1/1", Provider: "vapi", State: store.AttemptReserved, Token: "mine"}}
	for _, step := range []struct{ what, tag string }{{"Update", "UPDATE 1"}, {"Update with a call id", "SELECT 1"}} {
		c.arm(step.tag)
		_, err = s.Update(ctx, write)
		claimsNothing(step.what, err)
		if _, err = s.Update(ctx, write); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the same %s again: got %v, want a conflict", step.what, err)
		}
		got, err := direct.Get(ctx, r.ID)
		if err != nil || got.Version != write.Version+1 || got.Attempts[0].Token != "mine" {
			t.Fatalf("%s: the row has Version %d, %+v and error %v", step.what, got.Version, got.Attempts, err)
		}
		write = got
		write.Attempts[0].CallID = "call-1"
	}

	l := store.Lease{Holder: "task-1/1", Scopes: map[string]int{"line": 1}, Until: time.Now().Add(time.Hour)}
	c.arm("COMMIT")
	taken, err := s.Acquire(ctx, l)
	claimsNothing("Acquire", err)
	if taken {
		t.Error("Acquire whose reply was lost: got true")
	}
	if taken, err = s.Acquire(ctx, l); !taken || err != nil {
		t.Errorf("the same Acquire again: got %v and %v", taken, err)
	}
	l.Holder = "task-2/1"
	if taken, err = s.Acquire(ctx, l); taken || err != nil {
		t.Errorf("Acquire of what the lost one took: got %v and %v", taken, err)
	}
	if n := c.cuts.Load(); n != 4 {
		t.Errorf("%d replies were lost, want 4", n)
	}
}
