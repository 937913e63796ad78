package fakevapi

import (
	"bytes"
	"io"
	"net/http"
)

// maxBreaches bounds what Violations keeps.
const maxBreaches = 100

// lawful asks Config.Check about r. It answers a request that is not.
func (s *Server) lawful(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	err = s.cfg.Check(r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.checked++
	if err != nil && len(s.breaches) < maxBreaches {
		s.breaches = append(s.breaches, err)
	}
	s.mu.Unlock()
	if err != nil {
		refuse(w, http.StatusBadRequest, "the request breaks the contract")
		return false
	}
	return true
}

// Violations returns what Config.Check objected to, and how many requests it saw.
func (s *Server) Violations() (breaches []error, checked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.breaches...), s.checked
}
