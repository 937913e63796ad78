package fakelivekit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// leeway is how far clocks may differ.
const leeway = time.Minute

type grants struct {
	Video struct {
		RoomCreate bool   `json:"roomCreate"`
		RoomList   bool   `json:"roomList"`
		RoomAdmin  bool   `json:"roomAdmin"`
		Room       string `json:"room"`
	} `json:"video"`
	SIP struct {
		Call bool `json:"call"`
	} `json:"sip"`
}

type claims struct {
	Iss    string `json:"iss"`
	Exp    int64  `json:"exp"`
	Nbf    int64  `json:"nbf,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	grants
}

var enc = base64.RawURLEncoding

func mac(secret, signed string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(signed))
	return h.Sum(nil)
}

// parseToken checks a JWT: HS256 only, this key, this secret, within its time.
func parseToken(token, key, secret string, now time.Time) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, errors.New("not a token")
	}
	var head struct {
		Alg string `json:"alg"`
	}
	if !decodePart(parts[0], &head) || head.Alg != "HS256" {
		return claims{}, errors.New("algorithm is not HS256")
	}
	sum, err := enc.DecodeString(parts[2])
	if err != nil || !hmac.Equal(sum, mac(secret, parts[0]+"."+parts[1])) {
		return claims{}, errors.New("bad signature")
	}
	var c claims
	switch {
	case !decodePart(parts[1], &c):
		return claims{}, errors.New("bad claims")
	case c.Iss != key:
		return claims{}, errors.New("unknown API key")
	case c.Exp == 0 || now.After(time.Unix(c.Exp, 0).Add(leeway)):
		return claims{}, errors.New("expired, or without an expiry")
	case now.Before(time.Unix(c.Nbf, 0).Add(-leeway)):
		return claims{}, errors.New("not valid yet")
	}
	return c, nil
}

func decodePart(part string, v any) bool {
	b, err := enc.DecodeString(part)
	return err == nil && json.Unmarshal(b, v) == nil
}

func signToken(secret string, c any) string {
	b, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	signed := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(b)
	return signed + "." + enc.EncodeToString(mac(secret, signed))
}

// authenticate answers as LiveKit's middleware does: in plain text.
func (x *exchange) authenticate(key, secret string) *twirpErr {
	token, ok := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return &twirpErr{status: 401, Msg: "invalid authorization header. Must start with Bearer"}
	}
	c, err := parseToken(token, key, secret, time.Now())
	if err != nil {
		return &twirpErr{status: 401, Msg: "invalid token: " + token + ", error: " + err.Error()}
	}
	x.grants = c.grants
	return nil
}

func need(ok bool) *twirpErr {
	if ok {
		return nil
	}
	return refuse("unauthenticated", "permissions denied")
}

func (x *exchange) admin(room string) *twirpErr {
	return need(x.grants.Video.RoomAdmin && x.grants.Video.Room == room)
}
