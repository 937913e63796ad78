package fakevapi

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

const maxBody = 2 << 20

func (s *Server) authorized(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || token == "" || s.cfg.Token != "" && token != s.cfg.Token {
			refuse(w, http.StatusUnauthorized, "Invalid Key. Hot tip, you may be using the public key instead of the private key.")
			return
		}
		next(w, r)
	})
}

// refuse answers in the API's error shape.
func refuse(w http.ResponseWriter, status int, message ...string) {
	body := map[string]any{"message": message, "error": http.StatusText(status), "statusCode": status}
	if len(message) == 1 && status != http.StatusBadRequest {
		body["message"] = message[0]
	}
	reply(w, status, body)
}

func reply(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"message":"fakevapi: cannot marshal","statusCode":500}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the client has left: nothing is placed
	}
	b, complaints := parse(raw)
	key, _ := b.Overrides.Metadata[s.cfg.KeyField].(string)
	s.mu.Lock()
	s.posts++
	if key != "" && len(s.postsFor) < 10*s.cfg.MaxCalls {
		s.postsFor[key]++
	}
	f := s.nextFault()
	s.mu.Unlock()

	switch {
	case f.Kind == Refuse:
		send(w, f)
		return
	case len(raw) > maxBody:
		refuse(w, http.StatusRequestEntityTooLarge, "request entity too large")
		return
	case len(complaints) > 0:
		refuse(w, http.StatusBadRequest, complaints...)
		return
	case !s.numberAccepted(w, b.Customer.Number):
		return
	}
	c := newCall(b, key, raw, controlBase(r))
	if !s.remember(c) {
		refuse(w, http.StatusTooManyRequests, "Over Concurrency Limit")
		return
	}
	if f.Kind == Schedule {
		s.schedule(c)
	} else {
		s.dial(c)
	}
	s.mu.Lock()
	view := c.view(true)
	s.mu.Unlock()
	out, err := json.Marshal(view)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "cannot marshal the call")
		return
	}
	if s.answerTrouble(w, r, f, out) {
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.Copy(w, bytes.NewReader(out))
}

// numberAccepted asks the number's script whether the platform takes it.
func (s *Server) numberAccepted(w http.ResponseWriter, number string) bool {
	script := carrier.ScriptFor(number)
	if number == "" { // a SIP URI answers
		return true
	}
	if script.RefuseBad {
		refuse(w, http.StatusBadRequest, notE164)
		return false
	}
	if !script.RateLimited {
		return true
	}
	s.mu.Lock()
	first := !s.limited[number]
	if len(s.limited) < s.cfg.MaxCalls {
		s.limited[number] = true
	}
	s.mu.Unlock()
	if first {
		reply(w, http.StatusTooManyRequests, map[string]any{"message": "Rate limit exceeded", "statusCode": 429})
	}
	return !first
}

// remember keeps c, and forgets the oldest call that has ended if there are too
// many.
func (s *Server) remember(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) >= s.cfg.MaxCalls {
		evicted := false
		for i, old := range s.order {
			if old.status == statusEnded {
				s.order = append(s.order[:i:i], s.order[i+1:]...)
				delete(s.calls, old.id)
				evicted = true
				break
			}
		}
		if !evicted {
			return false
		}
	}
	if s.findLag > 0 {
		c.hiddenUntil = time.Now().Add(s.findLag)
	}
	s.calls[c.id] = c
	s.order = append(s.order, c)
	return true
}

func controlBase(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// newID returns an id as the API makes them: a UUID of version 7.
func newID(at time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
