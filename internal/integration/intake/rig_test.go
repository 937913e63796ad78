// Package intake_test has a consumer hand over from Temporal to a Direct and back, on a real
// Temporal dev server that is stopped and started, with one store behind both.
package intake_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	_ "modernc.org/sqlite"

	"github.com/superservices/voice/internal/integration/devserver"
	"github.com/superservices/voice/internal/integration/faults/parts"
	"github.com/superservices/voice/internal/integration/faults/pgserver"
	"github.com/superservices/voice/internal/integration/kafkabroker"
	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// patience is how long the test waits for what has to happen.
const patience = 90 * time.Second

// A rig is a whole host: brokers, Temporal, a worker, a Direct and a consumer.
type rig struct {
	t        *testing.T
	family   *parts.Family
	engine   *parts.Temporal
	temporal client.Client
	rows     store.Store
	fake     *providertest.Fake
	cfg      voicetask.Config
	brokers  *kafkabroker.Fake
	kafka    *kgo.Client
	consumer *kafkasrc.Consumer
	answers  losing
	direct   waiting
	sent     []string // task ids
}

func newRig(t *testing.T, open func(t *testing.T, f *parts.Family) store.Store) *rig {
	t.Helper()
	cli, err := devserver.CLI(t.Context())
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "voice-fallback-") // where PostgreSQL's own user may go
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &rig{t: t, family: parts.NewFamily(dir, nil), fake: providertest.NewFake("vapi", providertest.Step{Lasts: 50 * time.Millisecond})}
	t.Cleanup(r.family.End)
	r.engine, err = parts.StartTemporal(t.Context(), r.family, cli)
	require.NoError(t, err)
	r.temporal, err = client.NewLazyClient(client.Options{
		HostPort: parts.Loopback(r.engine.Port), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(r.answers.intercept)}},
	})
	require.NoError(t, err)
	t.Cleanup(r.temporal.Close)

	r.rows = open(t, r.family)
	registry, err := provider.NewRegistry(r.fake)
	require.NoError(t, err)
	r.cfg = voicetask.Config{
		Providers: registry, Store: r.rows, AllowVolatile: true,
		Policy: voicetask.Policy{MaxCallDuration: 20 * time.Second, RingTimeout: 5 * time.Second, PollInterval: 200 * time.Millisecond, EventGrace: 200 * time.Millisecond},
	}
	r.startKafka()
	return r
}

// startKafka makes the brokers and the topic.
func (r *rig) startKafka() {
	r.t.Helper()
	var err error
	r.brokers, err = kafkabroker.StartFake(1)
	require.NoError(r.t, err)
	r.t.Cleanup(r.brokers.Close)
	for _, topic := range []string{kafkasrc.DefaultTopic, kafkasrc.DefaultTopic + "_bulk", kafkasrc.DefaultTopic + "_dlq"} {
		_, err = r.brokers.Admin().CreateTopic(r.t.Context(), 4, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("2000000")}, topic)
		require.NoError(r.t, err)
	}
	r.kafka, err = kgo.NewClient(kgo.SeedBrokers(r.brokers.Addrs()...))
	require.NoError(r.t, err)
	r.t.Cleanup(r.kafka.Close)
}

// startWorker returns what stops it.
func (r *rig) startWorker() (stop func()) {
	r.t.Helper()
	w := worker.New(r.temporal, voicetask.DefaultTaskQueue, worker.Options{WorkerStopTimeout: 2 * time.Second})
	require.NoError(r.t, voicetask.RegisterWorker(w, r.cfg))
	require.NoError(r.t, w.Start())
	return w.Stop
}

// startConsumer starts the consumer and a fallback, which takes over after that time; 0: none.
func (r *rig) startConsumer(service voicetask.ClientConfig, after time.Duration) {
	r.t.Helper()
	service.Store = r.rows
	tasks, err := voicetask.NewClient(r.temporal, service)
	require.NoError(r.t, err)
	cfg := kafkasrc.Config{Brokers: r.brokers.Addrs(), Submitter: tasks, DrainTimeout: patience / 3} // a busy machine is no unclean stop
	if after > 0 {
		direct, err := voicetask.NewDirect(r.cfg)
		require.NoError(r.t, err)
		r.direct.Submitter = direct
		cfg.Fallback, cfg.FallbackAfter = &r.direct, after
		r.run(direct.Run)
	}
	r.consumer, err = kafkasrc.NewConsumer(cfg)
	require.NoError(r.t, err)
	r.run(r.consumer.Run)
}

// run runs until the test ends.
func (r *rig) run(what func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- what(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("a clean stop: %v", err)
		}
	})
}

// produce writes n tasks at once.
func (r *rig) produce(prefix string, n int) {
	r.t.Helper()
	var records []*kgo.Record
	for i := range n {
		id := fmt.Sprintf("%s-%d", prefix, i)
		value := fmt.Appendf(nil, `{"task_id":%q,"agent_id":"a","data":{"contact_number":"+14155550100"}}`, id)
		records = append(records, &kgo.Record{Topic: kafkasrc.DefaultTopic, Key: []byte(id), Value: value})
		r.sent = append(r.sent, id)
	}
	require.NoError(r.t, r.kafka.ProduceSync(r.t.Context(), records...).FirstErr())
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for until := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatalf("after %v still not: %s; %+v", patience, what, r.consumer.Stats())
		}
	}
}

func (r *rig) row(id string) store.Record {
	rec, err := r.rows.Get(context.Background(), id)
	if err != nil {
		return store.Record{}
	}
	return rec
}

// ended reports whether all tasks of that prefix have their result.
func (r *rig) ended(prefix string) bool {
	for _, id := range r.sent {
		if strings.HasPrefix(id, prefix) && !r.row(id).Status.Terminal() {
			return false
		}
	}
	return true
}

// losing has answers to starts of workflows lost, whatever they were: the server has carried
// the first out, and says to the next tries that the workflow is there.
type losing struct {
	on   atomic.Bool
	lost atomic.Int64 // workflows that were started without an answer
}

func (l *losing) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if l.on.Load() && strings.HasSuffix(method, "/StartWorkflowExecution") {
		if err == nil {
			l.lost.Add(1)
		}
		return status.Error(codes.DeadlineExceeded, "the answer was lost")
	}
	return err
}

// waiting is a Submitter that may be told to wait with what it gets.
type waiting struct {
	voicetask.Submitter
	waits atomic.Bool
}

func (w *waiting) Submit(ctx context.Context, t voicetask.Task) error {
	for w.waits.Load() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return w.Submitter.Submit(ctx, t)
}

func memory(*testing.T, *parts.Family) store.Store { return store.NewMemory() }

func sqlite(t *testing.T, f *parts.Family) store.Store {
	return migrated(t, "sqlite", "file:"+filepath.Join(f.Dir, "voice.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate", sqlstore.SQLite)
}

func postgres(t *testing.T, f *parts.Family) store.Store {
	p, err := pgserver.Start(t.Context(), f, 0)
	if errors.Is(err, pgserver.ErrMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return migrated(t, "pgx", pgserver.SocketDSN(p.Dir), sqlstore.Postgres)
}

func migrated(t *testing.T, driver, dsn string, dialect sqlstore.Dialect) store.Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	s, err := sqlstore.New(db, sqlstore.Config{Dialect: dialect})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(context.Background()))
	return s
}
