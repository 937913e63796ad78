package livekit

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/superservices/voice/internal/vendorhttp"
	"github.com/superservices/voice/provider"
)

// method is a Twirp method, the way it stands in the URL.
type method string

const (
	createRoom         method = "livekit.RoomService/CreateRoom"
	deleteRoom         method = "livekit.RoomService/DeleteRoom"
	listRooms          method = "livekit.RoomService/ListRooms"
	listParticipants   method = "livekit.RoomService/ListParticipants"
	updateRoomMetadata method = "livekit.RoomService/UpdateRoomMetadata"
	createSIP          method = "livekit.SIP/CreateSIPParticipant"
)

// twirpError is the body of an answer that is not 200. Its message is left out on
// purpose: wordings change with every version, and it may hold the number.
type twirpError struct {
	Code string            `json:"code"`
	Meta map[string]string `json:"meta"`
	// What is kept of the message: invited, it spoke of an INVITE; nobodyTook, it said
	// that no SIP service took the call, for want of one or of its CPU; ranOut, it said
	// that the ringing is over.
	invited, nobodyTook, ranOut bool
}

// twirpErrorOf is not ok if the body is not LiveKit's but, say, a proxy's.
func twirpErrorOf(body []byte) (twirpError, bool) {
	var e twirpError
	var said struct {
		Msg string `json:"msg"`
	}
	if json.Unmarshal(body, &e) != nil || kindOfCode[e.Code] == "" {
		return twirpError{}, false
	}
	_ = json.Unmarshal(body, &said) // a message that is no text says nothing
	words := strings.ToLower(said.Msg)
	e.invited = strings.Contains(words, "invite") || strings.Contains(words, "sip status")
	e.ranOut = strings.HasSuffix(words, "sip request timed out")
	e.nobodyTook = strings.HasSuffix(words, "no response from servers") || strings.HasSuffix(words, "cpu exhausted")
	return e, true
}

// codeNotFound says that a room, or a trunk, does not exist.
const codeNotFound = "not_found"

// kindOfCode classifies Twirp's codes for requests that ring nobody.
var kindOfCode = map[string]provider.Kind{
	"invalid_argument":    provider.KindInvalidRequest,
	"malformed":           provider.KindInvalidRequest,
	"out_of_range":        provider.KindInvalidRequest,
	"unauthenticated":     provider.KindUnauthenticated,
	"permission_denied":   provider.KindUnauthenticated,
	codeNotFound:          provider.KindNotFound,
	"bad_route":           provider.KindNotFound,
	"resource_exhausted":  provider.KindRateLimited,
	"unavailable":         provider.KindUnavailable,
	"canceled":            provider.KindUnavailable,
	"unknown":             provider.KindUnavailable,
	"deadline_exceeded":   provider.KindUnavailable,
	"already_exists":      provider.KindUnavailable,
	"failed_precondition": provider.KindUnavailable,
	"aborted":             provider.KindUnavailable,
	"unimplemented":       provider.KindUnavailable,
	"internal":            provider.KindUnavailable,
	"dataloss":            provider.KindUnavailable,
}

// client asks what may be asked again; the dial itself goes another way.
type client struct {
	provider string
	base     string
	sign     signer
	reader   *vendorhttp.Reader
}

// request returns the address, headers and body of a call of m.
func (c *client) request(m method, g grants, in any) (string, http.Header, []byte, error) {
	token, err := c.sign(g, time.Now())
	if err != nil {
		return "", nil, nil, errors.New("cannot sign the request")
	}
	body, err := json.Marshal(in)
	if err != nil {
		return "", nil, nil, errors.New("the request cannot be written as JSON: check data and model_config")
	}
	h := http.Header{}
	h.Set("Authorization", "Bearer "+token)
	h.Set("Content-Type", "application/json")
	return c.base + "/twirp/" + string(m), h, body, nil
}

// call asks m for op and decodes the answer into out. Nothing it asks for rings a
// phone, and all of it may be repeated, so what failed half-way is KindUnavailable.
func (c *client) call(ctx context.Context, op string, m method, g grants, in, out any) error {
	url, h, body, err := c.request(m, g, in)
	if err != nil {
		return c.fail(op, provider.KindInvalidRequest, "", err)
	}
	reply, err := c.reader.Do(ctx, vendorhttp.Request{Op: op, Method: http.MethodPost, URL: url, Header: h, Body: body, MaxBody: 16 << 20})
	if err == nil {
		err = reply.BodyErr
	}
	if err != nil {
		var e *provider.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return c.fail(op, provider.KindUnavailable, "", err)
	}
	if reply.Status == http.StatusOK {
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(reply.Body, out); err != nil {
			return c.fail(op, provider.KindUnavailable, "", errors.New("the answer is not LiveKit's: check the URL"))
		}
		return nil
	}
	return c.refusal(op, reply)
}

// refusal is the error for an answer that is not 200.
func (c *client) refusal(op string, reply vendorhttp.Reply) *provider.Error {
	kind, code := vendorhttp.KindOfRead(reply.Status), http.StatusText(reply.Status)
	if e, ok := twirpErrorOf(reply.Body); ok {
		kind, code = kindOfCode[e.Code], e.Code
	} else if kind == "" {
		kind = provider.KindUnavailable // a 2xx that is not 200 is not LiveKit's
	}
	e := c.fail(op, kind, code, nil)
	if kind == provider.KindRateLimited {
		e.RetryAfter = vendorhttp.RetryAfter(reply.Header, time.Now())
	}
	return e
}

func (c *client) fail(op string, kind provider.Kind, code string, err error) *provider.Error {
	return &provider.Error{Provider: c.provider, Op: op, Kind: kind, Code: code, Err: err}
}

// The requests, each with the grant it needs and no other.

func (c *client) participants(ctx context.Context, op, name string) ([]participant, error) {
	var out struct {
		Participants []participant `json:"participants"`
	}
	err := c.call(ctx, op, listParticipants, mayAdmin(name), map[string]string{"room": name}, &out)
	return out.Participants, err
}

// rooms lists the rooms of these names, or all.
func (c *client) rooms(ctx context.Context, op string, names ...string) ([]room, error) {
	var out struct {
		Rooms []room `json:"rooms"`
	}
	err := c.call(ctx, op, listRooms, mayList(), struct {
		Names []string `json:"names,omitempty"`
	}{names}, &out)
	return out.Rooms, err
}

// room returns nil if there is none of that name.
func (c *client) room(ctx context.Context, op, name string) (*room, error) {
	rs, err := c.rooms(ctx, op, name)
	for i := range rs {
		if rs[i].Name == name {
			return &rs[i], nil
		}
	}
	return nil, err
}

func (c *client) setMetadata(ctx context.Context, op, name, metadata string) error {
	return c.call(ctx, op, updateRoomMetadata, mayAdmin(name), map[string]string{"room": name, "metadata": metadata}, nil)
}

// delete removes a room and everybody in it; one that is gone is no error, but
// only LiveKit's own word counts for that.
func (c *client) delete(ctx context.Context, op, name string) error {
	err := c.call(ctx, op, deleteRoom, mayCreate(), map[string]string{"room": name}, nil)
	if errors.Is(err, &provider.Error{Kind: provider.KindNotFound, Code: codeNotFound}) {
		return nil
	}
	return err
}
