package vapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func TestFind(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	start := time.Now()
	placed := map[string]provider.CallID{}
	for _, key := range []string{"a/1", "a/2", "a/11", "b/1", "A/1"} {
		c, err := p.Place(t.Context(), request(key, answers))
		if err != nil {
			t.Fatal(err)
		}
		placed[key] = c.ID
	}
	for key, id := range placed {
		if c, err := p.Find(t.Context(), key, start); err != nil || c.ID != id || c.Key != key || c.From != "pn-1" {
			t.Errorf("%s: got %+v, %v", key, c, err)
		}
	}
	for _, key := range []string{"a/3", "a/111", "c/1"} {
		if _, err := p.Find(t.Context(), key, start); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("%s: got %v", key, err)
		}
	}
	if _, err := p.Find(t.Context(), "a/1", start.Add(time.Hour)); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("a call from before since was found: %v", err)
	}
	if _, err := p.Find(t.Context(), "nonsense", start); !errors.Is(err, provider.ErrInvalidRequest) {
		t.Errorf("got %v", err)
	}
}

func TestFindLag(t *testing.T) {
	f := newPlatform(t)
	p := f.provider(t)
	f.SetFindLag(time.Hour)
	c, err := p.Place(t.Context(), request("a/1", answers))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Find(t.Context(), "a/1", time.Now()); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := p.Get(t.Context(), c.ID); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	f.Show()
	if found, err := p.Find(t.Context(), "a/1", time.Now()); err != nil || found.ID != c.ID {
		t.Errorf("shown: %+v, %v", found, err)
	}
}

// archive serves GET /call over calls of its own making, newest first.
type archive struct {
	calls    []map[string]any
	made     []time.Time // finer than what the calls show
	limit    int         // the most it lists at once, whatever is asked for
	reversed bool        // oldest first
	requests []string
}

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newArchive has n calls, each a second older than the one before.
func newArchive(n int, apart time.Duration) *archive {
	a := &archive{limit: 1000}
	for i := range n {
		at := epoch.Add(-time.Duration(i) * apart)
		a.made = append(a.made, at)
		a.calls = append(a.calls, map[string]any{
			"id": fmt.Sprintf("call-%d", i), "createdAt": stamp(at), "status": "queued",
			"type": "outboundPhoneCall", "assistantOverrides": map[string]any{"metadata": map[string]any{MetadataKey: fmt.Sprintf("t/%d", i+1)}},
		})
	}
	return a
}

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests = append(a.requests, r.URL.RawQuery)
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	page := []map[string]any{}
	le, err := time.Parse(time.RFC3339, q.Get("createdAtLe"))
	for i, c := range a.calls {
		if err == nil && a.made[i].After(le) {
			continue
		}
		page = append(page, c)
	}
	if a.reversed {
		slices.Reverse(page)
	}
	_ = json.NewEncoder(w).Encode(page[:min(len(page), limit, a.limit)])
}

func TestListPages(t *testing.T) {
	for _, c := range []struct {
		n, limit, requests int
		apart              time.Duration
	}{
		{n: 0, limit: 1000, requests: 1, apart: time.Second},
		{n: 99, limit: 1000, requests: 1, apart: time.Second},
		{n: 1000, limit: 1000, requests: 2, apart: time.Second},
		{n: 2500, limit: 1000, requests: 3, apart: time.Second},
		{n: 2500, limit: 1000, requests: 3, apart: time.Millisecond / 4}, // four at a time
		{n: 2500, limit: 998, requests: 3, apart: time.Millisecond / 4},  // and a page ends among them
		{n: 350, limit: 100, requests: 4, apart: time.Second},            // does not honour our limit
	} {
		a := newArchive(c.n, c.apart)
		a.limit = c.limit
		p := newProvider(t, func(cfg *Config) { cfg.BaseURL = serve(t, a.ServeHTTP) })
		seen := map[provider.CallID]bool{}
		for call, err := range p.List(t.Context(), epoch.Add(-time.Hour)) {
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			if seen[call.ID] {
				t.Errorf("%+v: %s twice", c, call.ID)
			}
			seen[call.ID] = true
		}
		// A last page of exactly one known call may be needed to see the end.
		if len(seen) != c.n || len(a.requests) < c.requests || len(a.requests) > c.requests+1 {
			t.Errorf("%+v: %d calls in %d requests", c, len(seen), len(a.requests))
		}
		if !strings.Contains(a.requests[0], "limit=1000") || !strings.Contains(a.requests[0], "createdAtGe=2026-11-23T10%3A55%3A00.000Z") {
			t.Errorf("asked for %s", a.requests[0])
		}
	}
}

// Where the rest of a list cannot be asked for, "not found" would be a lie.
func TestListCutShort(t *testing.T) {
	same := newArchive(1500, 0)
	reversed := newArchive(1500, time.Second)
	reversed.reversed = true
	undated := newArchive(1500, time.Second)
	for _, c := range undated.calls {
		c["createdAt"] = "soon"
	}
	broken := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	for name, handler := range map[string]http.HandlerFunc{
		"all at once": same.ServeHTTP, "oldest first": reversed.ServeHTTP, "undated": undated.ServeHTTP,
		"breaks off": broken(`[{"id":"a","status":"queued"},{"id":`), "no array": broken(`{"results":[]}`), "HTML": broken(`<html>`),
		"no end": broken(`[{"id":"a"}`), "no id": broken(`[{"status":"queued"}]`), "empty": broken(``),
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) },
		"404": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"message":"Cannot GET /call"}`, http.StatusNotFound)
		},
		"fault":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		p := newProvider(t, func(c *Config) { c.BaseURL = serve(t, handler) })
		if _, err := p.Find(t.Context(), "nobody/1", epoch.Add(-time.Hour)); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("%s: Find says %v, want unavailable", name, err)
		}
		var last error
		for _, err := range p.List(t.Context(), epoch.Add(-time.Hour)) {
			last = err
		}
		if !errors.Is(last, provider.ErrUnavailable) {
			t.Errorf("%s: List ends with %v, want unavailable", name, last)
		}
	}
}

// A page larger than we read at once is taken in parts.
func TestListLargePages(t *testing.T) {
	a := newArchive(20, time.Second)
	for _, c := range a.calls {
		c["artifact"] = map[string]any{"transcript": strings.Repeat("x", 1<<20)}
	}
	p := newProvider(t, func(c *Config) {
		c.BaseURL = serve(t, a.ServeHTTP)
		c.HTTPClient = &http.Client{Timeout: 10 * time.Minute} // with the race detector a page takes seconds, and 30 s is the default
	})
	n := 0
	for _, err := range p.List(t.Context(), epoch.Add(-time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 20 || len(a.requests) != 2 {
		t.Errorf("%d calls in %d requests", n, len(a.requests))
	}
}

func TestListShowsOutboundOnly(t *testing.T) {
	a := newArchive(3, time.Second)
	a.calls[1]["type"] = "inboundPhoneCall"
	a.calls[2]["assistantOverrides"] = map[string]any{"metadata": map[string]any{MetadataKey: 7}}
	p := newProvider(t, func(c *Config) { c.BaseURL = serve(t, a.ServeHTTP) })
	var keys []string
	for c, err := range p.List(t.Context(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, c.Key)
	}
	if !slices.Equal(keys, []string{"t/1", ""}) || strings.Contains(a.requests[0], "createdAtGe") {
		t.Errorf("got %q after %s", keys, a.requests[0])
	}
	for range p.List(t.Context(), time.Time{}) {
		break
	}
}

func TestReadErrors(t *testing.T) {
	for status, want := range map[int]error{
		401: provider.ErrUnauthenticated, 403: provider.ErrUnauthenticated, 404: provider.ErrNotFound,
		429: provider.ErrRateLimited, 500: provider.ErrUnavailable, 302: provider.ErrUnavailable,
	} {
		p := newProvider(t, func(c *Config) {
			c.BaseURL = serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"message":"call +14155550100, Bearer ` + token + `"}`))
			})
		})
		_, err := p.Get(t.Context(), "a")
		var e *provider.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Op != "get" || strings.Contains(err.Error(), "4155550100") || strings.Contains(err.Error(), token) {
			t.Errorf("%d: got %v, want %v", status, err, want)
		}
		if status == 429 && e.RetryAfter != 3*time.Second {
			t.Errorf("RetryAfter is %s", e.RetryAfter)
		}
		if status != 404 {
			if _, err := p.Find(t.Context(), "a/1", epoch); !errors.Is(err, want) {
				t.Errorf("%d: Find says %v, want %v", status, err, want)
			}
		}
	}
}
