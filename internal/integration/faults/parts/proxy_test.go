package parts

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers each line with itself, and counts them.
func echo(t *testing.T) (port int, lines *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	lines = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewScanner(c)
				for in.Scan() {
					lines.Add(1)
					if _, err := io.WriteString(c, in.Text()+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, lines
}

func proxy(t *testing.T) (*Proxy, *atomic.Int64) {
	t.Helper()
	port, lines := echo(t)
	p, err := StartProxy(port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, lines
}

type conn struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *conn {
	t.Helper()
	c, err := net.Dial("tcp", Loopback(p.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &conn{c, bufio.NewReader(c)}
}

// refused fails if a new connection gets an answer.
func refused(t *testing.T, p *Proxy) {
	t.Helper()
	raw, err := net.Dial("tcp", Loopback(p.Port))
	if err != nil {
		return
	}
	defer raw.Close()
	c := &conn{raw, bufio.NewReader(raw)}
	if got, err := c.ask("anybody?", soon); err == nil || isTimeout(err) {
		t.Errorf("a new connection answers %q, %v", got, err)
	}
}

// ask sends a line and returns the answer, or "" if there is none within the limit.
func (c *conn) ask(line string, limit time.Duration) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.answer(limit)
}

func (c *conn) answer(limit time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	text, err := c.in.ReadString('\n')
	return strings.TrimSuffix(text, "\n"), err
}

const (
	soon = 10 * time.Second
	now  = 200 * time.Millisecond
)

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}

func TestCutResetsAndRefuses(t *testing.T) {
	p, _ := proxy(t)
	c := dial(t, p)
	if got, err := c.ask("one", soon); got != "one" {
		t.Fatal(got, err)
	}
	p.Set(Cut)
	if _, err := c.answer(soon); err == nil || isTimeout(err) {
		t.Errorf("the connection is still there: %v", err)
	}
	refused(t, p)
	p.Set(Pass)
	if got, err := dial(t, p).ask("three", soon); got != "three" {
		t.Error(got, err)
	}
}

func TestHoldDeliversAfterwards(t *testing.T) {
	p, lines := proxy(t)
	c := dial(t, p)
	if _, err := c.ask("one", soon); err != nil {
		t.Fatal(err)
	}
	p.Set(Hold)
	if got, err := c.ask("two", now); !isTimeout(err) {
		t.Errorf("an answer came through: %q, %v", got, err)
	}
	if lines.Load() != 1 {
		t.Error("the request came through")
	}
	p.Set(Pass)
	if got, err := c.answer(soon); got != "two" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

func TestNoReplyDeliversRequestsOnly(t *testing.T) {
	p, lines := proxy(t)
	c := dial(t, p)
	p.Set(NoReply)
	if got, err := c.ask("one", now); !isTimeout(err) {
		t.Errorf("an answer came through: %q, %v", got, err)
	}
	for until := time.Now().Add(soon); lines.Load() != 1; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d requests came through", lines.Load())
		}
	}
	if got, err := c.answer(now); !isTimeout(err) { // whatever the machine was busy with before
		t.Errorf("an answer came through: %q, %v", got, err)
	}
	p.Set(Pass)
	if got, err := c.answer(soon); err == nil {
		t.Errorf("the answer was kept: %q", got)
	}
}

func TestLoseReplyIsAnAmbiguousCommit(t *testing.T) {
	p, lines := proxy(t)
	c := dial(t, p)
	p.LoseReply("commit", 2)
	if got, err := c.ask("commit 1", soon); got != "commit 1" {
		t.Fatal(got, err)
	}
	if got, err := c.ask("commit 2", soon); err == nil || isTimeout(err) {
		t.Errorf("%q, %v", got, err)
	}
	if lines.Load() != 2 || p.Hits() != 1 {
		t.Errorf("%d lines arrived, %d hits", lines.Load(), p.Hits())
	}
	if got, err := dial(t, p).ask("commit 3", soon); got != "commit 3" {
		t.Error(got, err)
	}
}

func TestLoseRequest(t *testing.T) {
	p, lines := proxy(t)
	c := dial(t, p)
	caught := make(chan struct{})
	p.LoseRequest("placed", 1, Cut, func() { close(caught) })
	if got, err := c.ask("placed", soon); err == nil || isTimeout(err) {
		t.Errorf("%q, %v", got, err)
	}
	<-caught
	if lines.Load() != 0 {
		t.Errorf("%d lines arrived", lines.Load())
	}
	refused(t, p)
}
