package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
)

// ports of a run, all on the loopback interface.
type ports struct{ temporal, webUI, kafka, webhooks, health int }

// wantedPorts are the usual ones of each service.
var wantedPorts = ports{temporal: 7233, webUI: 8233, kafka: 9092, webhooks: 8235, health: 8236}

// choosePorts takes the usual port of each service, or where that is taken says so
// and takes the next free one.
func choosePorts(notes io.Writer) (ports, error) {
	p := wantedPorts
	chosen := map[int]bool{}
	for _, want := range []struct {
		port *int
		what string
	}{
		{&p.temporal, "Temporal"}, {&p.webUI, "the Web UI"}, {&p.kafka, "Kafka"}, {&p.webhooks, "the worker's webhooks"}, {&p.health, "the consumer's health"},
	} {
		usual := *want.port
		port, err := nextFree(usual, chosen)
		if err != nil {
			return ports{}, fmt.Errorf("a port for %s: %w", want.what, err)
		}
		if port != usual {
			fmt.Fprintf(notes, "demo: port %d of %s is taken: using %d\n", usual, want.what, port)
		}
		*want.port, chosen[port] = port, true
	}
	return p, nil
}

// nextFree looks upwards from first: there, below the range from which systems take
// ports for outgoing connections, a free port stays free.
func nextFree(first int, chosen map[int]bool) (int, error) {
	const tries = 200
	for port := first; port < first+tries; port++ {
		if !chosen[port] && free(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("%d to %d are all taken", first, first+tries-1)
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
