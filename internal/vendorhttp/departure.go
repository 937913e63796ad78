package vendorhttp

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errLate refuses the first byte of a request whose time to leave is over.
var errLate = errors.New("held up before the send: not sent")

// departure follows one request to the wire. It stands at the one place that every
// byte passes, the Write of its connection, so that what it says is no inference:
// either some of the request was handed to the kernel, or none was and none will be.
type departure struct {
	start  time.Time
	budget time.Duration
	state  atomic.Int32
	// handed: the connection is made, what is written from here on is the request.
	handed atomic.Bool

	mu   sync.Mutex
	conn *net.TCPConn // the last one dialled
}

// States of a departure. From open it moves once.
const (
	open int32 = iota
	left       // some of the request may have been written
	shut       // none was, and none will be
)

// leave asks for the right to write some of the request. A process that was frozen
// or starved since the start is refused: its phone would ring late.
func (d *departure) leave() bool {
	if d.state.Load() == open {
		if d.late() {
			d.state.CompareAndSwap(open, shut)
		} else {
			d.state.CompareAndSwap(open, left)
		}
	}
	return d.state.Load() == left
}

// notSent ends a departure that failed, and reports whether it is certain that
// nothing was written. A writer that comes later is refused.
func (d *departure) notSent() bool {
	return d.state.CompareAndSwap(open, shut) || d.state.Load() == shut
}

// late goes by the monotonic and by the wall clock: the first stands still while a
// machine is suspended, the second may be set.
func (d *departure) late() bool {
	now := time.Now()
	return now.Sub(d.start) > d.budget || now.Round(0).Sub(d.start.Round(0)) > d.budget
}

// answered: the platform has the request, the connection may close politely.
func (d *departure) answered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		_ = d.conn.SetLinger(-1)
	}
}

type departureKey struct{}

// dial opens the connection of one request. Until an answer begins, closing it
// discards what the kernel has not delivered yet, and so does the death of this
// process: else a request given up for lost could be retransmitted for minutes and
// ring a phone after the look for it is over. (TCP_USER_TIMEOUT would besides bound
// the retransmissions of a process that is frozen, on Linux only; nobody has given
// up on the dial of such a process by a clock of ours, so it is not set.)
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d, ok := ctx.Value(departureKey{}).(*departure)
	if !ok {
		return nil, errors.New("a connection for no request")
	}
	ctx, cancel := context.WithDeadline(ctx, d.start.Add(d.budget))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		d.mu.Lock()
		d.conn = tcp
		d.mu.Unlock()
	}
	return &gated{Conn: conn, departure: d}, nil
}

// gated is a connection that lets the request pass once, in time.
type gated struct {
	net.Conn
	departure *departure
}

func (g *gated) Write(b []byte) (int, error) {
	if g.departure.handed.Load() && !g.departure.leave() {
		return 0, errLate
	}
	return g.Conn.Write(b)
}
