// Package setup is what the example binaries share beside the library: it opens what
// the variables name. A host has code of its own for each of these and needs none of
// this package.
package setup

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	_ "modernc.org/sqlite" // the driver "sqlite", in Go

	"github.com/superservices/voice/examples/codec"
	"github.com/superservices/voice/store/sqlstore"
)

// Main runs run until it ends by itself or ctrl-C or SIGTERM ends its context. A
// second signal kills the process as usual.
func Main(name string, run func(ctx context.Context, logger *slog.Logger) error) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", name)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop()
		logger.Info("stopping; a second signal kills")
	})
	if err := run(ctx, logger); err != nil {
		logger.Error("giving up", "error", err)
		os.Exit(1)
	}
	if ctx.Err() != nil {
		logger.Info("stopped")
	}
}

// Temporal returns a client as Temporal's own variables say (TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_..., a profile in a file), with
// encrypted payloads if VOICE_PAYLOAD_KEY is set. It connects when it is first used,
// so that what is wrong with the variables is told first.
func Temporal(logger *slog.Logger) (client.Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("the TEMPORAL_ variables: %w", err)
	}
	if err := codec.Configure(&options, os.Getenv); err != nil {
		return nil, err
	}
	options.Logger = log.NewStructuredLogger(logger)
	return client.NewLazyClient(options)
}

// EnvDatabase names the SQLite file of the task rows. Unset: voice.db, here.
const EnvDatabase = "VOICE_DATABASE"

// maxConnections: SQLite has one writer at a time. More connections than these would
// fight for its lock, where those that wait for a connection stand in line.
const maxConnections = 8

// Rows opens the task rows, in tables that are up to date. All processes on one machine
// may share the file. Call the function it returns when nothing uses the store any more.
func Rows(ctx context.Context) (*sqlstore.Store, func(), error) {
	file := database()
	// Readers do not wait for writers (WAL), and a power cut takes nothing that was
	// acknowledged (FULL): the right to dial rests on that.
	const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+pragmas)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %q: %w", EnvDatabase, file, err)
	}
	db.SetMaxOpenConns(maxConnections)
	rows, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite})
	if err == nil {
		err = rows.Migrate(ctx)
	}
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("%s %q: %w", EnvDatabase, file, err)
	}
	return rows, func() { _ = db.Close() }, nil // every write was acknowledged by itself
}

func database() string { return cmp.Or(os.Getenv(EnvDatabase), "voice.db") }

// HasRows reports that the store is there already: a tool that looks at rows must not
// make an empty store and find that all is well.
func HasRows() error {
	if _, err := os.Stat(database()); err != nil {
		return fmt.Errorf("%s: %w: name the workers' database", EnvDatabase, err)
	}
	return nil
}
