package parts

import (
	"net"
	"strconv"
	"sync"
)

var given struct {
	sync.Mutex
	ports map[int]bool
}

// FreePort returns a port of the loopback interface that nothing listens on, and that
// was not given before in this process. It lies below the range from which systems
// take ports for outgoing connections, so that it stays free across restarts.
func FreePort() int {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	const first, last = 20000, 32000
	for port := first; port < last; port++ {
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

// Loopback is host:port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
