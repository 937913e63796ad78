package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/superservices/voice/store"
)

// script is a database that answers each statement with the next answer.
type script struct {
	answers []answer
	sent    []string
}

// answer is an error, or rows of two times.
type answer struct {
	err  error
	rows int
}

func (s *script) Connect(context.Context) (driver.Conn, error) { return scriptConn{s}, nil }
func (s *script) Driver() driver.Driver                        { return nil }

type scriptConn struct{ *script }

func (scriptConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not scripted") }
func (scriptConn) Close() error                        { return nil }
func (scriptConn) Begin() (driver.Tx, error)           { return nil, errors.New("not scripted") }

func (c scriptConn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	c.sent = append(c.sent, strings.Fields(query)[0])
	c.script.sent = c.sent
	if len(c.answers) == 0 {
		return nil, errors.New("the script is over")
	}
	next := c.answers[0]
	c.script.answers = c.answers[1:]
	if next.err != nil {
		return nil, next.err
	}
	return &times{next.rows}, nil
}

type times struct{ left int }

func (*times) Columns() []string { return []string{"created_at", "updated_at"} }
func (*times) Close() error      { return nil }

func (r *times) Next(row []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	row[0], row[1] = int64(1000000), int64(2000000)
	return nil
}

// state is how pgx and lib/pq tell the code of an error.
type state string

func (s state) Error() string    { return "state " + string(s) }
func (s state) SQLState() string { return string(s) }

var errLost = errors.New("connection reset by peer")

func TestRetries(t *testing.T) {
	busy := errors.New("database is locked (5) (SQLITE_BUSY)")
	busySnapshot := errors.New("database is locked (517)")
	again := func(err error, times int) []answer {
		var all []answer
		for range times {
			all = append(all, answer{err: err})
		}
		return all
	}
	for _, c := range []struct {
		name    string
		dialect Dialect
		answers []answer
		want    error // nil: it succeeded
		sent    string
	}{
		{"success", Postgres, []answer{{rows: 1}}, nil, "UPDATE"},
		{"serialization failure", Postgres, []answer{{err: state("40001")}, {rows: 1}}, nil, "UPDATE UPDATE"},
		{"deadlock", Postgres, []answer{{err: state("40P01")}, {err: state("40001")}, {rows: 1}}, nil, "UPDATE UPDATE UPDATE"},
		{"too many connections", Postgres, []answer{{err: state("53300")}, {err: state("57P03")}, {rows: 1}}, nil, "UPDATE UPDATE UPDATE"},
		{"too many for ever", Postgres, again(state("53300"), 99), state("53300"), "UPDATE UPDATE UPDATE UPDATE UPDATE UPDATE UPDATE UPDATE"},
		{"conflict after too many", Postgres, []answer{{err: state("53300")}, {}, {rows: 1}}, store.ErrConflict, "UPDATE UPDATE SELECT"},
		{"shutdown", Postgres, []answer{{err: state("57P01")}, {rows: 1}}, nil, "UPDATE UPDATE"},
		// What is in the way may be the write itself: no conflict is claimed.
		{"shutdown, nothing to write", Postgres, []answer{{err: state("57P01")}, {}, {rows: 1}}, state("57P01"), "UPDATE UPDATE"},
		{"shutdown, nothing to write later", Postgres, []answer{{err: state("57P01")}, {err: state("40001")}, {}, {rows: 1}}, state("57P01"), "UPDATE UPDATE UPDATE"},
		{"busy", SQLite, []answer{{err: busy}, {err: busySnapshot}, {rows: 1}}, nil, "UPDATE UPDATE UPDATE"},
		{"locked table", SQLite, []answer{{err: errors.New("database table is locked: voice_tasks (262)")}, {rows: 1}}, nil, "UPDATE UPDATE"},
		{"busy for ever", SQLite, again(busy, 99), busy, "UPDATE UPDATE UPDATE UPDATE UPDATE UPDATE UPDATE UPDATE"},
		{"conflict", Postgres, []answer{{}, {rows: 1}}, store.ErrConflict, "UPDATE SELECT"},
		{"gone", Postgres, []answer{{}, {}}, store.ErrNotFound, "UPDATE SELECT"},
		{"conflict after a retry", Postgres, []answer{{err: state("40001")}, {}, {rows: 1}}, store.ErrConflict, "UPDATE UPDATE SELECT"},

		// Those may have been written: to repeat them could make a conflict of a success.
		{"lost connection", Postgres, []answer{{err: errLost}, {rows: 1}}, errLost, "UPDATE"},
		{"lost connection", SQLite, []answer{{err: errLost}, {rows: 1}}, errLost, "UPDATE"},
		{"commit unknown", Postgres, []answer{{err: state("40003")}, {rows: 1}}, state("40003"), "UPDATE"},
		{"text of another database", Postgres, []answer{{err: busy}, {rows: 1}}, busy, "UPDATE"},
		{"code of another database", SQLite, []answer{{err: state("40001")}, {rows: 1}}, state("40001"), "UPDATE"},
		{"lost while looking", Postgres, []answer{{}, {err: errLost}}, errLost, "UPDATE SELECT"},
	} {
		t.Run(string(c.dialect)+"/"+c.name, func(t *testing.T) {
			db := &script{answers: c.answers}
			s, err := New(sql.OpenDB(db), Config{Dialect: c.dialect})
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Update(t.Context(), store.Record{ID: "task-1", Version: 4})
			if !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			for _, sentinel := range []error{store.ErrConflict, store.ErrNotFound} {
				if errors.Is(err, sentinel) && c.want != sentinel {
					t.Errorf("got error %v, which claims to know", err)
				}
			}
			if err == nil && (r.Version != 5 || r.CreatedAt.Unix() != 1 || r.UpdatedAt.Unix() != 2) {
				t.Errorf("got Version %d, %v and %v", r.Version, r.CreatedAt, r.UpdatedAt)
			}
			if sent := strings.Join(db.sent, " "); sent != c.sent {
				t.Errorf("sent %s, want %s", sent, c.sent)
			}
		})
	}
}

// A Create that was cut off and then meets a row does not say whose it is.
func TestCreateCutOff(t *testing.T) {
	db := &script{answers: []answer{{err: state("57P01")}, {}, {rows: 1}}}
	s, err := New(sql.OpenDB(db), Config{Dialect: Postgres})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), store.Record{ID: "task-1"})
	if !errors.Is(err, state("57P01")) || errors.Is(err, store.ErrExists) || len(db.sent) != 2 {
		t.Errorf("got error %v after %v", err, db.sent)
	}
}

func TestRetryEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &Store{names: names{dialect: SQLite}}
	tries := 0
	err := s.retry(ctx, func() error { tries++; cancel(); return errors.New("database is locked") })
	if tries != 1 || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("got %d tries and error %v, want one try and both reasons", tries, err)
	}
}

// Somebody deletes the task each time between the insert that meets it and the read.
func TestCreateGivesUp(t *testing.T) {
	db := &script{answers: make([]answer, 99)}
	s, err := New(sql.OpenDB(db), Config{Dialect: Postgres})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), store.Record{ID: "task-1"})
	if err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got error %v", err)
	}
	if len(db.sent) != 2*createTries {
		t.Errorf("sent %v", db.sent)
	}
}
