package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"
)

// statement is one that went to the database.
type statement struct {
	sql  string
	args []any
}

// recorder keeps the statements that go through connectors.
type recorder struct {
	mu   sync.Mutex
	seen []statement
}

func (r *recorder) add(sql string, args []driver.NamedValue) {
	if r == nil {
		return
	}
	s := statement{sql: sql}
	for _, a := range args {
		s.args = append(s.args, a.Value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
}

// take returns what was seen since the last take.
func (r *recorder) take() []statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// verbs tells statements by their first word, "WITH" by what it is around.
func verbs(all []statement) string {
	var words []string
	for _, s := range all {
		words = append(words, strings.Fields(s.sql)[0])
	}
	return strings.Join(words, " ")
}

// connector opens connections of another driver whose statements are recorded.
type connector struct {
	driver driver.Driver
	dsn    string
	rec    *recorder // may be nil
	first  string    // run on every new connection, if not empty
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	if c.first != "" {
		if _, err := inner.(driver.ExecerContext).ExecContext(ctx, c.first, nil); err != nil {
			inner.Close()
			return nil, err
		}
	}
	return &conn{Conn: inner, rec: c.rec}, nil
}

// conn passes on what both drivers of these tests implement.
type conn struct {
	driver.Conn
	rec *recorder
}

func (c *conn) ExecContext(ctx context.Context, sql string, args []driver.NamedValue) (driver.Result, error) {
	c.rec.add(sql, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, sql, args)
}

func (c *conn) QueryContext(ctx context.Context, sql string, args []driver.NamedValue) (driver.Rows, error) {
	c.rec.add(sql, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, sql, args)
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	c.rec.add("BEGIN", nil)
	inner, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	return &tx{Tx: inner, rec: c.rec}, nil
}

func (c *conn) PrepareContext(ctx context.Context, sql string) (driver.Stmt, error) {
	c.rec.add("PREPARE "+sql, nil)
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, sql)
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *conn) IsValid() bool {
	if v, ok := c.Conn.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

type tx struct {
	driver.Tx
	rec *recorder
}

func (t *tx) Commit() error   { t.rec.add("COMMIT", nil); return t.Tx.Commit() }
func (t *tx) Rollback() error { t.rec.add("ROLLBACK", nil); return t.Tx.Rollback() }
