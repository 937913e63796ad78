package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/superservices/voice/provider"
)

func TestWebhookHandler(t *testing.T) {
	var (
		now    = time.Now().UTC()
		failed = errors.New("the store is down")
		young  = provider.Event{Call: provider.Call{ID: "young", CreatedAt: now.Add(-time.Minute)}}
		old    = provider.Event{Call: provider.Call{ID: "old", CreatedAt: now.Add(-3 * time.Minute)}, At: now}
		fresh  = provider.Event{Call: provider.Call{ID: "fresh"}, At: now.Add(-time.Minute)}
		stale  = provider.Event{Call: provider.Call{ID: "stale"}, At: now.Add(-3 * time.Minute)}
		dull   = provider.Event{Call: provider.Call{ID: "dull"}}
		wrap   = fmt.Errorf("task 7: %w", provider.ErrUnknownCall)
	)
	for _, tt := range []struct {
		name   string
		events []provider.Event
		parse  error
		sink   map[provider.CallID]error // what Deliver says; absent = delivered
		want   int
	}{
		{"nothing in it", nil, nil, nil, 204},
		{"delivered", []provider.Event{young, dull}, nil, nil, 204},
		{"forged", []provider.Event{young}, provider.ErrBadSignature, nil, 401},
		{"forged, wrapped", nil, fmt.Errorf("vapi: %w", provider.ErrBadSignature), nil, 401},
		{"unreadable", []provider.Event{young}, io.ErrUnexpectedEOF, nil, 400},
		{"the sink failed", []provider.Event{dull}, nil, map[provider.CallID]error{"dull": failed}, 503},
		{"unknown and young", []provider.Event{young}, nil, map[provider.CallID]error{"young": provider.ErrUnknownCall}, 503},
		{"unknown and young, wrapped", []provider.Event{young}, nil, map[provider.CallID]error{"young": wrap}, 503},
		{"unknown and old, by the call before the event", []provider.Event{old}, nil, map[provider.CallID]error{"old": wrap}, 204},
		{"unknown and young by the event", []provider.Event{fresh}, nil, map[provider.CallID]error{"fresh": wrap}, 503},
		{"unknown and old by the event", []provider.Event{stale}, nil, map[provider.CallID]error{"stale": wrap}, 204},
		{"unknown, of no known age", []provider.Event{dull}, nil, map[provider.CallID]error{"dull": wrap}, 204},
		{"one of several failed", []provider.Event{old, dull, young}, nil, map[provider.CallID]error{"old": wrap, "dull": failed}, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen []provider.Event
			sink := provider.EventSinkFunc(func(_ context.Context, e provider.Event) error {
				seen = append(seen, e)
				return tt.sink[e.Call.ID]
			})
			parse := func(*http.Request) ([]provider.Event, error) { return tt.events, tt.parse }
			w := httptest.NewRecorder()
			provider.WebhookHandler(parse, sink).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
			assert.Equal(t, tt.want, w.Code)
			assert.Empty(t, w.Body.String(), "nothing is told to whom is not known")
			if tt.parse != nil {
				assert.Empty(t, seen, "what was not parsed or verified reaches no sink")
			} else {
				assert.Equal(t, tt.events, seen, "a failure keeps no other event back")
			}
		})
	}
}

func TestWebhookHandlerTakesPostOnly(t *testing.T) {
	parse := func(*http.Request) ([]provider.Event, error) {
		t.Error("parsed")
		return nil, nil
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "post"} {
		w := httptest.NewRecorder()
		provider.WebhookHandler(parse, nil).ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, http.MethodPost, w.Header().Get("Allow"))
	}
}

func TestWebhookHandlerBoundsTheBody(t *testing.T) {
	const limit = 4 << 20
	for size, want := range map[int]int{limit: http.StatusNoContent, limit + 1: http.StatusRequestEntityTooLarge} {
		parse := func(r *http.Request) ([]provider.Event, error) {
			body, err := io.ReadAll(r.Body)
			assert.LessOrEqual(t, len(body), limit)
			return nil, err
		}
		w := httptest.NewRecorder()
		body := io.LimitReader(endless{}, int64(size))
		provider.WebhookHandler(parse, nil).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", body))
		assert.Equal(t, want, w.Code, size)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestWebhookHandlerPassesTheContext(t *testing.T) {
	type key struct{}
	sink := provider.EventSinkFunc(func(ctx context.Context, _ provider.Event) error {
		assert.Equal(t, "host", ctx.Value(key{}))
		return nil
	})
	parse := func(*http.Request) ([]provider.Event, error) { return make([]provider.Event, 1), nil }
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	provider.WebhookHandler(parse, sink).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "host")))
	assert.Equal(t, http.StatusNoContent, w.Code)
}
