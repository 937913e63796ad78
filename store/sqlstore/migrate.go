package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations
var files embed.FS

// Migration is one step, for hosts that run their own tool. Steps are only added,
// and a released one never changes.
type Migration struct {
	// Version counts from 1.
	Version int
	Name    string
	// SQL is a script of several statements without parameters, to be run as a whole
	// in one transaction; SQLite's has triggers, so do not split it at semicolons. It
	// writes its version to the schema_version table, which Migrate reads: both ways
	// can be mixed. It does not create the schema of Config.Prefix.
	SQL string
}

// Migrations returns all steps for cfg, in order.
func Migrations(cfg Config) ([]Migration, error) {
	n, err := parse(cfg)
	if err != nil {
		return nil, err
	}
	return migrations(n)
}

func migrations(n names) ([]Migration, error) {
	schema := ""
	if n.schema != "" {
		schema = `"` + n.schema + `".`
	}
	fill := strings.NewReplacer("{schema}", schema, "{prefix}", n.prefix)
	dir := "migrations/" + string(n.dialect)
	entries, err := fs.ReadDir(files, dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var steps []Migration
	for _, e := range entries {
		text, err := fs.ReadFile(files, dir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: migration %s: %w", e.Name(), err)
		}
		steps = append(steps, Migration{Version: version, Name: name, SQL: fill.Replace(string(text))})
	}
	return steps, nil
}

// Migrate brings the tables up to date. Many processes may call it at once: one
// works, the others wait for it, at most as long as ctx. It is one cheap read when
// nothing is to do. Tables of a newer library are left alone: steps only add, so an
// older one works with them while a deploy rolls on.
//
// The steps are one transaction. In PostgreSQL it also creates the schema of
// Config.Prefix if that is missing.
func (s *Store) Migrate(ctx context.Context) error {
	steps, err := migrations(s.names)
	if err != nil {
		return err
	}
	last := steps[len(steps)-1].Version
	err = s.retry(ctx, func() error {
		if at, err := s.version(ctx, s.db); err != nil || at >= last {
			return err
		}
		if s.names.dialect == Postgres {
			return s.migratePostgres(ctx, steps)
		}
		return s.migrateSQLite(ctx, steps)
	})
	if err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return nil
}

// querier is a *sql.DB, *sql.Conn or *sql.Tx.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version returns the highest step applied, 0 for none.
func (s *Store) version(ctx context.Context, db querier) (int, error) {
	table := s.names.qualified("schema_version")
	var there bool
	var err error
	if s.names.dialect == Postgres {
		err = db.QueryRowContext(ctx, `SELECT to_regclass(CAST($1 AS text)) IS NOT NULL`, table).Scan(&there)
	} else {
		master := "sqlite_master"
		if s.names.schema != "" {
			master = `"` + s.names.schema + `".` + master
		}
		err = db.QueryRowContext(ctx, `SELECT count(*) > 0 FROM `+master+` WHERE type = 'table' AND name = ?`,
			s.names.prefix+"schema_version").Scan(&there)
	}
	if err != nil || !there {
		return 0, err
	}
	var at int
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM `+table).Scan(&at)
	return at, err
}

// apply runs the steps that are missing, under a lock that lets no other in.
func (s *Store) apply(ctx context.Context, db querier, steps []Migration) error {
	at, err := s.version(ctx, db)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.Version <= at {
			continue
		}
		if _, err := db.ExecContext(ctx, step.SQL); err != nil {
			return fmt.Errorf("step %d, %s: %w", step.Version, step.Name, err)
		}
	}
	return nil
}

func (s *Store) migratePostgres(ctx context.Context, steps []Migration) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, advisoryLock(s.names, "migrate", "")); err != nil {
			return err
		}
		if err := s.createSchema(ctx, tx); err != nil {
			return err
		}
		return s.apply(ctx, tx, steps)
	})
}

// createSchema looks first: IF NOT EXISTS asks for the right to create even when
// there is nothing to do.
func (s *Store) createSchema(ctx context.Context, tx *sql.Tx) error {
	if s.names.schema == "" {
		return nil
	}
	var there bool
	err := tx.QueryRowContext(ctx, `SELECT to_regnamespace(CAST($1 AS text)) IS NOT NULL`, `"`+s.names.schema+`"`).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.ExecContext(ctx, `CREATE SCHEMA "`+s.names.schema+`"`)
	return err
}

// rollbackTime bounds a rollback after ctx has ended.
const rollbackTime = 10 * time.Second

// migrateSQLite holds one connection: database/sql cannot begin IMMEDIATE, and a
// transaction that starts by reading could not wait for another writer.
func (s *Store) migrateSQLite(ctx context.Context, steps []Migration) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err = s.apply(ctx, conn, steps); err == nil {
		_, err = conn.ExecContext(ctx, `COMMIT`)
	}
	if err == nil {
		return nil
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer stop()
	if _, rollback := conn.ExecContext(end, `ROLLBACK`); rollback != nil {
		// Not to go back to the pool in the middle of a transaction.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}
