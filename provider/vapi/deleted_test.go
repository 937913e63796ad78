package vapi

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/superservices/voice/provider"
)

// A scheduled call that Vapi forgets once it is deleted has ended all the same, if
// Vapi's answer said so; one that it dialled meanwhile has not.
func TestDeletedCallIsForgotten(t *testing.T) {
	for answer, ended := range map[string]bool{
		`{"id":"c1","status":"ended","endedReason":"scheduled-call-deleted"}`: true,
		`{"id":"c1","status":"ringing"}`:                                      false,
		`{"id":"c2","status":"ended"}`:                                        false,
		``:                                                                    false,
	} {
		gone := false
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodDelete:
				gone = true
				_, _ = io.WriteString(w, answer)
			case gone:
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"message":"Call not found","statusCode":404}`)
			default:
				_, _ = io.WriteString(w, `{"id":"c1","status":"scheduled"}`)
			}
		})
		p := newProvider(t, func(c *Config) { c.BaseURL = url })
		if err := p.End(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		c, err := p.Get(t.Context(), "c1")
		switch {
		case ended && (err != nil || c.Status != provider.StatusEnded || c.Outcome != provider.OutcomeCancelled):
			t.Errorf("%s: %+v, %v", answer, c, err)
		case !ended && !errors.Is(err, provider.ErrNotFound):
			t.Errorf("%s: %+v, %v", answer, c, err)
		}
	}
}
