package fakelivekit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// maxAge is how long an event may wait behind others before it is dropped.
const maxAge = 30 * time.Second

type event struct {
	Event         string `json:"event"`
	Room          object `json:"room,omitempty"`
	Participant   object `json:"participant,omitempty"`
	Egress        object `json:"egressInfo,omitempty"`
	ID            string `json:"id"`
	CreatedAt     string `json:"createdAt"`
	RoomEndReason string `json:"roomEndReason,omitempty"`
	at            time.Time
}

// queue is the events of one room name, in order; one that is not taken holds up
// the rest.
type queue struct {
	waiting []event
	running bool
}

// emit queues an event. s.mu is held.
func (s *Server) emit(r *room, e event) {
	if s.cfg.WebhookURL == "" || s.closed {
		return
	}
	e.ID, e.at = newID("EV"), time.Now()
	e.CreatedAt = strconv.FormatInt(e.at.Unix(), 10)
	if f := s.faults.drop; f != nil && f(e.Event) {
		return
	}
	q := s.queues[r.name]
	if q == nil {
		q = &queue{}
		s.queues[r.name] = q
	}
	q.waiting = append(q.waiting, e)
	if f := s.faults.twice; f != nil && f(e.Event) {
		q.waiting = append(q.waiting, e)
	}
	if !q.running {
		q.running = true
		s.busy.Add(1)
		go s.drain(r.name, q)
	}
}

func (s *Server) drain(name string, q *queue) {
	defer s.busy.Done()
	for {
		s.mu.Lock()
		if len(q.waiting) == 0 || s.closed {
			q.running = false
			delete(s.queues, name)
			s.mu.Unlock()
			return
		}
		e := q.waiting[0]
		q.waiting = q.waiting[1:]
		s.mu.Unlock()
		if time.Since(e.at) < maxAge {
			s.deliver(e)
		}
	}
}

// deliver posts an event and repeats it, under the same id, while the answer is a
// 5xx, a 429 or none.
func (s *Server) deliver(e event) {
	body, err := json.Marshal(e)
	if err != nil {
		return
	}
	for i := 0; ; i++ {
		if status := s.post(body); status != 429 && status < 500 {
			return
		}
		if i == len(s.cfg.WebhookRetries) {
			return // given up, for ever
		}
		select {
		case <-time.After(s.cfg.WebhookRetries[i]):
		case <-s.done:
			return
		}
	}
}

func (s *Server) post(body []byte) int {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	go func() {
		select {
		case <-s.done:
			stop()
		case <-ctx.Done():
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", SignWebhook(s.cfg.APIKey, s.cfg.APISecret, body, time.Now()))
	req.Header.Set("Content-Type", "application/webhook+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 599
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// SignWebhook returns the Authorization header of a webhook with that body: a token
// without a scheme.
func SignWebhook(key, secret string, body []byte, now time.Time) string {
	sum := sha256.Sum256(body)
	return signToken(secret, struct {
		Iss    string `json:"iss"`
		Nbf    int64  `json:"nbf"`
		Exp    int64  `json:"exp"`
		SHA256 string `json:"sha256"`
	}{key, now.Unix(), now.Unix() + 300, base64.StdEncoding.EncodeToString(sum[:])})
}
