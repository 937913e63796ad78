package livekit

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// webhookSkew is how far LiveKit's clock and ours may differ.
const webhookSkew = time.Minute

// verifier checks the token that came in the headers, before the body is read, and
// returns what checks the body.
type verifier func(h http.Header) (checkBody func(body []byte) error, err error)

type webhookClaims struct {
	jwt.RegisteredClaims
	SHA256 string `json:"sha256"`
}

// newVerifier accepts one algorithm, one key and one issuer. The body is bound to
// the token by its hash and is not looked at before that fits.
func newVerifier(apiKey, secret string) verifier {
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(apiKey),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(webhookSkew),
	)
	key := func(*jwt.Token) (any, error) { return []byte(secret), nil }
	return func(h http.Header) (func([]byte) error, error) {
		// The header holds the token and no scheme. Two are one too many.
		authorization := h.Values("Authorization")
		if len(authorization) != 1 {
			return nil, errors.New("not one Authorization header")
		}
		var c webhookClaims
		if _, err := parser.ParseWithClaims(authorization[0], &c, key); err != nil {
			return nil, reasonOf(err)
		}
		if c.SHA256 == "" {
			return nil, errors.New("the token is for no body")
		}
		return c.checkBody, nil
	}
}

func (c webhookClaims) checkBody(body []byte) error {
	sum := sha256.Sum256(body)
	want := base64.StdEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(c.SHA256), []byte(want)) != 1 {
		return errors.New("the body is not the one that was signed")
	}
	return nil
}

// reasonOf keeps the kind of a token's fault and drops its content.
func reasonOf(err error) error {
	for _, known := range []error{
		jwt.ErrTokenMalformed, jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidIssuer,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenSignatureInvalid,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return jwt.ErrTokenUnverifiable
}
