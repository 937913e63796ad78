// Command standin plays LiveKit's SIP service, or an agent, against a real
// livekit-server: a process of its own, so that a test can kill it.
//
// What becomes of a call is written in the last two digits of its number: 01 answers
// and talks, 02 answers and hangs up, 86 is busy, 03 declines, 04 does not exist, 53
// meets a faulty trunk, 99 rings for ever. Each INVITE that would have been sent is a
// line in the ledger.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type options struct {
	url, key, secret string
	redis            string
	agent            string
	ledger           *ledger
}

func main() {
	var o options
	mode := flag.String("mode", "sip", "sip or agent")
	path := flag.String("ledger", "", "file that calls are written to")
	flag.StringVar(&o.url, "url", "", "of the server, ws://")
	flag.StringVar(&o.key, "key", "", "API key")
	flag.StringVar(&o.secret, "secret", "", "API secret")
	flag.StringVar(&o.redis, "redis", "", "address of Redis (sip)")
	flag.StringVar(&o.agent, "agent", "", "name to register under (agent)")
	flag.Parse()
	f, err := os.OpenFile(*path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|os.O_SYNC, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	o.ledger = &ledger{f: f}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	serve := serveSIP
	if *mode == "agent" {
		serve = serveAgent
	}
	if err := serve(ctx, o); err != nil {
		log.Fatal(err)
	}
}

// ledger is what a test counts: one JSON object a line.
type ledger struct {
	mu sync.Mutex
	f  *os.File
}

type entry struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"` // ready, invite, answer, bye, reject; joined, left
	Number string    `json:"number,omitempty"`
	Room   string    `json:"room,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

func (l *ledger) write(e entry) {
	e.At = time.Now()
	b, err := json.Marshal(e)
	if err != nil {
		log.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.f.Write(append(b, '\n')); err != nil {
		log.Fatal(err)
	}
}
