package collect

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Table reads one table of tasks.
type Table struct {
	db     *sql.DB
	prefix string
}

// NewTable reads tables of that prefix.
func NewTable(db *sql.DB, prefix string) *Table { return &Table{db, prefix} }

// Watch has the database write down each change of a row, by a trigger: what the
// library does to a row cannot be done unseen.
func (t *Table) Watch(ctx context.Context) error {
	for _, statement := range []string{
		`CREATE TABLE %[1]smoves (seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), id text NOT NULL,
			was text NOT NULL, became text NOT NULL, before text NOT NULL, outcome text NOT NULL)`,
		`CREATE FUNCTION %[1]smove() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO %[1]smoves (id, was, became, before, outcome) VALUES (
				coalesce(NEW.id, OLD.id), coalesce(OLD.status, ''), coalesce(NEW.status, ''), coalesce(OLD.outcome, ''), coalesce(NEW.outcome, ''));
			RETURN NULL; END $$`,
		`CREATE TRIGGER %[1]swatch AFTER INSERT OR UPDATE OR DELETE ON %[1]stasks FOR EACH ROW EXECUTE FUNCTION %[1]smove()`,
	} {
		if _, err := t.db.ExecContext(ctx, fmt.Sprintf(statement, t.prefix)); err != nil {
			return fmt.Errorf("collect: watching the table: %w", err)
		}
	}
	return nil
}

// Open counts the tasks, and those that have not ended.
func (t *Table) Open(ctx context.Context) (all, open int, err error) {
	err = t.db.QueryRowContext(ctx, fmt.Sprintf(
		`SELECT count(*), count(*) FILTER (WHERE status NOT IN ('completed', 'failed', 'cancelled')) FROM %stasks`, t.prefix)).Scan(&all, &open)
	return all, open, err
}

// Rows reads all tasks.
func (t *Table) Rows(ctx context.Context) ([]audit.Row, error) {
	found, err := t.db.QueryContext(ctx, fmt.Sprintf(
		`SELECT id, status, outcome, reason, callee, created_at, doc FROM %stasks ORDER BY id`, t.prefix))
	if err != nil {
		return nil, fmt.Errorf("collect: reading the tasks: %w", err)
	}
	defer found.Close()
	var all []audit.Row
	for found.Next() {
		var (
			r       audit.Row
			created int64
			raw     []byte
			doc     struct {
				Task     json.RawMessage `json:"task"`
				Attempts []audit.Attempt `json:"attempts"`
			}
		)
		if err := found.Scan(&r.ID, &r.Status, &r.Outcome, &r.Reason, &r.Callee, &created, &raw); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("collect: the document of task %s: %w", r.ID, err)
		}
		r.Created, r.Task, r.Attempts = time.UnixMicro(created).UTC(), doc.Task, doc.Attempts
		all = append(all, r)
	}
	return all, found.Err()
}

// Moves reads what the trigger wrote down, in its order.
func (t *Table) Moves(ctx context.Context) ([]audit.Move, error) {
	found, err := t.db.QueryContext(ctx, fmt.Sprintf(`SELECT at, id, was, became, before, outcome FROM %smoves ORDER BY seq`, t.prefix))
	if err != nil {
		return nil, fmt.Errorf("collect: reading the moves: %w", err)
	}
	defer found.Close()
	var all []audit.Move
	for found.Next() {
		var m audit.Move
		if err := found.Scan(&m.At, &m.ID, &m.From, &m.To, &m.Before, &m.Outcome); err != nil {
			return nil, err
		}
		m.At = m.At.UTC()
		all = append(all, m)
	}
	return all, found.Err()
}
