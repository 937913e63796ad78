package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/superservices/voice/internal/integration/faults/pgserver"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
)

// A deploy starts its processes at the same moment, and each migrates first. These
// are processes, not goroutines: all wait at the gate, and are let go together.
func TestMigrateFromManyProcesses(t *testing.T) {
	const processes, rounds = 6, 3
	for round := range rounds {
		t.Run(fmt.Sprint("sqlite/", round), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "voice.db")
			cfg := sqlstore.Config{Dialect: sqlstore.SQLite}
			migrateAtOnce(t, processes, cfg, file)
			migratedOnce(t, openSQLite(t, file, nil), cfg, processes)
		})
		t.Run(fmt.Sprint("postgres/", round), func(t *testing.T) {
			pg := postgresServer(t)
			cfg := postgresConfig()
			migrateAtOnce(t, processes, cfg, pgserver.SocketDSN(pg.Dir))
			migratedOnce(t, openPostgres(t, nil), cfg, processes)
		})
	}
}

func migrateAtOnce(t *testing.T, processes int, cfg sqlstore.Config, source string) {
	t.Helper()
	type child struct {
		*exec.Cmd
		gate  io.Closer
		lines *bufio.Scanner
	}
	var children []child
	for n := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "VOICE_TEST_CHILD=migrate", fmt.Sprint("VOICE_TEST_TASK=task-", n),
			"VOICE_TEST_DIALECT="+string(cfg.Dialect), "VOICE_TEST_PREFIX="+cfg.Prefix, "VOICE_TEST_SOURCE="+source)
		cmd.Stderr = os.Stderr
		gate, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child{cmd, gate, bufio.NewScanner(out)})
	}
	for _, c := range children {
		if !c.lines.Scan() || c.lines.Text() != "ready" {
			t.Fatalf("a process said %q, want ready", c.lines.Text())
		}
	}
	for _, c := range children {
		_ = c.gate.Close()
	}
	for _, c := range children {
		said := ""
		for c.lines.Scan() {
			said += c.lines.Text() + "\n"
		}
		if err := c.Wait(); err != nil {
			t.Errorf("a process ended with %v: %s", err, said)
		}
	}
}

// migratedOnce: every step was applied once, and every process could work after it.
func migratedOnce(t *testing.T, db *sql.DB, cfg sqlstore.Config, processes int) {
	t.Helper()
	steps, err := sqlstore.Migrations(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := database{cfg: cfg}
	var applied, last, tasks int
	if err := db.QueryRow(`SELECT count(*), max(version) FROM `+d.table("schema_version")).Scan(&applied, &last); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(`SELECT count(*) FROM ` + d.table("tasks")).Scan(&tasks); err != nil {
		t.Fatal(err)
	}
	if applied != len(steps) || last != steps[len(steps)-1].Version || tasks != processes {
		t.Errorf("%d steps up to %d and %d tasks, want %d steps and %d tasks", applied, last, tasks, len(steps), processes)
	}
}

func init() {
	children["migrate"] = func() {
		cfg := sqlstore.Config{Dialect: sqlstore.Dialect(os.Getenv("VOICE_TEST_DIALECT")), Prefix: os.Getenv("VOICE_TEST_PREFIX")}
		source := os.Getenv("VOICE_TEST_SOURCE")
		c := &connector{driver: stdlib.GetDefaultDriver(), dsn: source}
		if cfg.Dialect == sqlstore.SQLite {
			c = &connector{driver: &sqlite.Driver{}, dsn: "file:" + source + recommended}
		}
		db := sql.OpenDB(c)
		defer db.Close()
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // the gate
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		s, err := sqlstore.New(db, cfg)
		if err == nil {
			err = s.Migrate(ctx)
		}
		if err == nil {
			_, err = s.Create(ctx, store.Record{ID: os.Getenv("VOICE_TEST_TASK")})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}
