package vapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// End hangs up: it asks for the call and posts to the control URL it finds there,
// or deletes a call that Vapi has put off. A call that has ended, or that Vapi does
// not know, is no error. Nil means that Vapi took the request, not that the line is
// down: the call's end is seen as any other.
//
// While a call is queued or ringing Vapi documents no way to stop it, and that holds
// for one that waits for a line under the name of "queued" too. End tries all the same; if the call has no control URL yet its error is KindUnavailable,
// and worth another try. Without one in mid-call (the assistant forbids control) it
// is KindUnsupported.
func (p *Provider) End(ctx context.Context, id provider.CallID) error {
	w, err := p.get(ctx, "end", id)
	switch {
	case errors.Is(err, provider.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	switch {
	case w.Status == "ended":
		return nil
	case w.Status == "scheduled":
		return p.unschedule(ctx, id)
	case w.Monitor.ControlURL == "" && statuses[w.Status] == provider.StatusInProgress:
		return p.fail("end", provider.KindUnsupported, 0, errors.New("the call has no control URL: allow monitorPlan.controlEnabled in the assistant"))
	case w.Monitor.ControlURL == "":
		return p.fail("end", provider.KindUnavailable, 0, errors.New("the call has no control URL yet"))
	}
	return p.hangUp(ctx, id, w.Monitor.ControlURL)
}

// unschedule deletes a call that has not been dialled. DELETE is for such calls
// only: for others it erases the record and hangs nothing up.
func (p *Provider) unschedule(ctx context.Context, id provider.CallID) error {
	at, err := p.callURL("end", id)
	if err != nil {
		return err
	}
	reply, err := p.reader.Do(ctx, vendorhttp.Request{Op: "end", Method: http.MethodDelete, URL: at, Header: p.header(), MaxBody: maxCallBody})
	switch {
	case err != nil:
		return err
	case reply.Status == http.StatusNotFound:
		return nil
	}
	body := reply
	reply.BodyErr = nil // the status tells
	if err := p.readError("end", reply); err != nil {
		return err
	}
	// Vapi may have dialled it meanwhile: then nothing is proved, and Get decides.
	if w, err := decodeCall(body.Body); err == nil && body.BodyErr == nil && w.ID == string(id) && w.Status == "ended" {
		p.deleted.put(id, p.call(ctx, w))
	}
	return nil
}

// hangUp posts to the control URL, which is a bearer secret: it is used once, not
// kept, and gets no other credential.
func (p *Provider) hangUp(ctx context.Context, id provider.CallID, control string) error {
	at, err := p.controlURL(control)
	if err != nil {
		return p.fail("end", provider.KindRejected, 0, err)
	}
	reply, err := p.reader.Do(ctx, vendorhttp.Request{
		Op: "end", Method: http.MethodPost, URL: at, Body: []byte(`{"type":"end-call"}`),
		Header: http.Header{"Content-Type": {"application/json"}},
	})
	if err != nil {
		return err
	}
	if kind := vendorhttp.KindOfRead(reply.Status); kind == "" {
		return nil
	}
	// The control socket closes with the call, so it may just have ended.
	w, err := p.get(ctx, "end", id)
	if errors.Is(err, provider.ErrNotFound) || err == nil && w.Status == "ended" {
		return nil
	}
	return p.fail("end", provider.KindUnavailable, reply.Status, errors.New("the call's control URL did not take the request"))
}

// controlURL checks the URL that Vapi gave for a call. Its host differs between
// clusters, so what is checked is that it does not lead to this machine or network
// unless the API itself is there.
func (p *Provider) controlURL(raw string) (string, error) {
	u, err := url.Parse(strings.Trim(strings.TrimSpace(raw), "<>"))
	if err != nil || u.Hostname() == "" || u.User != nil {
		return "", errors.New("the call's control URL is none")
	}
	ip := net.ParseIP(u.Hostname())
	inside := vendorhttp.IsLoopback(u) || ip != nil && !publicIP(ip)
	switch {
	case u.Host == p.base.Host && u.Scheme == p.base.Scheme:
	case vendorhttp.IsLoopback(u) && vendorhttp.IsLoopback(p.base) && (u.Scheme == "http" || u.Scheme == "https"):
	case u.Scheme == "https" && !inside:
	default:
		return "", errors.New("the call's control URL leads where it must not: it has to be https and not on this network")
	}
	return u.String(), nil
}

func publicIP(ip net.IP) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()
}
