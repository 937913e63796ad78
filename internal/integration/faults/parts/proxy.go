package parts

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Mode is what a Proxy does with connections.
type Mode int32

// Modes.
const (
	Pass    Mode = iota
	Cut          // connections are reset, new ones refused
	Hold         // nothing gets through in either direction; what was sent arrives afterwards, as over TCP
	Mute         // requests get through, answers do not: what is held back of them is lost with its connection
	NoReply      // as Mute, from the next request on: answers under way still come
)

// Proxy is a TCP connection's middle, on a loopback port.
type Proxy struct {
	Port int

	target  int
	mode    atomic.Int32
	delay   atomic.Int64 // of answers
	changed chan struct{}

	mu     sync.Mutex
	listen net.Listener // nil while it is cut
	conns  map[*pipe]struct{}
	snare  *snare
	hits   int // of snares
	done   bool
}

// snare waits for a request that holds a text, on its nth coming.
type snare struct {
	text    []byte
	nth     int
	deliver bool // the server gets the request, and its answer is lost
	after   Mode // what the proxy does from then on
	caught  func()
}

// StartProxy leads to a loopback port.
func StartProxy(target int) (*Proxy, error) {
	l, port, err := listenFree()
	if err != nil {
		return nil, err
	}
	p := &Proxy{Port: port, target: target, listen: l, conns: map[*pipe]struct{}{}, changed: make(chan struct{})}
	go p.accept(l)
	return p, nil
}

// open listens, unless it does.
func (p *Proxy) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listen != nil || p.done {
		return nil
	}
	l, err := net.Listen("tcp", Loopback(p.Port))
	if err != nil {
		return err
	}
	p.listen = l
	go p.accept(l)
	return nil
}

// Set changes the mode. Leaving Mute, NoReply and entering Cut reset what is connected.
func (p *Proxy) Set(m Mode) {
	if m != Cut {
		if err := p.open(); err != nil { // the port was its own all the while
			panic(err)
		}
	}
	old := Mode(p.mode.Swap(int32(m)))
	p.mu.Lock()
	if m == Cut && p.listen != nil {
		_ = p.listen.Close()
		p.listen = nil
	}
	close(p.changed)
	p.changed = make(chan struct{})
	var reset []*pipe
	if m == Cut || (m == Pass && (old == Mute || old == NoReply)) {
		for c := range p.conns {
			reset = append(reset, c)
		}
	}
	p.mu.Unlock()
	for _, c := range reset {
		c.reset()
	}
}

// Delay makes each answer wait.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// LoseReply resets the connection of the nth request from now on that holds text, after
// the server has answered it: the classic ambiguous commit.
func (p *Proxy) LoseReply(text string, nth int) {
	p.set(&snare{text: []byte(text), nth: nth, deliver: true, after: Pass})
}

// LoseRequest resets the connection of the nth request that holds text before the
// server sees it, and stays in the mode after.
func (p *Proxy) LoseRequest(text string, nth int, after Mode, caught func()) {
	p.set(&snare{text: []byte(text), nth: nth, after: after, caught: caught})
}

func (p *Proxy) set(s *snare) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snare = s
}

// Hits is how many requests were caught.
func (p *Proxy) Hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	p.Set(Cut)
}

func (p *Proxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go p.serve(c.(*net.TCPConn))
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	if Mode(p.mode.Load()) == Cut {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	p.untilOpen(Hold)
	raw, err := net.DialTimeout("tcp", Loopback(p.target), 5*time.Second)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	c := &pipe{proxy: p, client: client, server: raw.(*net.TCPConn), ended: make(chan struct{})}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	go c.up()
	c.down()
}

// untilOpen waits while the proxy is in one of the modes.
func (p *Proxy) untilOpen(shut ...Mode) {
	for {
		p.mu.Lock()
		changed, mode := p.changed, Mode(p.mode.Load())
		p.mu.Unlock()
		blocked := false
		for _, m := range shut {
			blocked = blocked || m == mode
		}
		if !blocked {
			return
		}
		<-changed
	}
}

// pipe is one connection through the proxy.
type pipe struct {
	proxy          *Proxy
	client, server *net.TCPConn
	deaf           atomic.Bool // its answers are lost, and it is reset with the next of them
	once           sync.Once
	ended          chan struct{}
}

func (c *pipe) reset() {
	c.once.Do(func() {
		close(c.ended)
		_ = c.client.SetLinger(0)
		_ = c.client.Close()
		_ = c.server.Close()
	})
}

// up carries requests.
func (c *pipe) up() {
	defer c.reset()
	buf := make([]byte, 64<<10)
	tail := []byte(nil) // of the chunk before, where a text may have begun
	for {
		n, err := c.client.Read(buf)
		if n > 0 {
			c.proxy.untilOpen(Hold)
			if Mode(c.proxy.mode.Load()) == NoReply {
				c.deaf.Store(true)
			}
			window := append(tail, buf[:n]...)
			if !c.proxy.examine(c, window) {
				return
			}
			if _, err := c.server.Write(buf[:n]); err != nil {
				return
			}
			tail = append([]byte(nil), window[max(0, len(window)-64):]...)
		}
		if err != nil {
			return
		}
	}
}

// examine looks for the snare's text, and reports whether the request may go on.
func (p *Proxy) examine(c *pipe, window []byte) bool {
	p.mu.Lock()
	s := p.snare
	if s == nil || !bytes.Contains(window, s.text) {
		p.mu.Unlock()
		return true
	}
	if s.nth--; s.nth > 0 {
		p.mu.Unlock()
		return true
	}
	p.snare = nil
	p.hits++
	p.mu.Unlock()
	if s.deliver {
		c.deaf.Store(true)
		return true
	}
	if s.caught != nil {
		s.caught()
	}
	c.reset()
	if s.after != Pass {
		p.Set(s.after)
	}
	return false
}

// down carries answers.
func (c *pipe) down() {
	defer c.reset()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buf)
		if n > 0 {
			if c.deaf.Load() && Mode(c.proxy.mode.Load()) == Pass {
				return // the answer is there, and lost
			}
			c.proxy.untilOpen(Hold, Mute, NoReply)
			if c.deaf.Load() {
				return
			}
			if d := time.Duration(c.proxy.delay.Load()); d > 0 {
				select {
				case <-time.After(d):
				case <-c.ended:
				}
			}
			if _, err := c.client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// For sets a mode for a while.
func (p *Proxy) For(ctx context.Context, m Mode, d time.Duration) {
	p.Set(m)
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	p.Set(Pass)
}
