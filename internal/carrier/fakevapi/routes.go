package fakevapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/superservices/voice/internal/carrier"
)

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.visible(r.PathValue("id"))
	var v map[string]any
	if c != nil {
		v = c.view(false)
	}
	s.mu.Unlock()
	if v == nil {
		refuse(w, http.StatusNotFound, "Call not found")
		return
	}
	reply(w, http.StatusOK, v)
}

func (s *Server) visible(id string) *call { // s.mu is held
	if c := s.calls[id]; c != nil && !time.Now().Before(c.hiddenUntil) {
		return c
	}
	return nil
}

// list answers with an array, newest first. It has no cursor and no filter for
// metadata, and refuses parameters that it does not know.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	keep, limit := []func(*call) bool{}, 100
	for name, values := range r.URL.Query() {
		value := values[0]
		switch name {
		case "limit":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 || n > 1000 {
				refuse(w, http.StatusBadRequest, "limit must not be greater than 1000")
				return
			}
			limit = n
		case "id":
			keep = append(keep, func(c *call) bool { return c.id == value })
		case "phoneNumberId":
			keep = append(keep, func(c *call) bool { return c.body.PhoneNumberID == value })
		case "assistantId":
			keep = append(keep, func(c *call) bool { return c.body.AssistantID == value })
		case "createdAtGe", "createdAtLe", "createdAtGt", "createdAtLt":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				refuse(w, http.StatusBadRequest, name+" must be a valid ISO 8601 date string")
				return
			}
			keep = append(keep, createdAt(name, at))
		default:
			refuse(w, http.StatusBadRequest, "property "+name+" should not exist")
			return
		}
	}
	reply(w, http.StatusOK, s.matching(keep, limit))
}

func createdAt(filter string, at time.Time) func(*call) bool {
	return func(c *call) bool {
		d := c.createdAt.Compare(at)
		switch filter {
		case "createdAtGe":
			return d >= 0
		case "createdAtLe":
			return d <= 0
		case "createdAtGt":
			return d > 0
		}
		return d < 0
	}
}

func (s *Server) matching(keep []func(*call) bool, limit int) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	page, now := []any{}, time.Now()
next:
	for i := len(s.order) - 1; i >= 0 && len(page) < limit; i-- {
		c := s.order[i]
		if now.Before(c.hiddenUntil) {
			continue
		}
		for _, k := range keep {
			if !k(c) {
				continue next
			}
		}
		page = append(page, c.view(false))
	}
	return page
}

// remove is DELETE: it calls a scheduled call off, and erases the record of any
// other. It hangs nothing up.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.visible(r.PathValue("id"))
	if c == nil {
		s.mu.Unlock()
		refuse(w, http.StatusNotFound, "Call not found")
		return
	}
	if c.status == statusScheduled {
		s.end(c, "scheduled-call-deleted", time.Now())
	} else {
		delete(s.calls, c.id)
		for i, o := range s.order {
			if o == c {
				s.order = append(s.order[:i:i], s.order[i+1:]...)
				break
			}
		}
	}
	v := c.view(false)
	s.mu.Unlock()
	reply(w, http.StatusOK, v)
}

// control is the control URL of a call. Its path is the only credential.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Type string `json:"type"`
	}
	raw, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
	_ = json.Unmarshal(raw, &body)
	s.mu.Lock()
	c := s.calls[r.PathValue("id")]
	gone := c == nil || c.secret != r.PathValue("secret") || c.leg == nil || c.status == statusEnded
	var leg *carrier.Leg
	if !gone {
		leg = c.leg
	}
	s.mu.Unlock()
	switch {
	case gone:
		refuse(w, http.StatusNotFound, "Call not found")
	case r.Header.Get("Authorization") != "":
		refuse(w, http.StatusBadRequest, "fakevapi: the control URL got a credential that is not its own")
	case body.Type != "end-call":
		refuse(w, http.StatusBadRequest, "type must be one of the known values")
	default:
		leg.Hangup()
		reply(w, http.StatusOK, map[string]any{})
	}
}
