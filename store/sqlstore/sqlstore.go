package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/superservices/voice/store"
)

// Dialect of the database.
type Dialect string

// Dialects.
const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// DefaultPrefix is what Config's empty Prefix stands for.
const DefaultPrefix = "voice_"

// Config configures New.
type Config struct {
	// Dialect of the database. Required.
	Dialect Dialect
	// Prefix of the names of all tables and indexes. It may hold a schema, or in
	// SQLite an attached database: "voice_", "voice." and "voice.app_" are fine. Each
	// part is a lower case letter or "_" and then at most 30 of those and digits. Two
	// prefixes are two stores. Changing it means starting with empty tables. Default
	// DefaultPrefix.
	Prefix string
}

// ErrText says that text cannot be stored because it holds a NUL byte or is not
// UTF-8. Nothing was written, and trying again does not help.
var ErrText = errors.New("sqlstore: text holds a NUL byte or is not UTF-8")

// Store implements store.Store and every optional interface. It is safe for
// concurrent use and for any number of processes on one database.
//
// Errors that are no sentinel wrap the driver's. After one from Create or Update
// the write may or may not have happened.
type Store struct {
	db    *sql.DB
	names names
	q     queries
}

var _ interface {
	store.Store
	store.Lister
	store.Summarizer
	store.CallFinder
	store.Leaser
	store.Durability
} = (*Store)(nil)

// New checks cfg and returns a Store over db, which stays the host's to configure
// and to close, after the last use of the Store. New does not touch db.
func New(db *sql.DB, cfg Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: db is nil; give New an opened *sql.DB")
	}
	n, err := parse(cfg)
	if err != nil {
		return nil, err
	}
	return &Store{db: db, names: n, q: newQueries(n)}, nil
}

// Durable is true: what a method acknowledged has been committed. That is as good
// as the database keeps its commits, see the package documentation.
func (s *Store) Durable() bool { return true }

// names is a checked Config.
type names struct {
	dialect        Dialect
	schema, prefix string // schema without the dot; either may be empty
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,30}$`)

// parse checks cfg. Everything that reaches a SQL text without being a parameter
// passes here.
func parse(cfg Config) (names, error) {
	switch cfg.Dialect {
	case Postgres, SQLite:
	case "":
		return names{}, errors.New("sqlstore: set Config.Dialect to sqlstore.Postgres or sqlstore.SQLite")
	default:
		return names{}, fmt.Errorf("sqlstore: Config.Dialect %q is neither sqlstore.Postgres nor sqlstore.SQLite", cfg.Dialect)
	}
	whole := cmp.Or(cfg.Prefix, DefaultPrefix)
	schema, prefix, dotted := strings.Cut(whole, ".")
	if !dotted {
		schema, prefix = "", whole
	}
	if (dotted && !identifier.MatchString(schema)) || (prefix != "" && !identifier.MatchString(prefix)) {
		return names{}, fmt.Errorf(`sqlstore: Config.Prefix %q: use a name like "voice_", a schema like "voice." or both, of lower case letters, digits and "_", at most 31 each`, whole)
	}
	return names{dialect: cfg.Dialect, schema: schema, prefix: prefix}, nil
}

// qualified returns the schema, quoted and dotted, in front of a name; the schema
// alone may be a word reserved in SQL.
func (n names) qualified(table string) string {
	if n.schema == "" {
		return n.prefix + table
	}
	return `"` + n.schema + `".` + n.prefix + table
}

// rows runs a query to its end and calls each for every row. Reading to the end
// matters for writes too: SQLite commits a statement with RETURNING only then.
func (s *Store) rows(ctx context.Context, query string, args []any, each func(*sql.Rows) error) error {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
