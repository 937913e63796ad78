package livekit

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// webhookSkew is how far LiveKit's clock and ours may differ.
const webhookSkew = time.Minute

// verifier checks that body came from LiveKit; authorization is the header, which
// holds the token and no scheme.
type verifier func(authorization string, body []byte) error

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
	return func(authorization string, body []byte) error {
		var c webhookClaims
		if _, err := parser.ParseWithClaims(authorization, &c, key); err != nil {
			return reasonOf(err)
		}
		sum := sha256.Sum256(body)
		want := base64.StdEncoding.EncodeToString(sum[:])
		if subtle.ConstantTimeCompare([]byte(c.SHA256), []byte(want)) != 1 {
			return errors.New("the body is not the one that was signed")
		}
		return nil
	}
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
