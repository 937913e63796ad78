package parts

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

var given struct {
	sync.Mutex
	ports map[int]bool
	next  int // where to look; each run begins somewhere else, since two may run at once
}

// FreePort returns a port of the loopback interface that nothing listens on, and that
// was not given before in this process. It lies below the range from which systems
// take ports for outgoing connections, so that it stays free across restarts.
func FreePort() int {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports, given.next = map[int]bool{}, rand.IntN(portSpan)
	}
	for range portSpan {
		port := firstPort + given.next%portSpan
		given.next++
		if given.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			continue
		}
		_ = l.Close()
		given.ports[port] = true
		return port
	}
	return 0 // the next listen says so
}

const (
	firstPort = 18000
	portSpan  = 14000
)

// listenFree listens on a port that FreePort gives: should another process have been
// faster, on the next.
func listenFree() (net.Listener, int, error) {
	const tries = 20
	var err error
	for range tries {
		port := FreePort()
		l, listenErr := net.Listen("tcp", Loopback(port))
		if listenErr == nil {
			return l, port, nil
		}
		err = listenErr
	}
	return nil, 0, err
}

// Loopback is host:port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
