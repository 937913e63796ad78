package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/internal/integration/faults/parts"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/vapi"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// work is a worker and a receiver of webhooks in one process.
func (h *host) work(ctx context.Context) error {
	rows, closeRows, err := h.rows()
	if err != nil {
		return err
	}
	defer closeRows()
	temporal, err := h.temporal()
	if err != nil {
		return err
	}
	defer temporal.Close()
	tasks, err := voicetask.NewClient(temporal, voicetask.ClientConfig{TaskQueue: h.cfg.Queue, Store: rows, Logger: h.log})
	if err != nil {
		return err
	}
	cfg, err := h.config(h.fenced(rows))
	if err != nil {
		return err
	}
	sweeper, err := voicetask.NewSweeper(cfg, tasks)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.receive(ctx, tasks) })
	g.Go(func() error { return h.workerLoop(ctx, temporal, cfg) })
	g.Go(func() error { return sweeper.Run(ctx) })
	return g.Wait()
}

// workerLoop starts the worker again and again until it runs, as a supervisor would
// start the process: the server may be away.
func (h *host) workerLoop(ctx context.Context, temporal client.Client, cfg voicetask.Config) error {
	for {
		fatal := make(chan error, 1)
		w := worker.New(temporal, h.cfg.Queue, worker.Options{
			Identity: h.cfg.Name, WorkerStopTimeout: duration(h.cfg.Times.Drain),
			// After an outage everything is due at once. What dies with a process in the few
			// milliseconds in which nobody can know what became of a dial ends unknown: a host
			// that bounds what is in hand bounds that.
			MaxConcurrentActivityExecutionSize: 4,
			OnFatalError:                       func(err error) { fatal <- err },
		})
		if err := voicetask.RegisterWorker(w, cfg); err != nil {
			return err
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- voicetask.RunWorker(running, w) }()
		var err error
		select {
		case err = <-ended:
		case err = <-fatal:
		}
		stop()
		if ctx.Err() != nil {
			return err
		}
		h.log.Warn("the worker is started again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// config is the host's.
func (h *host) config(rows store.Store) (voicetask.Config, error) {
	platforms, err := h.platforms()
	if err != nil {
		return voicetask.Config{}, err
	}
	registry, err := provider.NewRegistry(platforms...)
	if err != nil {
		return voicetask.Config{}, err
	}
	t := h.cfg.Times
	again := voicetask.Redial{After: []time.Duration{duration(t.Redial)}}
	busy := again
	busy.Max = 1
	cfg := voicetask.Config{
		Providers: registry, Store: rows, Logger: h.log,
		Policy: voicetask.Policy{
			RingTimeout: duration(t.Ring), MaxCallDuration: duration(t.Longest), PollInterval: duration(t.Poll), EventGrace: duration(t.Grace),
			Redial: map[provider.Outcome]voicetask.Redial{provider.OutcomeProviderFault: again, provider.OutcomeBusy: busy},
		},
		Observe: func(_ context.Context, n provider.Notice) {
			h.log.Warn("notice", "kind", n.Kind, "task_id", n.TaskID, "key", n.Key)
		},
	}
	if h.cfg.Second != "" {
		cfg.DefaultProvider = vapi.DefaultName
		cfg.Failover = func(context.Context, voicetask.Task) ([]string, error) { return []string{h.cfg.Second}, nil }
	}
	if h.cfg.Skew != "" {
		cfg.Now = h.now
	}
	if file := h.cfg.SwitchFile; file != "" {
		cfg.Enabled = func() bool { _, err := os.Stat(file); return errors.Is(err, os.ErrNotExist) }
	}
	return cfg, nil
}

// platforms are the accounts that may dial, the first one first.
func (h *host) platforms() (all []provider.Provider, err error) {
	names := []string{vapi.DefaultName}
	if h.cfg.Second != "" {
		names = append(names, h.cfg.Second)
	}
	for _, name := range names {
		p, err := h.platform(name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// platform is the Vapi adapter; its calls show within the harness's lag. Events are of
// the first account; the second one's calls are asked about.
func (h *host) platform(name string) (provider.Provider, error) {
	cfg := vapi.Config{Name: name, AuthToken: parts.VapiToken, PhoneNumberID: parts.VapiNumber, BaseURL: h.cfg.Vapi, Logger: h.log}
	if h.cfg.WebhookURL != "" && name == vapi.DefaultName {
		cfg.WebhookURL, cfg.WebhookSecret = h.cfg.WebhookURL, parts.WebhookSecret
	}
	p, err := vapi.New(cfg)
	if err != nil {
		return nil, err
	}
	return quick{p, duration(h.cfg.Times.Lag)}, nil
}

// quick is Vapi with a shorter lag: the adapter's own of three minutes would make each
// lost reply that long.
type quick struct {
	*vapi.Provider
	lag time.Duration
}

func (q quick) Traits() provider.Traits {
	t := q.Provider.Traits()
	t.VisibilityLag = q.lag
	return t
}

// receive serves the webhooks, and takes the harness's orders.
func (h *host) receive(ctx context.Context, tasks *voicetask.Client) error {
	webhooks, err := vapi.WebhookHandler(vapi.WebhookConfig{Secret: parts.WebhookSecret, Logger: h.log}, tasks)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(parts.WebhookPath, http.TimeoutHandler(webhooks, 10*time.Second, ""))
	mux.HandleFunc("POST "+parts.OrderCancel, func(w http.ResponseWriter, r *http.Request) {
		if err := tasks.Cancel(r.Context(), r.FormValue("task")); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	at, err := new(net.ListenConfig).Listen(ctx, "tcp", h.cfg.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(bounded)
	}()
	if err := server.Serve(at); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

func (h *host) temporal(more ...func(*client.Options)) (client.Client, error) {
	o := client.Options{HostPort: h.cfg.Temporal, Identity: h.cfg.Name, Logger: log.NewStructuredLogger(h.log)}
	for _, change := range more {
		change(&o)
	}
	return client.NewLazyClient(o)
}
