package livekit_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

// entry is a line of a stand-in's ledger.
type entry struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Number string    `json:"number"`
	Room   string    `json:"room"`
	Detail string    `json:"detail"`
}

// read returns the lines of one event, for one room or (room "") all.
func read(t *testing.T, path, event, room string) (all []entry) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // a line cut off by a kill
		}
		if e.Event == event && (room == "" || e.Room == room) {
			all = append(all, e)
		}
	}
	return all
}

func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never, in %s: %s", limit, what)
		}
	}
}

func listens(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// freePort returns a port that nothing listens on. It lies below the range from which
// systems take ports for outgoing connections: those of everybody who looks for a server
// that is down would else be given the server's own, now and then.
func freePort(t *testing.T, network string) int {
	t.Helper()
	const first, span = 18000, 14000
	for range 100 {
		port := first + rand.IntN(span)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if l, err := listen(network, address); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no %s port is free", network)
	return 0
}

func listen(network, address string) (io.Closer, error) {
	if network == "udp" {
		return net.ListenPacket(network, address)
	}
	return net.Listen(network, address)
}

func request(key, number string) provider.Request {
	return provider.Request{
		Key: key, TaskID: strings.Split(key, "/")[0], AgentID: "agent-7", To: number, ToName: "Anna Muster",
		RingTimeout: 20 * time.Second, MaxDuration: 5 * time.Minute, Data: json.RawMessage(`{"context":"a reminder"}`),
	}
}

func roomOf(id provider.CallID) string {
	return string(id)[:strings.LastIndexByte(string(id), '/')]
}

// bodies are n copies of r, each with a body of its own.
func bodies(t *testing.T, r *http.Request, n int) (copies []*http.Request) {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	for range n {
		c := r.Clone(r.Context())
		c.Body = io.NopCloser(bytes.NewReader(raw))
		copies = append(copies, c)
	}
	return copies
}
