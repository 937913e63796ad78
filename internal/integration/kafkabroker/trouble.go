package kafkabroker

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// trouble is what a network does to the connections through it.
type trouble struct {
	delay   atomic.Int64 // nanoseconds, before whatever a broker sends
	delayed atomic.Int64 // how often that was

	mu    sync.Mutex
	conns map[net.Conn]bool
	gone  bool
}

func (t *trouble) Slow(d time.Duration) { t.delay.Store(int64(d)) }

// Cut closes every connection and returns how many there were.
func (t *trouble) Cut() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.conns)
	for c := range t.conns {
		_ = c.Close() // the other end notices
	}
	clear(t.conns)
	return n
}

func (t *trouble) add(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		t.conns = map[net.Conn]bool{}
	}
	if !t.gone {
		t.conns[c] = true
	}
	return !t.gone
}

func (t *trouble) drop(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	_ = c.Close() // it may be closed already
}

func (t *trouble) hold() {
	if d := t.delay.Load(); d > 0 {
		t.delayed.Add(1)
		time.Sleep(time.Duration(d))
	}
}

// Delayed counts what was sent late so far.
func (t *trouble) Delayed() int64 { return t.delayed.Load() }

// end cuts and lets no connection through any more.
func (t *trouble) end() {
	t.mu.Lock()
	t.gone = true
	t.mu.Unlock()
	t.Cut()
}

// listen is net.Listen for a broker in this process. One that names no port gets one to which it can
// come back.
func (t *trouble) listen(network, address string) (l net.Listener, err error) {
	if _, port, _ := net.SplitHostPort(address); port == "0" {
		l, err = listenLow()
	} else {
		l, err = net.Listen(network, address)
	}
	if err != nil {
		return nil, err
	}
	return troubledListener{l, t}, nil
}

type troubledListener struct {
	net.Listener
	t *trouble
}

func (l troubledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.t.add(c)
	return troubledConn{c, l.t}, nil
}

type troubledConn struct {
	net.Conn
	t *trouble
}

func (c troubledConn) Write(b []byte) (int, error) {
	c.t.hold()
	return c.Conn.Write(b)
}

func (c troubledConn) Close() error {
	c.t.drop(c.Conn)
	return nil
}

// A proxy stands before a broker in another process.
type proxy struct {
	t    *trouble
	l    net.Listener
	to   string
	done sync.WaitGroup
}

func startProxy(t *trouble, l net.Listener, to string) *proxy {
	p := &proxy{t: t, l: l, to: to}
	p.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.carry(c) })
		}
	})
	return p
}

func (p *proxy) carry(client net.Conn) {
	defer p.t.drop(client)
	server, err := net.DialTimeout("tcp", p.to, 5*time.Second)
	if err != nil {
		return // the broker is away
	}
	defer p.t.drop(server)
	if !p.t.add(client) || !p.t.add(server) {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, client) // an end is an end
		_ = server.Close()
	})
	_, _ = io.Copy(troubledConn{client, p.t}, server)
	_ = client.Close()
	up.Wait()
}

func (p *proxy) close() {
	_ = p.l.Close()
	p.t.end()
	p.done.Wait()
}
