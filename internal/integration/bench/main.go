// Command bench measures the library against a bare SDK workflow with the same
// durable steps, on the same dev server, in the same run: whole batches of calls,
// interleaved (A B B A ...), CPU from the process accounts. It also compares the
// decoding of a message with encoding/json, and kafkasrc with a bare poll loop. The last line of its output is one
// JSON object. Absolute times are no claims; ratios are, with their intervals.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/superservices/voice/internal/integration/devserver"
)

func main() {
	var o options
	flag.IntVar(&o.pairs, "pairs", 9, "interleaved pairs of batches")
	flag.IntVar(&o.calls, "calls", 150, "calls in a batch")
	flag.IntVar(&o.concurrency, "concurrency", 64, "calls in flight")
	flag.BoolVar(&o.kafkaOnly, "kafka-only", false, "measure the consumer only")
	side := flag.String("side", "", "internal: be one side of the comparison")
	address := flag.String("address", "", "internal: of the server")
	group := flag.String("group", "", "internal: the consumer group")
	testingInit()
	flag.Parse()
	var err error
	switch {
	case *side == sideBroker:
		err = runBroker()
	case strings.HasPrefix(*side, sideKafka):
		err = beKafkaSide(*side, *address, *group)
	case *side != "":
		err = runSide(*side, *address)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		if o.kafkaOnly {
			err = runKafka(ctx, o)
		} else {
			err = run(ctx, o)
		}
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	pairs, calls, concurrency int
	kafkaOnly                 bool
}

func runKafka(ctx context.Context, o options) error {
	k, err := measureKafka(ctx, o.pairs)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(k)
}

// outcome is the last line.
type outcome struct {
	RateRatio      float64 `json:"orchestration_rate_ratio"`
	WorkerCPURatio float64 `json:"worker_cpu_ratio"`
	ServerCPURatio float64 `json:"server_cpu_ratio"`
	DecodeRatio    float64 `json:"decode_time_ratio"`

	RateInterval      [2]float64 `json:"orchestration_rate_interval"`
	WorkerCPUInterval [2]float64 `json:"worker_cpu_interval"`
	ServerCPUInterval [2]float64 `json:"server_cpu_interval"`
	DecodeInterval    [2]float64 `json:"decode_time_interval"`

	OursPerSecond    float64 `json:"ours_calls_per_second"`
	BarePerSecond    float64 `json:"bare_calls_per_second"`
	OursWorkerMillis float64 `json:"ours_worker_cpu_ms_per_call"`
	BareWorkerMillis float64 `json:"bare_worker_cpu_ms_per_call"`
	OursServerMillis float64 `json:"ours_server_cpu_ms_per_call"`
	BareServerMillis float64 `json:"bare_server_cpu_ms_per_call"`
	OursDecodeNs     float64 `json:"ours_decode_ns"`
	MirrorDecodeNs   float64 `json:"mirror_decode_ns"`
	HistoryEvents    int     `json:"history_events"`
	Calls            int     `json:"calls"`
	Pairs            int     `json:"pairs"`

	kafkaOutcome
}

func run(ctx context.Context, o options) error {
	fmt.Printf("bench: %d pairs of %d calls, %d in flight, %d CPUs\n", o.pairs, o.calls, o.concurrency, runtime.NumCPU())
	consumer, err := measureKafka(ctx, o.pairs) // before the dev server takes its part of the processor
	if err != nil {
		return err
	}
	server, address, stop, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	ours, err := startSide(ctx, sideOurs, address)
	if err != nil {
		return err
	}
	defer ours.stop()
	bare, err := startSide(ctx, sideBare, address)
	if err != nil {
		return err
	}
	defer bare.stop()
	for _, s := range []*process{ours, bare} {
		if _, err := s.measure(server, batch{Calls: o.calls, Concurrency: o.concurrency, Prefix: "warm-" + s.name}); err != nil {
			return err
		}
	}
	var rate, workerCPU, serverCPU ratios
	var sumOurs, sumBare measure
	for i := range o.pairs {
		order := []*process{ours, bare}
		if i%2 == 1 {
			order = []*process{bare, ours}
		}
		got := map[*process]measure{}
		for _, s := range order {
			m, err := s.measure(server, batch{Calls: o.calls, Concurrency: o.concurrency, Prefix: fmt.Sprintf("%s-%d", s.name, i)})
			if err != nil {
				return err
			}
			got[s] = m
		}
		a, b := got[ours], got[bare]
		if a.events != b.events {
			return fmt.Errorf("the histories differ: ours has %d events, the bare one %d", a.events, b.events)
		}
		rate = append(rate, b.seconds/a.seconds)
		workerCPU = append(workerCPU, a.worker/b.worker)
		serverCPU = append(serverCPU, a.server/b.server)
		sumOurs.add(a)
		sumBare.add(b)
		fmt.Printf("pair %d: rate %.3f, worker CPU %.3f, server CPU %.3f (ours over bare, %d events each)\n",
			i+1, rate[i], workerCPU[i], serverCPU[i], a.events)
	}
	decode, oursNs, mirrorNs, err := decodeRatio(o.pairs)
	if err != nil {
		return err
	}
	fmt.Println("orchestration rate:", rate)
	fmt.Println("worker CPU:        ", workerCPU)
	fmt.Println("server CPU:        ", serverCPU)
	fmt.Println("decode time:       ", decode)
	return printOutcome(o, rate, workerCPU, serverCPU, decode, sumOurs, sumBare, oursNs, mirrorNs, consumer)
}

func printOutcome(o options, rate, workerCPU, serverCPU, decode ratios, ours, bare measure, oursNs, mirrorNs float64, consumer kafkaOutcome) error {
	n := float64(o.calls * o.pairs)
	out := outcome{
		OursPerSecond: n / ours.seconds, BarePerSecond: n / bare.seconds,
		OursWorkerMillis: 1000 * ours.worker / n, BareWorkerMillis: 1000 * bare.worker / n,
		OursServerMillis: 1000 * ours.server / n, BareServerMillis: 1000 * bare.server / n,
		kafkaOutcome: consumer,
		OursDecodeNs: oursNs, MirrorDecodeNs: mirrorNs, HistoryEvents: ours.events, Calls: o.calls, Pairs: o.pairs,
	}
	out.RateRatio, out.RateInterval[0], out.RateInterval[1] = rate.median()
	out.WorkerCPURatio, out.WorkerCPUInterval[0], out.WorkerCPUInterval[1] = workerCPU.median()
	out.ServerCPURatio, out.ServerCPUInterval[0], out.ServerCPUInterval[1] = serverCPU.median()
	out.DecodeRatio, out.DecodeInterval[0], out.DecodeInterval[1] = decode.median()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// startServer runs the dev server and returns its pid and address.
func startServer(ctx context.Context) (pid int, address string, stop func(), err error) {
	path, err := devserver.CLI(ctx)
	if err != nil {
		return 0, "", nil, err
	}
	port, err := freePort()
	if err != nil {
		return 0, "", nil, err
	}
	args := append([]string{"server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", strconv.Itoa(port), "--log-level", "error"}, devserver.Flags...)
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		c, err := client.Dial(client.Options{HostPort: address})
		if err == nil {
			c.Close()
			return cmd.Process.Pid, address, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return 0, "", nil, errors.New("the dev server did not come up within a minute")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// process is one side, running.
type process struct {
	name    string
	cmd     *exec.Cmd
	ask     *json.Encoder
	answers *bufio.Scanner
	hangUp  func() error
}

func startSide(ctx context.Context, name, address string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-side", name, "-address", address)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{name: name, cmd: cmd, ask: json.NewEncoder(in), answers: bufio.NewScanner(out), hangUp: in.Close}, nil
}

func (p *process) stop() {
	_ = p.hangUp()
	_ = p.cmd.Wait()
}

// measure is one batch: wall seconds, CPU seconds, events of one history.
type measure struct {
	seconds, worker, server float64
	events                  int
}

func (m *measure) add(o measure) {
	m.seconds, m.worker, m.server, m.events = m.seconds+o.seconds, m.worker+o.worker, m.server+o.server, o.events
}

func (p *process) measure(server int, b batch) (m measure, err error) {
	worker0, server0, err := p.cpu(server)
	if err != nil {
		return m, err
	}
	if err := p.ask.Encode(b); err != nil {
		return m, fmt.Errorf("side %s: %w", p.name, err)
	}
	if !p.answers.Scan() {
		return m, fmt.Errorf("side %s ended: %w", p.name, errors.Join(p.answers.Err(), errors.New("no answer")))
	}
	var rep report
	if err := json.Unmarshal([]byte(strings.TrimSpace(p.answers.Text())), &rep); err != nil {
		return m, fmt.Errorf("side %s: %w", p.name, err)
	}
	if rep.Err != "" {
		return m, fmt.Errorf("side %s: %s", p.name, rep.Err)
	}
	worker1, server1, err := p.cpu(server)
	return measure{seconds: rep.Seconds, worker: worker1 - worker0, server: server1 - server0, events: rep.Events}, err
}

func (p *process) cpu(server int) (worker, srv float64, err error) {
	if worker, err = cpuSeconds(p.cmd.Process.Pid); err != nil {
		return 0, 0, err
	}
	srv, err = cpuSeconds(server)
	return worker, srv, err
}
