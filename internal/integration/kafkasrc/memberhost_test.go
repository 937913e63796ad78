package kafkasrc_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"

	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	_ "modernc.org/sqlite"

	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// Further ledgers, beside that of what was accepted.
const (
	ledgerBegun = "begun" // a line before each Submit
	ledgerKnown = "known" // a line for each start of which Temporal said that the workflow is there
)

// A memberHost submits as a host does: the row, then the workflow.
type memberHost struct {
	tasks *voicetask.Client
	begun *os.File
}

func (told memberConfig) host() (*memberHost, error) {
	dir := filepath.Dir(told.Ledger)
	begun, err := openLedger(filepath.Join(dir, ledgerBegun))
	if err != nil {
		return nil, err
	}
	known, err := openLedger(filepath.Join(dir, ledgerKnown))
	if err != nil {
		return nil, err
	}
	rows, _, err := openRows(told.Rows)
	if err != nil {
		return nil, err
	}
	engine, err := temporal.NewLazyClient(temporal.Options{
		HostPort: told.Temporal, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: temporal.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(noteKnown(known))}},
	})
	if err != nil {
		return nil, err
	}
	tasks, err := voicetask.NewClient(engine, voicetask.ClientConfig{Store: rows})
	return &memberHost{tasks, begun}, err
}

func (h *memberHost) Submit(ctx context.Context, t voicetask.Task) error {
	if err := enter(h.begun, t.ID); err != nil {
		return err
	}
	return h.tasks.Submit(ctx, t)
}

// noteKnown enters the workflows that the server refuses to start a second time.
func noteKnown(ledger *os.File) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, opts...)
		if start, ok := req.(*workflowservice.StartWorkflowExecutionRequest); ok && status.Code(err) == codes.AlreadyExists {
			if err := enter(ledger, start.WorkflowId); err != nil {
				return err
			}
		}
		return err
	}
}

// openRows opens the rows that all members share.
func openRows(file string) (*sqlstore.Store, *sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite})
	return s, db, err
}
