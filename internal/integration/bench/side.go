package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/internal/integration/bench/bare"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// Sides of the comparison: each is a process of its own with client, worker and
// store, so that its CPU time is its own.
const (
	sideOurs = "ours"
	sideBare = "bare"
)

// talk is how long a call lasts: long enough for the workflow to be waiting when
// its end is told.
const talk = time.Second

// batch is what the bench asks of a side; report what it answers.
type batch struct {
	Calls, Concurrency int
	Prefix             string
}

type report struct {
	Seconds float64
	Events  int // of the batch's most common history
	Err     string
}

// runner carries out one task of a side.
type runner interface {
	run(ctx context.Context, id string) error
	workflowID(id string) string
}

// runSide serves batches from stdin until it is closed.
func runSide(name, address string) error {
	c, err := client.Dial(client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer c.Close()
	queue := "bench-" + name
	w := worker.New(c, queue, worker.Options{})
	var r runner
	switch name {
	case sideOurs:
		r, err = newOurs(c, w, queue)
	default:
		r = newBare(c, w, queue)
	}
	if err != nil {
		return err
	}
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	return serve(os.Stdin, os.Stdout, c, r)
}

func serve(in io.Reader, out io.Writer, c client.Client, r runner) error {
	lines, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var b batch
		if err := json.Unmarshal(lines.Bytes(), &b); err != nil {
			return err
		}
		rep := report{}
		began := time.Now()
		err := runBatch(r, b)
		rep.Seconds = time.Since(began).Seconds()
		if err == nil {
			rep.Events, err = commonEvents(c, r, b)
		}
		if err != nil {
			rep.Err = err.Error()
		}
		if err := answers.Encode(rep); err != nil {
			return err
		}
	}
	return lines.Err()
}

func runBatch(r runner, b batch) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.Concurrency)
	for i := range b.Calls {
		g.Go(func() error { return r.run(ctx, fmt.Sprintf("%s-%d", b.Prefix, i)) })
	}
	return g.Wait()
}

// commonEvents is the most common length of the batch's histories: an end that is
// told before the workflow waits saves it an event.
func commonEvents(c client.Client, r runner, b batch) (int, error) {
	const sample = 25
	count, most := map[int]int{}, 0
	for i := range min(sample, b.Calls) {
		n, err := historyEvents(c, r.workflowID(fmt.Sprintf("%s-%d", b.Prefix, b.Calls-1-i)))
		if err != nil {
			return 0, err
		}
		if count[n]++; count[n] > count[most] {
			most = n
		}
	}
	return most, nil
}

func historyEvents(c client.Client, workflowID string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n := 0
	events := c.GetWorkflowHistory(ctx, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		if _, err := events.Next(); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// message is a task of ordinary size; both sides carry the same bytes.
const message = `{"task_id":"%s","agent_id":"agent-7","data":{"contact_number":"+14155550100","contact_name":"Ada Example","call_type":"reminder",` +
	`"context":{"appointment":"2026-01-09T15:30:00Z","clinic":"Example Clinic","language":"en"},"document_id":"doc-991","thread_id":"th-17","user_id":"u-4"},` +
	`"instructions":"Remind the customer of the appointment and offer to move it.","model_config":{"model":"m-1","temperature":0.4},` +
	`"callback":null,"retry_attempt":0,"message_type":"outbound_call"}`

// ours is the library.
type ours struct{ client *voicetask.Client }

func newOurs(c client.Client, w worker.Worker, queue string) (runner, error) {
	rows := store.NewMemory()
	o := &ours{}
	phone := &instantPhone{}
	registry, err := provider.NewRegistry(&phoneProvider{phone: phone, sink: o})
	if err != nil {
		return nil, err
	}
	if err := voicetask.RegisterWorker(w, voicetask.Config{Providers: registry, Store: rows}); err != nil {
		return nil, err
	}
	o.client, err = voicetask.NewClient(c, voicetask.ClientConfig{TaskQueue: queue, Store: rows})
	return o, err
}

func (o *ours) run(ctx context.Context, id string) error {
	t, err := voicetask.ParseTask(fmt.Appendf(nil, message, id))
	if err != nil {
		return err
	}
	if err := o.client.Submit(ctx, t); err != nil {
		return err
	}
	res, err := o.client.Wait(ctx, id)
	if err == nil && res.Outcome != provider.OutcomeCompleted {
		err = fmt.Errorf("task %s ended %s", id, res.Outcome)
	}
	return err
}

func (o *ours) workflowID(id string) string { return voicetask.WorkflowID(id) }

// Deliver is what the host's webhook handler calls.
func (o *ours) Deliver(ctx context.Context, e provider.Event) error { return o.client.Deliver(ctx, e) }

// phoneProvider is the instant phone behind the library's interface.
type phoneProvider struct {
	phone *instantPhone
	sink  provider.EventSink
}

func (*phoneProvider) Name() string            { return "vapi" }
func (*phoneProvider) Traits() provider.Traits { return provider.Traits{Events: true} }

func (p *phoneProvider) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	created := time.Now().UTC()
	var id string
	id, err := p.phone.Place(ctx, req.Key, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		end := provider.Call{ID: provider.CallID(id), Key: req.Key, Status: provider.StatusEnded, Outcome: provider.OutcomeCompleted,
			CreatedAt: created, EndedAt: time.Now().UTC(), CostUSD: 0.1}
		_ = p.sink.Deliver(ctx, provider.Event{Provider: "vapi", Key: req.Key, Call: end}) // the batch shows it otherwise
	})
	return provider.Call{ID: provider.CallID(id), Key: req.Key, Status: provider.StatusQueued, CreatedAt: created}, err
}

func (*phoneProvider) Get(context.Context, provider.CallID) (provider.Call, error) {
	return provider.Call{}, provider.ErrUnsupported
}
func (*phoneProvider) End(context.Context, provider.CallID) error { return nil }

// instantPhone places a call at once and tells its end after the talk.
type instantPhone struct{ calls atomic.Int64 }

func (p *instantPhone) Place(_ context.Context, key string, ended func()) (string, error) {
	time.AfterFunc(talk, ended)
	return fmt.Sprintf("call-%d-%s", p.calls.Add(1), key), nil
}

// bareSide is the hand-written workflow on the same store.
type bareSide struct{ *bare.Side }

func newBare(c client.Client, w worker.Worker, queue string) runner {
	s := &bareSide{&bare.Side{Client: c, Queue: queue, Store: &bareStore{rows: store.NewMemory()}, Phone: &instantPhone{}}}
	s.Register(w)
	return s
}

func (s *bareSide) run(ctx context.Context, id string) error {
	return s.Run(ctx, bare.Task{ID: id, Body: fmt.Appendf(nil, message, id)})
}

func (s *bareSide) workflowID(id string) string { return "bare-" + id }

// bareStore lends the library's in-memory store to the bare side, so that both pay
// the same for a statement.
type bareStore struct {
	rows     *store.Memory
	versions sync.Map
}

func (b *bareStore) Create(ctx context.Context, id string, body []byte) error {
	r, err := b.rows.Create(ctx, store.Record{ID: id, Status: store.StatusPending, Task: body})
	b.versions.Store(id, r.Version)
	return err
}

func (b *bareStore) Get(ctx context.Context, id string) ([]byte, error) {
	r, err := b.rows.Get(ctx, id)
	b.versions.Store(id, r.Version)
	return r.Task, err
}

func (b *bareStore) Update(ctx context.Context, id string, body []byte) error {
	v, _ := b.versions.Load(id)
	version, _ := v.(int64)
	r, err := b.rows.Update(ctx, store.Record{ID: id, Version: version, Status: store.StatusProcessing, Task: body})
	if err == nil {
		b.versions.Store(id, r.Version)
	}
	return err
}
