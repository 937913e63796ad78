package parts

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Relay stands between the platform, which sends webhooks, and the processes that
// receive them, of which any may be away. It can lose, double and reorder webhooks.
type Relay struct {
	Port int

	listen  net.Listener
	client  *http.Client
	targets []int // ports of the receivers

	mu     sync.Mutex
	rng    *rand.Rand
	drop   float64       // share that is lost, though the platform is told that it was taken
	double float64       // share that is delivered once more, later
	hold   time.Duration // each waits up to so long, so that they overtake each other
	next   int
	kept   []hook // delivered, for Replay
	counts map[string]int
}

type hook struct {
	path   string
	header http.Header
	body   []byte
}

// StartRelay leads to the receivers.
func StartRelay(seed uint64, targets ...int) (*Relay, error) {
	r := &Relay{
		targets: targets, client: &http.Client{Timeout: 10 * time.Second},
		rng: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{},
	}
	var err error
	if r.listen, r.Port, err = listenFree(); err != nil {
		return nil, err
	}
	go func() { _ = (&http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}).Serve(r.listen) }()
	return r, nil
}

// Trouble sets what happens to webhooks from now on.
func (r *Relay) Trouble(drop, double float64, hold time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop, r.double, r.hold = drop, double, hold
}

// Counts is how many webhooks were lost, doubled, delivered, failed.
func (r *Relay) Counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := map[string]int{}
	for k, v := range r.counts {
		c[k] = v
	}
	return c
}

// Close ends it.
func (r *Relay) Close() { _ = r.listen.Close() }

// ServeHTTP takes a webhook and answers as its receiver does.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 4<<20))
	if err != nil {
		return
	}
	h := hook{req.URL.Path, req.Header.Clone(), body}
	r.mu.Lock()
	lost, twice := r.rng.Float64() < r.drop, r.rng.Float64() < r.double
	var wait, again time.Duration
	if r.hold > 0 {
		wait, again = time.Duration(r.rng.Int64N(int64(r.hold))), time.Duration(r.rng.Int64N(int64(r.hold)))
	}
	switch {
	case lost:
		r.counts["lost"]++
	case len(r.kept) < 10000:
		r.kept = append(r.kept, h)
	}
	r.mu.Unlock()
	if lost {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if wait > 0 { // the platform sends the next one meanwhile
		w.WriteHeader(http.StatusNoContent)
		go r.later(h, wait)
	} else {
		w.WriteHeader(r.deliver(h))
	}
	if twice {
		r.mu.Lock()
		r.counts["doubled"]++
		r.mu.Unlock()
		go r.later(h, again)
	}
}

// later delivers a webhook for which the platform has its answer already, for as long
// as a platform would try.
func (r *Relay) later(h hook, wait time.Duration) {
	for try := range 6 {
		time.Sleep(wait)
		if status := r.deliver(h); status < 300 {
			return
		}
		wait = time.Second << try
	}
}

// deliver sends a webhook to whichever receiver takes it.
func (r *Relay) deliver(h hook) int {
	for range r.targets {
		r.mu.Lock()
		target := r.targets[r.next%len(r.targets)]
		r.next++
		r.mu.Unlock()
		req, err := http.NewRequest(http.MethodPost, "http://"+Loopback(target)+h.path, bytes.NewReader(h.body))
		if err != nil {
			return http.StatusInternalServerError
		}
		req.Header = h.header.Clone()
		resp, err := r.client.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		r.count(resp.StatusCode)
		return resp.StatusCode
	}
	r.count(http.StatusServiceUnavailable)
	return http.StatusServiceUnavailable
}

func (r *Relay) count(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if status < 300 {
		r.counts["delivered"]++
	} else {
		r.counts["refused"]++
	}
}

// Replay delivers everything delivered so far again, in another order, and returns how
// many of them the receivers refused.
func (r *Relay) Replay() (sent, refused int) {
	r.mu.Lock()
	all := append([]hook(nil), r.kept...)
	r.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	r.mu.Unlock()
	for _, h := range all {
		if status := r.deliver(h); status >= 300 {
			refused++
		}
	}
	return len(all), refused
}
