package vapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// placeTimeout bounds one POST /call. It is long: an answer given up for lost
// costs the task its certainty.
const placeTimeout = 30 * time.Second

// Place sends one POST /call. A number that Vapi calls malformed is a Call without
// an id that has ended with provider.OutcomeInvalidNumber.
//
// Which kinds its errors have: KindRejected when the account has no money or is
// frozen, KindInvalidRequest when the request lacks something or Vapi does not
// understand it, KindRateLimited when all lines are in use or requests come too
// fast, KindUnauthenticated, KindNotFound; KindUnavailable when no connection came
// about; KindOutcomeUnknown for everything else.
func (p *Provider) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	body, sent, err := p.body(ctx, req)
	if err != nil {
		return provider.Call{}, p.fail("place", provider.KindInvalidRequest, 0, err)
	}
	header := p.header()
	header.Set("Content-Type", "application/json")
	reply, err := p.placer.Post(ctx, vendorhttp.Send{URL: p.url("/call", nil), Header: header, Body: body, Timeout: placeTimeout})
	if err != nil {
		return provider.Call{}, err
	}
	switch {
	case reply.Status >= 200 && reply.Status <= 299:
		return p.accepted(ctx, req, sent, reply)
	default:
		return p.refused(req, readRefusal(reply.Status, reply.Body), reply)
	}
}

// accepted reads an answer of 2xx: a call, or a batch of one, told apart by
// "results". Anything without an id leaves open what was placed. A call that waits
// for a line, "scheduled" or not, is a live one: Vapi may dial it at any moment, so
// it is followed and never dialled again.
func (p *Provider) accepted(ctx context.Context, req provider.Request, sent createCall, reply vendorhttp.Reply) (provider.Call, error) {
	unknown := func(why error) (provider.Call, error) {
		p.log.Error("vapi: a call may have been placed, but the answer does not say which", "provider", p.cfg.Name, "key", req.Key, "status", reply.Status)
		return provider.Call{}, p.fail("place", provider.KindOutcomeUnknown, reply.Status, why)
	}
	var batch struct {
		Results []json.RawMessage `json:"results"`
		Errors  []struct {
			Error json.RawMessage `json:"error"`
		} `json:"errors"`
	}
	if err := decode(reply.Body, &batch); err != nil {
		if reply.BodyErr != nil {
			err = reply.BodyErr
		}
		return unknown(err)
	}
	one := json.RawMessage(reply.Body)
	switch {
	case len(batch.Results) == 1:
		one = batch.Results[0]
	case len(batch.Results) > 1:
		return unknown(fmt.Errorf("one call was asked for, %d were made", len(batch.Results)))
	case batch.Results != nil && len(batch.Errors) == 1:
		said, err := json.Marshal(map[string]json.RawMessage{"message": batch.Errors[0].Error})
		if err != nil {
			return unknown(err)
		}
		// No status says that this is a refusal, only its words may.
		text, _ := decodeRefusal(said)
		return p.refused(req, readWords(text, provider.KindOutcomeUnknown), vendorhttp.Reply{Status: reply.Status, Body: said, Header: reply.Header})
	}
	w, err := decodeCall(one)
	if err != nil {
		return unknown(err)
	}
	if w.Limits.Blocked {
		p.log.Warn("vapi: all of the account's lines are in use: the call was taken and waits", "provider", p.cfg.Name, "key", req.Key, "call_id", w.ID, "status", w.Status)
	}
	c := p.call(ctx, w)
	c.Key = req.Key
	if c.From == "" {
		c.From = sent.PhoneNumberID
	}
	return c, nil
}

// refused turns a refusal into what Place returns.
func (p *Provider) refused(req provider.Request, r refusal, reply vendorhttp.Reply) (provider.Call, error) {
	status := reply.Status
	words := p.words(reply.Body, req.To, req.ToName, shorten(req.ToName))
	switch {
	case r.badNumber:
		return provider.Call{
			Key: req.Key, Status: provider.StatusEnded, Outcome: provider.OutcomeInvalidNumber,
			Reason: words.Error(), NoSpeech: true,
		}, nil
	case r.kind == provider.KindOutcomeUnknown:
		p.log.Error("vapi: a call may have been placed, but the answer is none", "provider", p.cfg.Name, "key", req.Key, "status", status)
		if status >= 300 && status <= 399 {
			words = errors.New("the answer is a redirect, which is not followed")
		}
	}
	e := p.fail("place", r.kind, status, words)
	if r.kind == provider.KindRateLimited {
		e.RetryAfter = vendorhttp.RetryAfter(reply.Header, time.Now())
	}
	return provider.Call{}, e
}
