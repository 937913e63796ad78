package livekit_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	protocol "github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
)

const (
	apiKey    = "APIstack"
	apiSecret = "a-secret-of-the-stack-of-at-least-32-characters"
	agentName = "caller"
)

// missing says what to do about a part that is not there. In CI it is a failure.
func missing(t *testing.T, part, remedy string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, and CI tests with it: %s", part, remedy)
	}
	t.Skipf("NOT TESTED: %s is missing: %s", part, remedy)
}

// process is a child that a test may kill.
type process struct {
	*exec.Cmd
	log  string
	done chan struct{}
}

func start(t *testing.T, log, name string, args ...string) *process {
	t.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(name, args...), log: log, done: make(chan struct{})}
	p.Stdout, p.Stderr = f, f
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = p.Start()
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9, and the wait for it.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.done
}

// stack is a livekit-server with what it needs, on loopback only.
type stack struct {
	t       *testing.T // of the scenario that runs
	owner   *testing.T // of the processes
	dir     string
	standin string // path of the binary
	redis   string
	url     string // ws://
	trunk   string
	server  *process
	sip     *process

	hooks *hooks
}

// hooks receives the server's webhooks and hands them to the handler of the scenario
// that runs.
type hooks struct {
	mu      sync.Mutex
	handler http.Handler
}

func (h *hooks) set(handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = handler
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	handler := h.handler
	h.mu.Unlock()
	if handler == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	handler.ServeHTTP(w, r)
}

func newStack(t *testing.T) *stack {
	t.Helper()
	redisServer, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "redis-server", "apt-get install redis-server")
	}
	server := os.Getenv("LIVEKIT_SERVER")
	if server == "" {
		server = "../../../bin/livekit-server"
	}
	if _, err := os.Stat(server); err != nil {
		missing(t, "livekit-server", "run make test-livekit, which builds it, or set LIVEKIT_SERVER")
	}
	s := &stack{t: t, owner: t, dir: t.TempDir(), hooks: new(hooks)}
	s.standin = filepath.Join(s.dir, "standin")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.standin, "./standin").CombinedOutput(); err != nil {
		t.Fatalf("building the stand-in: %v\n%s", err, out)
	}
	s.redis = fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	_, port, _ := net.SplitHostPort(s.redis)
	start(t, filepath.Join(s.dir, "redis.log"), redisServer, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir)
	eventually(t, time.Minute, "redis listens", func() bool { return listens(s.redis) })

	receiver := httptest.NewServer(s.hooks)
	t.Cleanup(receiver.Close)
	config := s.writeConfig(receiver.URL)
	s.startServer(server, config)
	s.startSIP()
	s.makeTrunk()
	s.startAgent(agentName)
	return s
}

// writeConfig keeps all traffic on loopback: without stun_servers clients would be
// handed public ones.
func (s *stack) writeConfig(webhook string) string {
	s.t.Helper()
	port, udp := freePort(s.t, "tcp"), freePort(s.t, "udp")
	s.url = fmt.Sprintf("ws://127.0.0.1:%d", port)
	config := fmt.Sprintf(`port: %d
bind_addresses: ["127.0.0.1"]
redis: {address: "%s"}
rtc:
  tcp_port: 0
  udp_port: %d
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {includes: [lo]}
  ips: {includes: ["127.0.0.1/32"]}
  stun_servers: ["127.0.0.1:%d"]
keys: {%s: %s}
webhook: {api_key: %s, urls: ["%s"]}
room: {empty_timeout: 20, departure_timeout: 5}
logging: {level: info}
`, port, s.redis, udp, udp+1, apiKey, apiSecret, apiKey, webhook)
	path := filepath.Join(s.dir, "livekit.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *stack) startServer(binary, config string) {
	s.t.Helper()
	s.server = start(s.owner, filepath.Join(s.dir, "livekit.log"), binary, "--config", config)
	s.awaitServer()
}

func (s *stack) awaitServer() {
	s.t.Helper()
	eventually(s.t, time.Minute, "livekit-server serves", func() bool { return listens(s.url[len("ws://"):]) })
}

// restartServer is kill -9 and, after a while, the same command again.
func (s *stack) restartServer(after time.Duration) {
	s.t.Helper()
	s.server.kill()
	time.Sleep(after) // the length of the outage
	s.server = start(s.owner, s.server.log, s.server.Path, s.server.Args[1:]...)
	s.awaitServer()
}

func (s *stack) play(name string, args ...string) (*process, string) {
	s.t.Helper()
	ledger := filepath.Join(s.dir, fmt.Sprintf("%s-%d.jsonl", name, time.Now().UnixNano()))
	args = append(args, "-ledger", ledger, "-url", s.url, "-key", apiKey, "-secret", apiSecret)
	p := start(s.owner, filepath.Join(s.dir, name+".log"), s.standin, args...)
	eventually(s.t, time.Minute, name+" is ready", func() bool { return len(read(s.t, ledger, "ready", "")) > 0 })
	return p, ledger
}

func (s *stack) startSIP() {
	s.t.Helper()
	s.sip, _ = s.play("sip", "-mode", "sip", "-redis", s.redis)
}

func (s *stack) startAgent(name string) *process {
	s.t.Helper()
	p, _ := s.play("agent-"+name, "-mode", "agent", "-agent", name)
	return p
}

func (s *stack) makeTrunk() {
	s.t.Helper()
	trunk, err := lksdk.NewSIPClient(s.url, apiKey, apiSecret).CreateSIPOutboundTrunk(s.t.Context(), &protocol.CreateSIPOutboundTrunkRequest{
		Trunk: &protocol.SIPOutboundTrunkInfo{Name: "test", Address: "127.0.0.1:5999", Numbers: []string{"+15550009999"}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.trunk = trunk.SipTrunkId
}

// entries are the ledger's lines for a room: of every stand-in there was.
func (s *stack) entries(event, room string) []entry {
	s.t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.dir, "*.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	var all []entry
	for _, path := range paths {
		all = append(all, read(s.t, path, event, room)...)
	}
	return all
}

// desk is what a host has: a provider, its webhooks, and what they told.
type desk struct {
	*livekit.Provider
	s *stack

	mu      sync.Mutex
	events  []provider.Event
	notices []provider.Notice
}

func (s *stack) desk(t *testing.T, change func(*livekit.Config)) *desk {
	t.Helper()
	cfg := livekit.Config{
		URL: s.url, APIKey: apiKey, APISecret: apiSecret, SIPTrunkID: s.trunk, AgentName: agentName, Webhooks: true,
		AgentWait: 20 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	p, err := livekit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{Provider: p, s: s}
	h, err := livekit.WebhookHandler(livekit.WebhookConfig{APIKey: apiKey, APISecret: apiSecret, Calls: p, Observe: d.observe}, d)
	if err != nil {
		t.Fatal(err)
	}
	s.hooks.set(h)
	t.Cleanup(func() { s.hooks.set(nil) })
	return d
}

func (d *desk) Deliver(_ context.Context, e provider.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	return nil
}

func (d *desk) observe(_ context.Context, n provider.Notice) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notices = append(d.notices, n)
}

// told are the events of one dial so far.
func (d *desk) told(key string) (events []provider.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Key == key {
			events = append(events, e)
		}
	}
	return events
}

// merged is the call as the events so far tell it.
func (d *desk) merged(c provider.Call) provider.Call {
	for _, e := range d.told(c.Key) {
		c = c.Merge(e.Call)
	}
	return c
}
