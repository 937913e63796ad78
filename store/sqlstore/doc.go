// Package sqlstore keeps tasks in PostgreSQL or SQLite, over the host's own
// *sql.DB. It brings no driver.
//
// You open the database with the driver of your choice and give it to [New]; you
// run [Store.Migrate] once, or [Migrations] through your own tool. We keep one row
// per task there. You get a [store.Store] with every optional interface: it lists,
// summarizes, finds a task by a vendor's call id, and holds leases for
// voicetask.Config.Limits.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	tasks, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.Postgres})
//	err = tasks.Migrate(ctx)
//
// # The tables
//
// With the default prefix: voice_tasks has a column for each field of the first
// block of [store.Record], cost_usd (the sum over the attempts), and doc, the JSON
// of the rest. voice_calls leads from a vendor's call id to the task. voice_leases
// holds what Acquire took. voice_schema_version says which steps were applied.
// Read them as you like; write only through a Store, but for deleting old tasks,
// which is safe (DELETE FROM voice_tasks WHERE ... takes the calls along).
//
// Times are whole microseconds since 1970 UTC, and every time of a record is cut to
// the microsecond. A time that is not set is year 1, so that an unset due_at comes
// before all others, as it does in [store.Memory].
//
// # Guarantees
//
//   - Create and Update are one statement each, also when they bring a call id, and
//     have been committed when they return nil. Get and FindCall are one too.
//   - The right to dial rests on Update's compare-and-set. It holds as long as the
//     database does not lose or hide commits, see below.
//   - What the database has surely not taken is tried again, 8 times within a
//     second or so: serialization failures (40001), deadlocks (40P01), no connection
//     to be had (53300, 57P03), SQLite's busy and locked. So is what was cut off by a
//     stopping server (57P01); should a write then find another version in its way,
//     that may be its own: the error is 57P01 and not store.ErrConflict. Nothing else
//     is tried again: any other error may mean that the write happened.
//   - Versions only grow, and updated_at never moves back. The clock is the
//     database's in PostgreSQL, the process's in SQLite.
//
// # Your database
//
// PostgreSQL 12 or newer, UTF8, any pooler that keeps a transaction together. The
// DB must point at the primary, never at a replica: one that lags lets a phone ring
// twice. So can a failover to an asynchronous standby; make it synchronous, or
// accept that. Leave synchronous_commit on.
//
// SQLite 3.38 or newer, one file on a local disk, any number of processes on that
// machine. Set a busy timeout of some seconds, and WAL so that readers do not wait
// for writers; keep synchronous at FULL, or a power cut takes acknowledged writes.
// With modernc.org/sqlite:
//
//	sql.Open("sqlite", "file:voice.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
//
// An in-memory database is private to its connection: use [store.Memory] instead.
//
// # Text
//
// PostgreSQL stores no NUL byte and no broken UTF-8. What becomes a column (ids,
// status, number, reason, call ids, lease holders and scopes) and the bytes of Task
// and Result must therefore have neither: with either dialect a write with such
// text fails with [ErrText] and changes nothing, and a lookup finds nothing. Other
// strings of an attempt may hold NUL; broken UTF-8 in them becomes U+FFFD, as
// encoding/json has it. Task and Result lose the white space between JSON tokens
// and are otherwise kept byte for byte.
package sqlstore
