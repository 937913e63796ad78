package run

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/internal/integration/faults/parts"
	"github.com/superservices/voice/internal/integration/faults/pgserver"
)

// Lane is one deployment of the library on the shared servers: its own broker, carrier,
// tables, task queue, consumer and two workers, and a proxy on each connection between
// them.
type Lane struct {
	world  *World
	family *parts.Family
	name   string
	number int
	dir    string
	prefix string
	queue  string

	times   parts.HostTimes
	pace    pace
	noHooks bool // the platform reports to nobody

	brokerPort, carrierPort, controlPort int
	broker, carrier, producer            *parts.Child
	relay                                *parts.Relay
	// What lies between a process and what it talks to, by its name.
	toTemporal, toPostgres, toVapi map[string]*parts.Proxy
	workers                        []*process
	consumers                      []*process
	messages                       []audit.Message
	reread                         int // messages that were read a second time on purpose
	produced                       time.Time

	table   *collect.Table
	kafka   collect.Kafka
	sampler collect.Sampler

	began     time.Time
	mu        sync.Mutex
	faults    []audit.Fault
	cancelled []string
	crashes   int
	resets    int // of workflows
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// pace is how long things take on the network.
type pace struct{ ring, talk, machine, analysis string }

// patience is how long is waited for what has to happen: long, since a busy machine is no
// failure.
const patience = 2 * time.Minute

// newLane has the usual times; nothing is started.
func (w *World) newLane(name string) (*Lane, error) {
	n := w.number()
	l := &Lane{
		world: w, name: name, number: n, began: time.Now(), dir: filepath.Join(w.dir, name), prefix: fmt.Sprintf("f%d_", n), queue: "faults-" + name,
		times: parts.HostTimes{Ring: "3s", Longest: "8s", Poll: "1s", Grace: "2s", Redial: "500ms", Lag: "3s", Drain: "18s"},
		pace:  pace{ring: "200ms", talk: "1500ms", machine: "800ms", analysis: "200ms"},
		// Kept apart by process: one may be cut off while the other is not.
		toTemporal: map[string]*parts.Proxy{}, toPostgres: map[string]*parts.Proxy{}, toVapi: map[string]*parts.Proxy{},
		brokerPort: parts.FreePort(), carrierPort: parts.FreePort(), controlPort: parts.FreePort(),
	}
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, err
	}
	l.family = parts.NewFamily(l.dir, environment(l.dir))
	l.table = collect.NewTable(w.db, l.prefix)
	l.kafka = collect.Kafka{Broker: parts.Loopback(l.brokerPort), Topic: Topic, DeadLetters: DeadLetters, Group: Group, Partitions: Partitions}
	return l, nil
}

func (l *Lane) file(name string) string { return filepath.Join(l.dir, name) }

// note writes a fault down.
func (l *Lane) note(f audit.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, f)
	// Who is frozen loses its place in the group as one who dies does.
	if (f.Action == "kill" || f.Action == "stop") && (strings.HasPrefix(f.Process, "consumer") || f.Process == "broker") {
		l.crashes++
	}
}

// prepare starts what the processes of the host need, and makes the tables.
func (l *Lane) prepare(ctx context.Context, consumers int) error {
	ctx, l.stop = context.WithCancel(ctx)
	if err := l.startBroker(); err != nil {
		return err
	}
	if err := l.startCarrier(); err != nil {
		return err
	}
	names := []string{"worker-a", "worker-b"}
	for i := range consumers {
		names = append(names, fmt.Sprintf("consumer-%d", i+1))
	}
	for _, name := range names {
		if err := l.connect(name); err != nil {
			return err
		}
	}
	l.define(names)
	ports := []int{}
	for _, p := range l.workers {
		ports = append(ports, port(p.cfg.Listen))
	}
	var err error
	if l.relay, err = parts.StartRelay(l.world.Seed+uint64(l.number), ports...); err != nil {
		return err
	}
	for _, p := range l.workers {
		if !l.noHooks {
			p.cfg.WebhookURL = "http://" + parts.Loopback(l.relay.Port) + parts.WebhookPath
		}
	}
	if err := l.migrate(ctx); err != nil {
		return err
	}
	if err := l.awaitCarrier(ctx); err != nil {
		return err
	}
	l.running.Go(func() { _ = l.sampler.Run(ctx, l.kafka) })
	return nil
}

func port(addr string) int {
	_, p, _ := strings.Cut(addr, ":")
	n, _ := strconv.Atoi(p) // it was made of one
	return n
}

func (l *Lane) startBroker() (err error) {
	l.broker, err = l.family.Start(parts.Spec{Name: "broker", Path: l.world.Self, Args: []string{
		"broker", "-port", strconv.Itoa(l.brokerPort), "-dir", l.file("kafka"),
	}})
	return err
}

func (l *Lane) startCarrier() (err error) {
	l.carrier, err = l.family.Start(parts.Spec{Name: "carrier", Path: filepath.Join(l.world.Bin, "carrier"), Args: []string{
		"-ledger", l.file("ledger.jsonl"), "-vapi-port", strconv.Itoa(l.carrierPort), "-control-port", strconv.Itoa(l.controlPort),
		"-ring", l.pace.ring, "-talk", l.pace.talk, "-machine", l.pace.machine, "-analysis-lag", l.pace.analysis, "-vapi-token", parts.VapiToken,
	}})
	return err
}

func (l *Lane) awaitCarrier(ctx context.Context) error {
	return parts.Await(ctx, "the carrier serves", patience, func(context.Context) bool {
		_, err := l.faultsLeft()
		return err == nil
	})
}

// faultsLeft asks the platform how many of its faults no request has met.
func (l *Lane) faultsLeft() (int, error) {
	resp, err := http.Get("http://" + parts.Loopback(l.controlPort) + "/counts")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var counts struct {
		Left int `json:"faults_left"`
	}
	return counts.Left, json.NewDecoder(resp.Body).Decode(&counts)
}

// connect makes the proxies of one process.
func (l *Lane) connect(name string) (err error) {
	for _, to := range []struct {
		proxies map[string]*parts.Proxy
		port    int
	}{{l.toTemporal, l.world.temporal.Port}, {l.toPostgres, l.world.postgres.Port}, {l.toVapi, l.carrierPort}} {
		if to.proxies[name], err = parts.StartProxy(to.port); err != nil {
			return err
		}
	}
	return nil
}

// define describes the processes of the host.
func (l *Lane) define(names []string) {
	for _, name := range names {
		cfg := parts.HostConfig{
			Name: name, Prefix: l.prefix, Queue: l.queue, FenceOff: l.world.FenceOff, Times: l.times,
			Postgres: pgserver.DSN(l.toPostgres[name].Port), Temporal: parts.Loopback(l.toTemporal[name].Port),
			Vapi: "http://" + parts.Loopback(l.toVapi[name].Port), Listen: parts.Loopback(parts.FreePort()), SwitchFile: l.file("switched-off"),
			Brokers: l.kafka.Broker, Topic: Topic, Group: Group, InFlight: 64, Session: "6000",
		}
		p := &process{lane: l, cfg: cfg, stopFor: 25 * time.Second, respawn: 300 * time.Millisecond}
		if strings.HasPrefix(name, "worker") {
			p.cfg.Role = parts.RoleWorker
			l.workers = append(l.workers, p)
		} else {
			p.cfg.Role = parts.RoleConsumer
			l.consumers = append(l.consumers, p)
		}
	}
}

// migrate makes the tables, and has the database watch them.
func (l *Lane) migrate(ctx context.Context) error {
	cfg := parts.HostConfig{Role: parts.RoleMigrate, Name: "migrate", Prefix: l.prefix, Postgres: pgserver.DSN(l.world.postgres.Port)}
	c, err := l.family.Start(parts.Spec{Name: "migrate", Path: filepath.Join(l.world.Bin, "faulthost"), Args: []string{cfg.Arg()}})
	if err != nil {
		return err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return l.table.Watch(ctx)
}

// startHost starts the consumers and workers, and keeps them alive.
func (l *Lane) startHost(ctx context.Context, all ...*process) error {
	for _, p := range all {
		if err := p.start(); err != nil {
			return err
		}
		l.running.Go(func() { p.keep(ctx) })
	}
	return nil
}

// awaitWorkers waits until all workers ask for tasks: else the first to come might have
// done them all.
func (l *Lane) awaitWorkers(ctx context.Context) error {
	return parts.Await(ctx, "both workers poll", patience, func(ctx context.Context) bool {
		there, err := collect.Pollers(ctx, l.world.client, l.queue)
		if err != nil {
			return false
		}
		for _, p := range l.workers {
			if !there[p.cfg.Name] {
				return false
			}
		}
		return true
	})
}

// produce starts the producer on the messages.
func (l *Lane) produce() error {
	var b strings.Builder
	for _, m := range l.messages {
		line, err := json.Marshal(m)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	if err := os.WriteFile(l.file("plan.jsonl"), []byte(b.String()), 0o600); err != nil {
		return err
	}
	l.produced = time.Now()
	return l.startProducer()
}

func (l *Lane) startProducer() (err error) {
	l.producer, err = l.family.Start(parts.Spec{Name: "producer", Path: l.world.Self, Args: []string{
		"produce", "-broker", l.kafka.Broker, "-plan", l.file("plan.jsonl"), "-acks", l.file("acks.jsonl"),
		"-began", strconv.FormatInt(l.produced.UnixMilli(), 10),
	}})
	return err
}

// trouble tells the platform how to misbehave, as JSON.
func (l *Lane) trouble(body string) error {
	resp, err := http.Post("http://"+parts.Loopback(l.controlPort)+"/trouble", "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the carrier's control port says %s", resp.Status)
	}
	return nil
}

// cancel asks a worker's client to cancel a task, and reports whether it took it.
func (l *Lane) cancel(task string) bool {
	for _, p := range l.workers {
		c := &http.Client{Timeout: 15 * time.Second}
		resp, err := c.PostForm("http://"+p.cfg.Listen+parts.OrderCancel, url.Values{"task": {task}})
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			l.mu.Lock()
			l.cancelled = append(l.cancelled, task)
			l.mu.Unlock()
			return true
		}
	}
	return false
}

// ledger reads the carrier's.
func (l *Lane) ledger() []audit.Entry {
	entries, err := collect.Lines[audit.Entry](l.file("ledger.jsonl"))
	if err != nil {
		return nil
	}
	return entries
}

// rings counts the rings so far.
func (l *Lane) rings() int {
	n := 0
	for _, e := range l.ledger() {
		if e.Event == "ring" {
			n++
		}
	}
	return n
}

// live counts the calls that are up.
func (l *Lane) live() int { return collect.Live(l.ledger()) }

// close ends the lane's processes.
func (l *Lane) close() {
	if l.stop != nil {
		l.stop()
	}
	l.family.End()
	l.running.Wait()
	if l.relay != nil {
		l.relay.Close()
	}
	for _, group := range []map[string]*parts.Proxy{l.toTemporal, l.toPostgres, l.toVapi} {
		for _, p := range group {
			if p != nil {
				p.Close()
			}
		}
	}
}

// restartBroker kills the broker, with SIGKILL, and starts it after a while.
func (l *Lane) restartBroker(ctx context.Context, down time.Duration) error {
	now := time.Now().UTC()
	l.note(audit.Fault{At: now, Until: now.Add(down), Process: "broker", Action: "kill"})
	l.broker.Kill()
	sleep(ctx, down)
	return l.startBroker()
}

// restartProducer kills the producer and starts it again where its ledger ends.
func (l *Lane) restartProducer(ctx context.Context, down time.Duration) error {
	if !l.producer.Running() {
		return nil
	}
	now := time.Now().UTC()
	l.note(audit.Fault{At: now, Until: now.Add(down), Process: "producer", Action: "kill"})
	l.producer.Kill()
	sleep(ctx, down)
	return l.startProducer()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
