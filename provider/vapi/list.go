package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

const (
	// pageLimit is the most that Vapi lists at once.
	pageLimit = 1000
	// fullPage is the least length of a page that may be followed by another:
	// Vapi's default limit, in case it does not honour ours.
	fullPage = 100
	// maxPageBody bounds what is read of a page; what lies beyond is asked for
	// again, as the next page.
	maxPageBody = 16 << 20
	// clockSkew is how far our clock may be ahead of Vapi's.
	clockSkew = 5 * time.Minute
	maxPages  = 10000
)

// Find looks for the call whose metadata hold key among those created since. Vapi
// cannot filter by metadata, so it lists all of the account's calls from five
// minutes before since. ErrNotFound means that the whole list was seen and the call
// is not on it (yet); where the list was cut short the error is KindUnavailable.
func (p *Provider) Find(ctx context.Context, key string, since time.Time) (provider.Call, error) {
	if _, _, ok := provider.SplitKey(key); !ok {
		return provider.Call{}, p.fail("find", provider.KindInvalidRequest, 0, errors.New("this cannot be a key"))
	}
	for w, err := range p.calls(ctx, "find", since) {
		if err != nil {
			return provider.Call{}, err
		}
		if w.key() != key {
			continue
		}
		c := p.call(ctx, w)
		if c.From == "" {
			c.From = w.PhoneNumberID
		}
		return c, nil
	}
	return provider.Call{}, p.fail("find", provider.KindNotFound, 0, errors.New("no call under this key is on the list"))
}

// List goes through the account's outbound calls created since, give or take five
// minutes, each once and newest first, whoever made them: Key is empty for those
// that are not the library's. It stops after the first error.
func (p *Provider) List(ctx context.Context, since time.Time) iter.Seq2[provider.Call, error] {
	return func(yield func(provider.Call, error) bool) {
		for w, err := range p.calls(ctx, "list", since) {
			if err != nil {
				yield(provider.Call{}, err)
				return
			}
			if w.outbound() && !yield(p.call(ctx, w), nil) {
				return
			}
		}
	}
}

// calls goes through all pages. Vapi has no cursor: the next page is what was
// created no later than the last call of this one, without what was seen already.
// That is right only for a list from newest to oldest, which Vapi does not promise,
// so it is checked.
func (p *Provider) calls(ctx context.Context, op string, since time.Time) iter.Seq2[*wireCall, error] {
	return func(yield func(*wireCall, error) bool) {
		query := url.Values{"limit": {strconv.Itoa(pageLimit)}}
		if !since.IsZero() {
			query.Set("createdAtGe", stamp(since.Add(-clockSkew)))
		}
		seen := map[string]bool{}
		for range maxPages {
			page, more, err := p.page(ctx, op, query)
			if err != nil {
				yield(nil, err)
				return
			}
			fresh := false
			for _, w := range page {
				if seen[w.ID] {
					continue
				}
				seen[w.ID], fresh = true, true
				if !yield(w, nil) {
					return
				}
			}
			if !more {
				return
			}
			if !fresh || !newestFirst(page) {
				yield(nil, p.fail(op, provider.KindUnavailable, 0, errors.New("the list is longer than a page, and its rest cannot be asked for")))
				return
			}
			// A millisecond more: Vapi shows times in milliseconds, and may keep
			// and compare them finer.
			query.Set("createdAtLe", stamp(page[len(page)-1].CreatedAt.Add(time.Millisecond)))
		}
		yield(nil, p.fail(op, provider.KindUnavailable, 0, errors.New("the list has no end")))
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func newestFirst(page []*wireCall) bool {
	for i, w := range page {
		if w.CreatedAt.IsZero() || i > 0 && w.CreatedAt.After(page[i-1].CreatedAt.Time) {
			return false
		}
	}
	return true
}

// page fetches one page; more says that there may be another after it.
func (p *Provider) page(ctx context.Context, op string, query url.Values) (page []*wireCall, more bool, err error) {
	resp, err := p.reader.Open(ctx, vendorhttp.Request{Op: op, Method: http.MethodGet, URL: p.url("/call", query), Header: p.header()})
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, vendorhttp.DefaultMaxBody))
		err := p.readError(op, vendorhttp.Reply{Status: resp.StatusCode, Header: resp.Header, Body: body})
		if err != nil && !errors.Is(err, provider.ErrNotFound) { // 404 is about the list, not about a call
			return nil, false, err
		}
		return nil, false, p.fail(op, provider.KindUnavailable, resp.StatusCode, errors.New("the answer holds no list"))
	}
	body := &io.LimitedReader{R: resp.Body, N: maxPageBody}
	page, whole, err := decodePage(body)
	switch {
	case whole:
		return page, len(page) >= fullPage, nil
	case body.N <= 0 && len(page) > 0:
		return page, true, nil
	}
	return nil, false, p.fail(op, provider.KindUnavailable, resp.StatusCode, err)
}

// decodePage reads a JSON array of calls one by one, as far as it goes. A page of
// large objects is cut short by its reader rather than held in memory twice.
func decodePage(r io.Reader) (page []*wireCall, whole bool, err error) {
	cut := errors.New("the list breaks off or is not in Vapi's JSON")
	dec := json.NewDecoder(r)
	if first, err := dec.Token(); err != nil || first != json.Delim('[') {
		return nil, false, cut
	}
	for dec.More() {
		var one json.RawMessage
		if dec.Decode(&one) != nil {
			return page, false, cut
		}
		w, err := decodeCall(one)
		if err != nil {
			return page, false, cut
		}
		page = append(page, w)
	}
	if _, err := dec.Token(); err != nil {
		return page, false, cut
	}
	return page, true, nil
}
