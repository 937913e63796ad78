package vapi

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bearer is a credential of Vapi's that sends a token with each webhook.
type Bearer struct {
	// Token is what the header must hold after Prefix, compared in constant time.
	// Required.
	Token string `json:"-"`
	// Header is the one it comes in. Default "Authorization".
	Header string
	// Prefix stands before the token. Default "Bearer " in Authorization, else none.
	Prefix string
	// NoPrefix says that the token stands alone, in Authorization too: Vapi lets an
	// account switch its prefix off.
	NoPrefix bool
}

func (b *Bearer) checked() (*Bearer, error) {
	if b == nil {
		return nil, nil
	}
	c := *b
	if c.Token == "" {
		return nil, errors.New("Token is empty")
	}
	if err := checkToken(c.Token); err != nil {
		return nil, fmt.Errorf("Token: %w", err)
	}
	if c.Header == "" {
		c.Header = "Authorization"
	}
	if c.NoPrefix && c.Prefix != "" {
		return nil, errors.New("Prefix is set and so is NoPrefix: leave one of them out")
	}
	if c.Prefix == "" && !c.NoPrefix && http.CanonicalHeaderKey(c.Header) == "Authorization" {
		c.Prefix = "Bearer "
	}
	return &c, nil
}

func (b *Bearer) verify(h http.Header) bool {
	return sameSecret(h.Values(b.Header), b.Prefix+b.Token)
}

// Format writes b without its token, whatever the verb.
func (b Bearer) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "vapi.Bearer{Header:%q Token:%s}", b.Header, redacted(b.Token))
}

// DefaultHMACWindow is how far a signed timestamp may be from now.
const DefaultHMACWindow = 5 * time.Minute

// HMAC is a credential of Vapi's that signs each webhook. The defaults are Vapi's
// own; its dashboard lets an account change each of them. The signed payload is
// the timestamp, a dot and the body as it came. (Vapi can also sign in the style of
// Svix; WebhookConfig.Verify is for that.)
type HMAC struct {
	// Secret is the key. Required.
	Secret string `json:"-"`
	// Header is the one with the signature, TimestampHeader that with the time it
	// was made (Unix seconds, or milliseconds). Defaults "X-Signature" and
	// "X-Timestamp".
	Header, TimestampHeader string
	// Prefix stands before the signature's lower-case hex digits, say "sha256=".
	Prefix string
	// Algorithm is "sha256", the default, "sha512" or "sha1". A signature by
	// another one is refused.
	Algorithm string
	// Window is how far the timestamp may be from now, either way: an older
	// request is a replay. Default DefaultHMACWindow.
	Window time.Duration
}

var algorithms = map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}

func (m *HMAC) checked() (*HMAC, error) {
	if m == nil {
		return nil, nil
	}
	c := *m
	for _, f := range []struct {
		field *string
		def   string
	}{{&c.Header, "X-Signature"}, {&c.TimestampHeader, "X-Timestamp"}, {&c.Algorithm, "sha256"}} {
		if *f.field == "" {
			*f.field = f.def
		}
	}
	if c.Window == 0 {
		c.Window = DefaultHMACWindow
	}
	switch {
	case c.Secret == "":
		return nil, errors.New("Secret is empty")
	case algorithms[c.Algorithm] == nil:
		return nil, fmt.Errorf("Algorithm is %q: use sha256, sha512 or sha1", c.Algorithm)
	case c.Window < 0:
		return nil, errors.New("Window is negative: leave it zero for the default")
	}
	return &c, nil
}

// plausible looks at the headers alone, so that most forgeries cost no body.
func (m *HMAC) plausible(h http.Header, now time.Time) bool {
	signature, timestamp := h.Values(m.Header), h.Values(m.TimestampHeader)
	if len(signature) != 1 || len(timestamp) != 1 {
		return false
	}
	digits, ok := strings.CutPrefix(signature[0], m.Prefix)
	if !ok || len(digits) != 2*algorithms[m.Algorithm]().Size() {
		return false
	}
	at, ok := signedAt(timestamp[0])
	return ok && now.Sub(at).Abs() <= m.Window
}

// signedAt reads a Unix time of ten digits, or of thirteen in milliseconds.
func signedAt(text string) (time.Time, bool) {
	if strings.Trim(text, "0123456789") != "" {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && len(text) == 10:
		return time.Unix(n, 0), true
	case err == nil && len(text) == 13:
		return time.UnixMilli(n), true
	}
	return time.Time{}, false
}

// verify compares digits, not bytes: another spelling of the right signature is not
// what Vapi sends.
func (m *HMAC) verify(h http.Header, body []byte) bool {
	mac := hmac.New(algorithms[m.Algorithm], []byte(m.Secret))
	mac.Write([]byte(h.Get(m.TimestampHeader) + "."))
	mac.Write(body)
	return hmac.Equal([]byte(h.Get(m.Header)), []byte(m.Prefix+hex.EncodeToString(mac.Sum(nil))))
}

// Format writes m without its secret, whatever the verb.
func (m HMAC) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "vapi.HMAC{Header:%q Algorithm:%q Secret:%s}", m.Header, m.Algorithm, redacted(m.Secret))
}
